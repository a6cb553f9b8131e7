"""The bundled Daraja simulator: Safaricom's wire over real HTTP, for development and tests.

Owns the program: the application, its page and books for developers, the server and the command. The
provider's wire is in simulator_wire, simulator_c2b and simulator_initiator, what happens behind it in simulator_prompts
and simulator_stage, the choice of what happens in simulator_stories and simulator_storm.
It stands beside the shop: no database, no settings, nothing kept on disk but its key pair.
"""

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
from flask import Flask, Response, jsonify, render_template_string
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from config import SIMULATOR_CREDENTIALS, simulator_port
from payments.simulator_account import Fault, Provider, render_fault
from payments.simulator_c2b import VALIDATION_SECONDS, take_hand_payment
from payments.simulator_keys import KEYS_FOLDER, simulator_certificate
from payments.simulator_stage import Stage
from payments.simulator_stories import refund_stories_table, stories_table
from payments.simulator_storm import CALM, Storm, Weather
from payments.simulator_weather import answer_in_weather
from payments.simulator_wire import PROVIDER_ROUTES
from utils import phones

SIMULATOR_KEY: Final = SIMULATOR_CREDENTIALS["MPESA_CONSUMER_KEY"]
SIMULATOR_SECRET: Final = SIMULATOR_CREDENTIALS["MPESA_CONSUMER_SECRET"]
SIMULATOR_SHORTCODE: Final = SIMULATOR_CREDENTIALS["MPESA_SHORTCODE"]
SIMULATOR_PASSKEY: Final = SIMULATOR_CREDENTIALS["MPESA_PASSKEY"]
SIMULATOR_INITIATOR_NAME: Final = SIMULATOR_CREDENTIALS["MPESA_INITIATOR_NAME"]
SIMULATOR_INITIATOR_PASSWORD: Final = SIMULATOR_CREDENTIALS["MPESA_INITIATOR_PASSWORD"]


