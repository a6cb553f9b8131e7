"""What staff ask about the shop as a whole, and what they read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints

from utils import clock

Moment = Annotated[datetime, PlainSerializer(clock.iso, return_type=str)]
NaiveUtc = Annotated[datetime, AfterValidator(clock.naive_utc)]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:@-]{1,140}$")]


class AuditQuery(BaseModel):
    """How the audit log is filtered, sorted and paged; `actor` is a user's id, `target` reads `order:17`."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(20, ge=1, le=100)
    cursor: str | None = None
    count: bool = False
    sort: Literal["newest", "oldest"] = "newest"
    actor: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    action: Word | None = None
    target: Word | None = None
    request_id: Word | None = None
    created_from: NaiveUtc | None = None
    created_to: NaiveUtc | None = None


class AuditEntry(BaseModel):
    """A deed: `before` and `after` hold what differs, or all there was or is."""

    id: int
    action: str
    target: str
    actor_id: int | None
    actor: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    address: str
    request_id: str
    created_at: Moment


class AuditLog(BaseModel):
    items: list[AuditEntry]
    next_cursor: str | None
    total: int | None = None
    total_capped: bool | None = None
