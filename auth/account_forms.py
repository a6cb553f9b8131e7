"""What the forms about one's own account hold, where it is not what the API reads."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, EmailStr

from auth.preference_services import CHANNELS, GROUPS, Preferences
from auth.schemas import Username
from utils.phones import Phone

Wish = Literal[
    "orders.in_app",
    "orders.by_mail",
    "payments.in_app",
    "payments.by_mail",
    "delivery.in_app",
    "delivery.by_mail",
    "security.in_app",
    "security.by_mail",
]
WISHES: tuple[str, ...] = get_args(Wish)


class ProfileForm(BaseModel):
    """Who one is."""

    model_config = ConfigDict(extra="forbid")

    username: Username
    email: EmailStr
    phone_number: Phone | None = None


class PreferencesForm(BaseModel):
    """The boxes that are checked: where one wants to be told of what."""

    model_config = ConfigDict(extra="forbid")

    wishes: list[Wish] = []

    def preferences(self) -> Preferences:
        """Return the wishes as the service takes them: a box that is not checked is a no."""
        return {group: {channel: f"{group}.{channel}" in self.wishes for channel in CHANNELS} for group in GROUPS}
