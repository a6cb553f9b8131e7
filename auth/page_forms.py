"""What the forms of the account pages hold, where it is not what the API reads."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from auth.schemas import PresentPassword

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=254)]
Code = Annotated[str, Field(min_length=1, max_length=40, repr=False)]


class LogInForm(BaseModel):
    """A user name or an e-mail address, and the password."""

    model_config = ConfigDict(extra="forbid")

    username: Name
    password: PresentPassword


class CodeForm(BaseModel):
    """A code of the second factor, or a recovery code."""

    model_config = ConfigDict(extra="forbid")

    totp: Code
