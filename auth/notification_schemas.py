"""What notifications, and the wishes about them, look like on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from utils import clock

Moment = Annotated[datetime, PlainSerializer(clock.iso, return_type=str)]


class NotificationQuery(BaseModel):
    """How notifications are paged; `unread=1` leaves out what was read."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(20, ge=1, le=100)
    cursor: str | None = None
    count: bool = False
    unread: bool = False


class Notification(BaseModel):
    """Something that the shop told a customer."""

    id: int
    topic: str = Field(examples=["order.paid"])
    title: str
    text: str
    order_id: int | None
    created_at: Moment
    read_at: Moment | None


class NotificationList(BaseModel):
    items: list[Notification]
    next_cursor: str | None
    unread_count: int
    total: int | None = None
    total_capped: bool | None = None


class UnreadCount(BaseModel):
    unread_count: int


class ChannelsIn(BaseModel):
    """What to change for one group of topics."""

    model_config = ConfigDict(extra="forbid")

    in_app: bool = True
    by_mail: bool = True


class PreferencesIn(BaseModel):
    """What to change; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    orders: ChannelsIn = Field(default_factory=ChannelsIn, description="placed, cancelled, taken up again")
    payments: ChannelsIn = Field(default_factory=ChannelsIn, description="paid, sent back")
    delivery: ChannelsIn = Field(default_factory=ChannelsIn, description="on its way, delivered")
    security: ChannelsIn = Field(
        default_factory=ChannelsIn, description="the important ones of these mails are sent all the same"
    )

    def changes(self) -> dict[str, dict[str, Any]]:
        """Return what was sent."""
        return self.model_dump(exclude_unset=True)


class Channels(BaseModel):
    """Where one is told of a group of topics."""

    in_app: bool
    by_mail: bool


class Preferences(BaseModel):
    """Where one is told of what."""

    orders: Channels
    payments: Channels
    delivery: Channels
    security: Channels
