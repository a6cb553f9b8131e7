"""What operators ask: is the process alive, is it ready, what are its figures."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from main import services
from utils import web

bp = APIBlueprint("operations", __name__, tag="Operations", enable_openapi=False)


@bp.get("/health")
def health() -> Response:
    """Answer as long as the process lives, whatever the database does."""
    return web.answer({"status": "ok"})


@bp.get("/ready")
def ready() -> Response:
    """Answer 200 when orders can be taken and settled: database, migrations and worker are there."""
    states = services.get_readiness()
    is_ready = all(state == "ok" for state in states.values())
    return web.answer({"status": "ok" if is_ready else "not ready", **states}, 200 if is_ready else 503)


@bp.get("/metrics")
def metrics() -> Response:
    """Answer with the counters of this process and the backlogs of the shop."""
    services.refresh_gauges()
    return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)
