"""What those who manage accounts send and read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, PlainSerializer, StringConstraints

from auth.schemas import Username
from utils import clock
from utils.phones import Phone

Moment = Annotated[datetime, PlainSerializer(clock.iso, return_type=str)]
RoleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{1,39}$")]
PermissionName = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,30}:[a-z_]{1,29}$")]


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be one line, without control characters")
    return value


Description = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_one_line)]


class Request(BaseModel):
    """A body of ours: a field that we do not know is an error."""

    model_config = ConfigDict(extra="forbid")

    def changes(self) -> dict[str, Any]:
        """Return what was sent."""
        return self.model_dump(exclude_unset=True)


class RoleIn(Request):
    """A new role."""

    name: RoleName
    description: Description = ""
    permissions: list[PermissionName] = Field(default_factory=list, max_length=200)


class RoleChange(Request):
    """What to change of a role; a field left out stays as it is."""

    name: RoleName = Field(default_factory=str)
    description: Description = Field(default_factory=str)
    permissions: list[PermissionName] = Field(default_factory=list, max_length=200)


class Role(BaseModel):
    name: str
    description: str
    built_in: bool
    permissions: list[str]
    user_count: int


class RoleList(BaseModel):
    items: list[Role]


class PermissionIn(Request):
    """A new permission, `subject:verb`."""

    name: PermissionName
    description: Description = ""


class PermissionChange(Request):
    """What a permission is for."""

    description: Description


class Permission(BaseModel):
    name: str
    description: str
    built_in: bool


class PermissionList(BaseModel):
    items: list[Permission]


class UserQuery(Request):
    """How accounts are found, sorted and paged; `q`: an e-mail address, a phone number, or how a user name begins."""

    limit: int = Field(20, ge=1, le=100)
    cursor: str | None = None
    count: bool = False
    sort: Literal["newest", "oldest", "name"] = "newest"
    q: Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=254)] | None = None
    role: RoleName | None = None
    disabled: bool | None = None


class UserChange(Request):
    """What to change of an account; a field left out stays as it is. Role and `disabled` need users:manage."""

    username: Username = Field(default_factory=str)
    email: EmailStr = Field(default_factory=str)
    phone_number: Phone | None = None
    role: RoleName = Field(default_factory=str)
    disabled: bool = False


class Account(BaseModel):
    """An account as those who manage accounts see it."""

    id: int
    username: str
    email: str
    phone_number: str | None
    role: str
    disabled: bool
    anonymised: bool
    created_at: Moment


class AccountList(BaseModel):
    items: list[Account]
    next_cursor: str | None
    total: int | None = None
    total_capped: bool | None = None


def _ahead(value: datetime) -> datetime:
    moment = clock.naive_utc(value)
    if moment <= clock.now():
        raise ValueError("must lie ahead")
    return moment


class ApiKeyIn(Request):
    """A new key: what it is for, what it may do, and until when (null: until it is revoked)."""

    name: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(_one_line)
    ]
    scopes: list[PermissionName] = Field(min_length=1, max_length=200)
    expires_at: Annotated[datetime, AfterValidator(_ahead)] | None = None


class ApiKey(BaseModel):
    """A key as its owner sees it afterwards; `prefix` is how it begins."""

    id: int
    name: str
    prefix: str
    scopes: list[str]
    created_at: Moment
    expires_at: Moment | None
    last_used_at: Moment | None


class NewApiKey(ApiKey):
    """A key with its secret."""

    key: str


class ApiKeyList(BaseModel):
    items: list[ApiKey]
