"""What browsers tell when a page tried something that its policy forbids: a slip of ours, or somebody's script."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from utils import log
from utils.errors import MalformedRequest

logger = log.get_logger(__name__)

Told = Annotated[str, StringConstraints(max_length=4000)]


class Breach(BaseModel):
    document: Annotated[Told, Field(alias="document-uri")]
    directive: Annotated[Told, Field(alias="effective-directive")]
    blocked: Annotated[Told, Field(alias="blocked-uri")] = ""
    source: Annotated[Told, Field(alias="source-file")] = ""
    line: Annotated[int, Field(alias="line-number")] = 0


class Report(BaseModel):
    breach: Annotated[Breach, Field(alias="csp-report")]


def log_breach(body: bytes) -> None:
    """Log what a browser reports, without the secrets that addresses may hold. Raises MalformedRequest."""
    try:
        breach = Report.model_validate_json(body).breach
    except ValidationError:
        raise MalformedRequest("This is not the report of a browser.") from None
    logger.warning(
        "page broke its policy",
        page=_bare(breach.document),
        directive=breach.directive[:60],
        blocked=_bare(breach.blocked),
        source=_bare(breach.source),
        line=breach.line,
    )


def _bare(address: str) -> str:
    return address.partition("?")[0].partition("#")[0][:200]
