"""What the worker does for the catalogue."""

from __future__ import annotations

from products import change_services
from utils import worker

JOBS = [worker.Job("forget catalogue changes", 3600, change_services.delete_heard_changes)]
