"""What accounts look like on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, PlainSerializer, model_validator

from auth import passwords
from utils import clock
from utils.phones import Phone

Username = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{3,60}$", examples=["wanjiku"])]
NewPassword = Annotated[str, Field(min_length=passwords.SHORTEST, repr=False), AfterValidator(passwords.check_new)]
Moment = Annotated[datetime, PlainSerializer(clock.iso, return_type=str)]


class RegisterRequest(BaseModel):
    """A new account."""

    model_config = ConfigDict(extra="forbid")

    username: Username
    email: EmailStr
    password: NewPassword
    phone_number: Phone | None = None


class LoginRequest(BaseModel):
    """A user name or an e-mail address, and the password."""

    model_config = ConfigDict(extra="forbid")

    username: str = Field("", max_length=254)
    email: str = Field("", max_length=254)
    password: str = Field(min_length=1, max_length=4096, repr=False)
    totp: str = Field("", max_length=40, repr=False, description="a code of the second factor, or a recovery code")

    @model_validator(mode="after")
    def _one_name(self) -> LoginRequest:
        if bool(self.username) == bool(self.email):
            raise ValueError("send either username or email")
        return self


OneTimeToken = Annotated[str, Field(min_length=1, max_length=100, repr=False)]
PresentPassword = Annotated[str, Field(min_length=1, max_length=4096, repr=False)]


class AddressRequest(BaseModel):
    """Where to send a mail."""

    model_config = ConfigDict(extra="forbid")

    email: EmailStr


class VerificationRequest(BaseModel):
    """The token of the mail; or an address, to get another mail."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field("", max_length=100, repr=False)
    email: EmailStr = Field(default_factory=str)

    @model_validator(mode="after")
    def _one_thing(self) -> VerificationRequest:
        if bool(self.token) == bool(self.email):
            raise ValueError("send either token or email")
        return self


class PasswordReset(BaseModel):
    """The token of the mail, and the new password."""

    model_config = ConfigDict(extra="forbid")

    token: OneTimeToken
    password: NewPassword


class PasswordChange(BaseModel):
    """The present password, and the new one."""

    model_config = ConfigDict(extra="forbid")

    current_password: PresentPassword
    new_password: NewPassword


class PasswordProof(BaseModel):
    """The password, given again."""

    model_config = ConfigDict(extra="forbid")

    password: PresentPassword


class TotpCode(BaseModel):
    """A code that the authenticator shows."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(min_length=1, max_length=40, repr=False)


class TotpBegun(BaseModel):
    """What the authenticator is to know, in three forms."""

    secret: str
    uri: str
    qr_svg: str


class RecoveryCodes(BaseModel):
    """What lets the owner in without the authenticator, each once; shown now and never again."""

    recovery_codes: list[str]


class Accepted(BaseModel):
    """What was asked for is done, or will be."""

    message: str


class ProfileUpdate(BaseModel):
    """What to change of one's own account; a field left out stays, a phone number of null goes."""

    model_config = ConfigDict(extra="forbid")

    username: Username = Field(default_factory=str)
    email: EmailStr = Field(default_factory=str)
    phone_number: Phone | None = None

    def changes(self) -> dict[str, Any]:
        """Return what was sent."""
        return self.model_dump(exclude_unset=True)


class Avatar(BaseModel):
    """Where a picture is seen: square, of 96 and of 384 pixels."""

    small: str
    large: str


class User(BaseModel):
    """An account as its owner sees it."""

    id: int
    username: str
    email: str
    email_verified: bool
    phone_number: str | None
    avatar: Avatar | None
    role: str
    permissions: list[str]
    totp_enabled: bool
    created_at: Moment


class TokenPair(BaseModel):
    """Both tokens of a session."""

    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int


class LoggedIn(TokenPair):
    """Both tokens, and whose they are."""

    user: User


class SessionQuery(BaseModel):
    """How the sessions are paged."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(20, ge=1, le=100)
    cursor: str | None = None


class Session(BaseModel):
    """Where somebody is logged in; `last_used_at` is when its tokens were last renewed."""

    id: int
    device: str
    address: str
    created_at: Moment
    last_used_at: Moment
    current: bool


class SessionList(BaseModel):
    items: list[Session]
    next_cursor: str | None
