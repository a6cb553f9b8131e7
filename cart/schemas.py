"""What carts look like on the wire."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cart.services import CHOICES, MOST_OF_ONE
from utils.money import Money

Id = Annotated[int, Field(strict=True, ge=1, le=2**63 - 1)]


class CartAddition(BaseModel):
    """Pieces of a variant, named by its id, its SKU, or the id of a product that comes in one variant only."""

    model_config = ConfigDict(extra="forbid")

    product_id: Id | None = None
    variant_id: Id | None = None
    sku: str | None = Field(None, min_length=1, max_length=64)
    quantity: int = Field(1, strict=True, ge=1, le=MOST_OF_ONE)

    @model_validator(mode="after")
    def _one_choice(self) -> CartAddition:
        if len(self.choice()) != 1:
            raise ValueError("send exactly one of variant_id, sku and product_id")
        return self

    def choice(self) -> dict[str, object]:
        """Return what names the variant."""
        return self.model_dump(include=set(CHOICES), exclude_none=True)


class QuantityUpdate(BaseModel):
    """How many pieces a line shall have; 0 takes it out."""

    model_config = ConfigDict(extra="forbid")

    quantity: int = Field(strict=True, ge=0, le=MOST_OF_ONE)


class CartForm(BaseModel):
    """What the button of a product sends."""

    product_id: int | None = Field(None, ge=1, lt=2**63)
    variant_id: int | None = Field(None, ge=1, lt=2**63)
    quantity: int = Field(1, ge=1, le=MOST_OF_ONE)

    @model_validator(mode="after")
    def _one_choice(self) -> CartForm:
        if not self.choice():
            raise ValueError("choose one of its kinds")
        return self

    def choice(self) -> dict[str, object]:
        """Return what names the variant."""
        name = "product_id" if self.variant_id is None else "variant_id"
        return {name: chosen} if (chosen := getattr(self, name)) is not None else {}


class LineForm(BaseModel):
    """What the buttons of a line send: how many, or `remove`."""

    quantity: int = Field(0, ge=0, le=MOST_OF_ONE)
    remove: bool = False

    def wanted(self) -> int:
        """Return how many pieces shall be left."""
        return 0 if self.remove else self.quantity


class CartItem(BaseModel):
    """A line at the price and stock of now; `in_stock` says that all its pieces can be had."""

    id: int
    product_id: int
    variant_id: int
    sku: str | None
    name: str
    options: dict[str, str]
    quantity: int
    unit_price: Money
    subtotal: Money
    in_stock: bool
    price_changed: bool


class Cart(BaseModel):
    """A cart; `item_count` counts pieces."""

    items: list[CartItem]
    subtotal: Money
    currency: str
    item_count: int
