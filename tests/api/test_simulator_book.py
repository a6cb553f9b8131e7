"""What the simulator keeps and shows, and the command that runs it."""

import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
import requests
from click.testing import CliRunner

from payments.simulator import (
    running_simulator,
    simulator_command,
)
from payments.simulator_stories import stories_table
from tests.api.listening_shop import ROOT, SPEED, WAIT_SECONDS, Merchant, items_of, listening_shop

# --- the book, the deliveries, the page ---


def test_receipts_are_unique_and_the_book_adds_up(merchant, simulator, shop):
    for number in range(60, 69):
        assert merchant.push(f"2547000000{number}", Amount=number).status_code == 200
    receipts = {items_of(shop.next_callback())["MpesaReceiptNumber"] for _ in range(60, 69)}
    book = requests.get(f"{simulator[0]}/simulator/book", timeout=WAIT_SECONDS).json()
    assert {payment["receipt"] for payment in book["entries"]} == receipts
    assert len(receipts) == 9
    assert book["balance"] == sum(range(60, 69))
    assert {payment["account"] for payment in book["entries"]} == {"ORDER7"}


def test_same_seed_gives_the_same_ids(shop):
    answers = []
    for _ in range(2):
        with running_simulator(speed=SPEED, seed=7) as (url, _provider):
            answers.append(Merchant(url, shop.url).push("254700000020").json())
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        ((200, b'{"ResultCode":0,"ResultDesc":"Accepted"}'), True),
        ((200, b"fine"), False),
        ((404, b'{"code":"not_found"}'), False),
    ],
)
def test_what_the_shop_made_of_a_callback_is_kept(merchant, simulator, shop, answer, accepted):
    shop.answer = answer
    url, provider = simulator
    push = merchant.push("254700000011").json()  # answered only after the delivery has come to its end
    (delivery,) = requests.get(f"{url}/simulator/deliveries", timeout=WAIT_SECONDS).json()["deliveries"]
    assert delivery["reference"] == push["CheckoutRequestID"]
    assert (delivery["status"], delivery["answer"]) == (answer[0], answer[1].decode())
    assert delivery["accepted"] is accepted
    assert len(provider.stage.deliveries) == 1


def test_shop_that_is_away_is_noted_and_the_simulator_goes_on(simulator, shop):
    url, provider = simulator
    nobody = Merchant(url, "http://127.0.0.1:1/nobody/home")
    nobody.push("254700000011")
    assert provider.stage.deliveries[0].error == "ConnectionError"
    assert Merchant(url, shop.url).push("254700000000").status_code == 200
    assert shop.next_callback()["ResultCode"] == 0


def test_hung_shop_does_not_stop_the_others(simulator, shop):
    url, _ = simulator
    with listening_shop() as hung:
        hung.may_answer.clear()
        Merchant(url, hung.url).push("254700000000")
        hung.next_callback()
        Merchant(url, shop.url).push("254700000002")
        assert shop.next_callback()["ResultCode"] == 0


def test_page_shows_stories_and_payments_with_masked_phones(merchant, simulator, shop):
    merchant.push("254712345611", AccountReference="<b>ORDER")
    page = requests.get(simulator[0], timeout=WAIT_SECONDS).text
    assert "failed, then paid" in page
    assert "25471*****11" in page
    assert "254712345611" not in page
    assert "&lt;b&gt;ORDER" in page


# --- the command ---


def test_help_prints_the_stories():
    out = CliRunner().invoke(simulator_command, ["--help"]).output
    assert all(name in out and happens in out for _, name, happens in stories_table())


@contextmanager
def running_command():
    command = "from payments.simulator import simulator_command; simulator_command()"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_command_serves_and_stops_at_once_on_a_signal(shop, signal_number):
    with running_command() as (process, url):
        merchant = Merchant(url, shop.url)
        merchant.push("254700000020")  # an event twenty seconds ahead
        held = threading.Thread(target=pytest.raises, args=(requests.ConnectionError, merchant.push, "254700000054"))
        held.start()
        merchant.push("254700000011")
        process.send_signal(signal_number)
        process.send_signal(signal.SIGTERM)  # process managers send a second one
        _, errors = process.communicate(timeout=WAIT_SECONDS)
        held.join()
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_log_holds_no_whole_phone_and_no_callback_address(shop):
    with running_command() as (process, url):
        Merchant(url, shop.url).push("254712345611")  # answered only after its callback is logged
        process.terminate()
        log = "".join(process.communicate(timeout=WAIT_SECONDS))
    assert "prompt opened" in log
    assert "message delivered" in log
    assert "712345611" not in log
    assert "0123abcd" not in log


def test_stopped_simulator_leaves_no_thread(shop):
    with running_simulator(speed=SPEED) as (url, _):
        merchant = Merchant(url, shop.url)
        merchant.push("254700000020")
    assert not [t.name for t in threading.enumerate() if t.name in ("simulator-agenda", "simulator-server")]
