"""What clients send to the catalogue and what they get."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    RootModel,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from typing_extensions import TypedDict

from products import texts
from utils import clock
from utils.money import Money, Price

MOST_STOCK = 1_000_000
MOST_VARIANTS = 100
MOST_IMAGES = 50
MOST_OPTIONS = 3
OPTION_PREFIX = "option."


def _one_line(value: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise ValueError("must be one line, without control characters")
    return value


def _image_address(value: str) -> str:
    if not re.fullmatch(r"(https?://[^\s\"'<>\\/][^\s\"'<>\\]*|/[^\s\"'<>\\/][^\s\"'<>\\]*)", value):
        raise ValueError("must start with https://, http:// or / and hold no blanks or quotes")
    return value


def _cleaned(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not hold NUL characters")
    return texts.clean_html(value)


def _name_line(longest: int) -> Any:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=longest)


def _no_separator(value: str) -> str:
    if texts.CATEGORY_SEPARATOR in value:
        raise ValueError("must not hold >, which stands between a category and one below it")
    return value


def _given(value: Any) -> Any:
    if value is None:
        raise ValueError("must not be null; leave it out")
    return value


MayBeLeftOut = AfterValidator(_given)
"""For `X | None = None`: the field may be left out, which makes it None, but a client may not send null."""

Name = Annotated[str, _name_line(200), AfterValidator(_one_line)]
CategoryName = Annotated[str, _name_line(120), AfterValidator(_one_line), AfterValidator(_no_separator)]
CategoryPath = Annotated[str, _name_line(1200), AfterValidator(_one_line)]
CategorySlug = Annotated[str, StringConstraints(max_length=120, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Vendor = Annotated[str, StringConstraints(strip_whitespace=True, max_length=120), AfterValidator(_one_line)]
Sku = Annotated[str, _name_line(64), AfterValidator(_one_line)]
OptionName = Annotated[str, _name_line(60), AfterValidator(_one_line)]
OptionValue = Annotated[str, _name_line(120), AfterValidator(_one_line)]
Html = Annotated[str, StringConstraints(strip_whitespace=True, max_length=16_000), AfterValidator(_cleaned)]
ImageAddress = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000), AfterValidator(_image_address)]
AltText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300), AfterValidator(_one_line)]
Stock = Annotated[int, Field(strict=True, ge=0, le=MOST_STOCK)]
Reason = Annotated[str, _name_line(200), AfterValidator(_one_line)]
Bound = Annotated[Money, Field(ge=0, max_digits=12, decimal_places=2)]
Moment = Annotated[
    datetime,
    PlainSerializer(clock.iso, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
Rating = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


# --- requests


class ImageIn(Request):
    url: ImageAddress
    alt: AltText = ""


class VariantIn(Request):
    """A variant to make, or, with its `id`, to change; what is left out stays (or is the product's)."""

    id: Annotated[int, Field(strict=True, gt=0, lt=2**63)] | None = None
    sku: Sku | None = None
    options: Annotated[dict[OptionName, OptionValue], Field(max_length=MOST_OPTIONS)] = {}
    price: Annotated[Price | None, MayBeLeftOut] = None
    stock: Annotated[Stock | None, MayBeLeftOut] = None


class ProductFields(Request):
    """Every field of a product, each of which may be left out of an edit."""

    name: Annotated[Name | None, MayBeLeftOut] = None
    description: Html = ""
    vendor: Vendor = ""
    price: Annotated[Price | None, MayBeLeftOut] = None
    compare_at_price: Price | None = None
    stock: Annotated[Stock | None, MayBeLeftOut] = None
    sku: Sku | None = None
    category: CategoryPath | None = None
    options: Annotated[list[OptionName], Field(max_length=MOST_OPTIONS)] = []
    variants: Annotated[
        Annotated[list[VariantIn], Field(min_length=1, max_length=MOST_VARIANTS)] | None, MayBeLeftOut
    ] = None
    image_url: ImageAddress | None = None
    images: Annotated[list[ImageIn], Field(max_length=MOST_IMAGES)] = []

    def given(self) -> dict[str, Any]:
        """Return the fields that the client named."""
        return self.model_dump(exclude_unset=True)


class NewProduct(ProductFields):
    name: Name


class StockIn(Request):
    stock: Stock
    expected: Stock | None = None
    reason: Reason


class CategoryIn(Request):
    name: CategoryName
    slug: CategorySlug | None = None
    parent: CategorySlug | None = None


class CategoryChange(Request):
    name: Annotated[CategoryName | None, MayBeLeftOut] = None
    slug: Annotated[CategorySlug | None, MayBeLeftOut] = None
    parent: CategorySlug | None = None


SortName = Literal["newest", "price", "-price", "name", "rating", "relevance"]


class PageQuery(Request):
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: str | None = None


def _plain_query(value: Any) -> Any:
    if isinstance(value, str) and "\x00" in value:
        raise ValueError("must not hold NUL characters")
    return value


def _option_parameter(name: str) -> str:
    if not name.startswith(OPTION_PREFIX) or not len(OPTION_PREFIX) < len(name) <= len(OPTION_PREFIX) + 60:
        raise ValueError("there is no such parameter")
    return name


class ProductQuery(PageQuery):
    """The parameters of the product list; besides, `option.<Name>=<value>` as often as wanted."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[Annotated[str, AfterValidator(_option_parameter)], OptionValue]

    category: Annotated[str, BeforeValidator(_plain_query), Field(min_length=1, max_length=120)] | None = None
    q: Annotated[str, BeforeValidator(_plain_query), StringConstraints(strip_whitespace=True, max_length=200)] = ""
    min_price: Bound | None = None
    max_price: Bound | None = None
    in_stock: bool = False
    sort: SortName | None = None
    count: bool = False
    facets: bool = False

    @model_validator(mode="after")
    def _fits_together(self) -> ProductQuery:
        problems = []
        if self.sort == "relevance" and not self.q:
            problems.append("sort=relevance needs q")
        if self.min_price is not None and self.max_price is not None and self.min_price > self.max_price:
            problems.append("min_price is above max_price")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def option_names(self) -> list[str]:
        """Return the names behind `option.`."""
        return [name.removeprefix(OPTION_PREFIX) for name in self.model_extra or {}]


# --- answers: the services' own dicts; made by model_construct(), for to check them again costs more than to write them


class ImageOut(TypedDict):
    url: str
    alt: str


class VariantOut(TypedDict):
    id: int
    sku: str | None
    options: dict[str, str]
    price: Money
    stock: int
    in_stock: bool


class ListedProduct(TypedDict):
    id: int
    slug: str
    name: str
    price: Money
    price_max: Money
    compare_at_price: Money | None
    currency: str
    in_stock: bool
    stock: int
    category: str | None
    image_url: str | None
    options: list[str]
    rating: Rating | None
    review_count: int
    created_at: Moment


class CategoryCount(TypedDict):
    slug: str
    name: str
    count: int


class PriceBand(TypedDict):
    min_price: Money
    max_price: Money | None
    count: int


class OptionValueCount(TypedDict):
    value: str
    count: int


class OptionCounts(TypedDict):
    name: str
    values: list[OptionValueCount]


class Facets(TypedDict):
    categories: list[CategoryCount]
    prices: list[PriceBand]
    options: list[OptionCounts]


class ListExtras(BaseModel):
    """What a list has besides when it was asked for."""

    total: int | None = None
    total_capped: bool | None = None
    facets: Facets | None = None


class ProductList(ListExtras):
    items: list[ListedProduct]
    next_cursor: str | None


class Crumb(TypedDict):
    slug: str
    name: str


class WholeProduct(ListedProduct):
    description: str
    vendor: str
    images: list[ImageOut]
    variants: list[VariantOut]
    breadcrumbs: list[Crumb]
    related: list[ListedProduct]
    updated_at: Moment


class ProductDetail(RootModel[WholeProduct]):
    """A product with all that its page shows."""


class StockOut(BaseModel):
    variant_id: int
    stock: int


class MovementOut(TypedDict):
    id: int
    delta: int
    reason: str
    order_id: int | None
    actor_id: int | None
    created_at: Moment


class MovementList(BaseModel):
    items: list[MovementOut]
    next_cursor: str | None


class CategoryOut(TypedDict):
    slug: str
    name: str
    product_count: int
    children: list[CategoryOut]


class WholeCategory(CategoryOut):
    parent: str | None
    breadcrumbs: list[Crumb]


class CategoryDetail(RootModel[WholeCategory]):
    """A category with its place in the tree."""


class CategoryTree(BaseModel):
    items: list[CategoryOut]
