"""The home page."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import render_template

bp = APIBlueprint("pages", __name__, enable_openapi=False)


@bp.get("/")
def home() -> str:
    """Show the shop."""
    return render_template("home.html")
