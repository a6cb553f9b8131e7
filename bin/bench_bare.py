"""The yardstick of bin/bench: a bare Flask view that answers with the bytes that the shop answered with."""

from __future__ import annotations

import os
import pickle
import random
from pathlib import Path

from flask import Flask, Response, request


def create_app() -> Flask:
    """Make an application of bare views, each choosing among the recorded bodies by chance."""
    bodies = pickle.loads(Path(os.environ["BENCH_BODIES"]).read_bytes())  # noqa: S301  (written by bin/bench itself)
    lists, details, callbacks = bodies["lists"], bodies["details"], bodies["callbacks"]
    app = Flask(__name__)

    @app.get("/api/products")
    def list_products() -> Response:
        return Response(random.choice(lists), mimetype="application/json")

    @app.get("/api/products/<int:product_id>")
    def get_product(product_id: int) -> Response:
        return Response(random.choice(details), mimetype="application/json")

    @app.post("/api/payments/callbacks/stk/<token>")
    def take_callback(token: str) -> Response:
        request.get_data()
        return Response(random.choice(callbacks), mimetype="application/json")

    return app
