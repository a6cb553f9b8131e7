"""What the worker does for accounts."""

from __future__ import annotations

from auth import session_services
from utils import worker

JOBS = [worker.Job("forget expired refresh tokens", 3600, session_services.delete_expired_refresh_tokens)]
