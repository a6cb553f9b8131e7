"""A shop that only listens: what the simulator's tests put at its other end."""

import base64
import json
import queue
import threading
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests

from payments.simulator import (
    SIMULATOR_KEY,
    SIMULATOR_PASSKEY,
    SIMULATOR_SECRET,
    SIMULATOR_SHORTCODE,
)

SPEED = 20
WAIT_SECONDS = 10
ROOT = Path(__file__).resolve().parents[2]
PUSH = "/mpesa/stkpush/v1/processrequest"
QUERY = "/mpesa/stkpushquery/v1/query"


class ListeningShop:
    """Receives callbacks, answers as it is told to, and keeps the raw bodies in a queue."""

    def __init__(self):
        shop = self
        self.callbacks = queue.Queue()
        self.answer = (200, b'{"ResultCode":0,"ResultDesc":"Accepted"}')
        self.may_answer = threading.Event()
        self.may_answer.set()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                shop.callbacks.put((self.path, body.decode()))
                shop.may_answer.wait(WAIT_SECONDS)
                status, answer = shop.answer
                with suppress(ConnectionError):  # the provider may have hung up meanwhile
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = self.address("/callbacks/stk/0123abcd")
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def next_callback(self):
        return self.next_message("/callbacks/stk/0123abcd")["Body"]["stkCallback"]

    def next_message(self, path):
        """Take the next message, which must have come to this path."""
        came_to, body = self.callbacks.get(timeout=WAIT_SECONDS)
        assert came_to == path
        return json.loads(body)

    def address(self, path):
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def close(self):
        self.may_answer.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Merchant:
    """A client that signs what it sends, as the provider demands."""

    def __init__(self, url, callback_url):
        self.url, self.callback_url = url, callback_url
        self.token = self.fetch_token().json()["access_token"]

    def fetch_token(self, key=SIMULATOR_KEY, secret=SIMULATOR_SECRET, grant="client_credentials"):
        return requests.get(
            f"{self.url}/oauth/v1/generate?grant_type={grant}", auth=(key, secret), timeout=WAIT_SECONDS
        )

    def post(self, path, body, token=None):
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return requests.post(self.url + path, json=body, headers=headers, timeout=WAIT_SECONDS)

    def push(self, phone, **changes):
        return self.post(PUSH, self.push_body(phone) | changes)

    def push_body(self, phone):
        return signature() | {
            "TransactionType": "CustomerPayBillOnline",
            "Amount": 1,
            "PartyA": int(phone),
            "PartyB": int(SIMULATOR_SHORTCODE),
            "PhoneNumber": int(phone),
            "CallBackURL": self.callback_url,
            "AccountReference": "ORDER7",
            "TransactionDesc": "Order",
        }

    def query(self, checkout_request_id):
        return self.post(QUERY, signature() | {"CheckoutRequestID": checkout_request_id})


def signature(passkey=SIMULATOR_PASSKEY):
    timestamp = datetime.now(timezone(timedelta(hours=3))).strftime("%Y%m%d%H%M%S")
    password = base64.b64encode(f"{SIMULATOR_SHORTCODE}{passkey}{timestamp}".encode()).decode()
    return {"BusinessShortCode": int(SIMULATOR_SHORTCODE), "Password": password, "Timestamp": timestamp}


@contextmanager
def listening_shop():
    shop = ListeningShop()
    try:
        yield shop
    finally:
        shop.close()


def items_of(callback):
    return {item["Name"]: item.get("Value") for item in callback["CallbackMetadata"]["Item"]}