def create_simulator(
    *,
    speed: float = 1.0,
    seed: int | None = None,
    storm: Storm = CALM,
    validation_seconds: float = VALIDATION_SECONDS,
    consumer_key: str | None = None,
    consumer_secret: str | None = None,
    shortcode: str = SIMULATOR_SHORTCODE,
    passkey: str = SIMULATOR_PASSKEY,
    initiator_name: str = SIMULATOR_INITIATOR_NAME,
    initiator_password: str = SIMULATOR_INITIATOR_PASSWORD,
    keys_folder: Path = KEYS_FOLDER,
) -> Flask:
    """Build the simulator. Without a consumer key and secret, any pair that is not empty is let in.

    Its Provider is `app.extensions["simulator"]`; whoever serves the application stops `.stage` at the end.
    """
    app = Flask(__name__, static_folder=None, template_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it, its base has not
    provider = Provider(
        stage=Stage(speed=speed, seed=seed, weather=Weather(storm)),
        consumer_key=consumer_key,
        consumer_secret=consumer_secret,
        shortcode=shortcode,
        passkey=passkey,
        initiator_name=initiator_name,
        initiator_password=initiator_password,
        keys_folder=keys_folder,
        validation_seconds=validation_seconds,
    )
    app.extensions["simulator"] = provider
    for method, path, view in PROVIDER_ROUTES:
        in_weather = partial(answer_in_weather, provider, view)
        app.add_url_rule(path, endpoint=path, view_func=in_weather, methods=[method])
    for method, path, view in SIMULATOR_ROUTES:
        app.add_url_rule(path, endpoint=path, view_func=partial(view, provider), methods=[method])
    app.register_error_handler(Fault, partial(render_fault, provider))
    return app


def show_book(provider: Provider) -> Response:
    entries = list(provider.stage.book.values())
    return jsonify(entries=[asdict(entry) for entry in entries], balance=sum(entry.amount for entry in entries))


def show_deliveries(provider: Provider) -> Response:
    return jsonify(deliveries=[asdict(d) for d in list(provider.stage.deliveries)])


def show_certificate(provider: Provider) -> Response:
    return Response(simulator_certificate(provider.keys_folder), mimetype="application/x-pem-file")


def show_page(provider: Provider) -> str:
    stage = provider.stage
    accepted = Counter(d.reference for d in list(stage.deliveries) if d.accepted)
    return render_template_string(
        PAGE,
        stories=[*stories_table(), *refund_stories_table()[:-1]],
        prompts=list(provider.prompts.values())[:-51:-1],
        book=dict(stage.book),
        accepted=accepted,
        mask=phones.mask,
    )


SIMULATOR_ROUTES: tuple[tuple[str, str, Callable[[Provider], Any]], ...] = (
    ("GET", "/simulator/book", show_book),
    ("GET", "/simulator/deliveries", show_deliveries),
    ("GET", "/simulator/certificate", show_certificate),
    ("POST", "/simulator/c2b", take_hand_payment),
    ("GET", "/", show_page),
)

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Daraja simulator</title>
<style>body{font:15px sans-serif;margin:2em;max-width:70em}table{border-collapse:collapse;margin-bottom:2em}
td,th{border:1px solid #ccc;padding:.3em .7em;text-align:left}</style>
<h1>Daraja simulator</h1>
<p>No money moves here. The last two digits of the phone choose what happens.</p>
<table><tr><th>Phone ends in<th>Story<th>What happens
{% for suffix, name, happens in stories %}<tr><td>{{ suffix }}<td>{{ name }}<td>{{ happens }}
{% endfor %}</table>
<h2>Last prompts</h2>
<table><tr><th>Phone<th>Amount<th>Account<th>Story<th>Result<th>Receipt<th>Callbacks accepted
{% for p in prompts %}<tr>
<td>{{ mask(p.phone) }}<td>{{ p.amount }}<td>{{ p.account }}<td>{{ p.story.name }}
<td>{{ "open" if p.result_code is none else p.result_code }}
<td>{{ p.receipt if p.receipt in book else "" }}<td>{{ accepted[p.checkout_request_id] }}
{% else %}<tr><td colspan="7">None yet.
{% endfor %}</table>
<p><a href="/simulator/book">Book</a> · <a href="/simulator/deliveries">Deliveries</a></p></html>
"""


class QuietHandler(WSGIRequestHandler):
    """No line for each request: the stage logs what matters. A broken-off answer closes its connection."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    def connection_dropped(self, error: BaseException, environ: Any = None) -> None:
        self.close_connection = True


def make_simulator_server(host: str, port: int, app: Flask) -> BaseWSGIServer:
    return make_server(host, port, app, threaded=True, request_handler=QuietHandler)


@contextmanager
def running_simulator(**options: Any) -> Iterator[tuple[str, Provider]]:
    """Serve a simulator on a free loopback port while the block runs; gives its address and its Provider."""
    app = create_simulator(**options)
    provider: Provider = app.extensions["simulator"]
    server = make_simulator_server("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="simulator-server", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}", provider
    finally:
        provider.stage.stop()
        server.shutdown()
        thread.join()
        provider.stage.join_deliveries()


STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
TABLE = "\n".join(
    f"  {suffix:<7}{name:<19}{happens}" for suffix, name, happens in [*stories_table(), *refund_stories_table()[:-1]]
)


@click.command("mpesa-simulator", epilog=f"\b\nThe last two digits of the phone choose the story:\n{TABLE}")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=simulator_port(5000), show_default=True)
@click.option("--speed", default=1.0, type=click.FloatRange(0, min_open=True), help="2 is twice as fast.")
@click.option("--seed", type=int, help="Makes ids and receipts reproducible.")
@click.option("--storm", type=int, metavar="SEED", help="Bad weather: losses, repeats, delays, errors, hung answers.")
def simulator_command(host: str, port: int, speed: float, seed: int | None, storm: int | None) -> None:
    """Serve the Daraja simulator until Ctrl-C or SIGTERM."""
    # Blocked in this thread and all that it starts, the signals are left for sigwait, however many a process
    # manager sends and whenever. A thread from before would end the process: the default action.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    app = create_simulator(speed=speed, seed=seed, storm=CALM if storm is None else Storm(seed=storm))
    server = make_simulator_server(host, port, app)
    threading.Thread(target=server.serve_forever, name="simulator-server", daemon=True).start()
    click.echo(f"Daraja simulator on http://{host}:{server.port}\nPhone ends in:\n{TABLE}")
    signal.sigwait(STOP_SIGNALS)
    app.extensions["simulator"].stage.stop()
