"""What the worker looks up for those who run the shop."""

from __future__ import annotations

from admin import kept_services, rollup_services
from utils import worker

JOBS = [
    worker.Job("roll up days", 20.0, rollup_services.roll_up),
    worker.Job("look up costly figures", 5.0, kept_services.take_due_figures),
]
