"""What staff send to import a catalogue, and the report that they get."""

from __future__ import annotations

from typing import Literal

from apiflask.fields import UploadFile
from pydantic import BaseModel, ConfigDict


class ImportQuery(BaseModel):
    """Without a format the first line of the file tells which one it is; a dry run changes nothing."""

    model_config = ConfigDict(extra="forbid")

    dry_run: bool = False
    format: Literal["shopify", "duka"] | None = None


class ImportFile(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    file: UploadFile


class ImportSummary(BaseModel):
    """Products, by what became of them."""

    new: int
    changed: int
    unchanged: int
    refused: int


class ImportedProduct(BaseModel):
    """A product of the file, by its slug and its first line."""

    line: int
    product: str
    rows: int
    outcome: Literal["new", "changed", "unchanged", "refused"]


class ImportProblem(BaseModel):
    """A row, or a part of it, that is not imported."""

    line: int
    reason: str
    product: str


class ImportReport(BaseModel):
    dry_run: bool
    summary: ImportSummary
    rows: int
    products: list[ImportedProduct]
    problems: list[ImportProblem]
