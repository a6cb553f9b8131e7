"""Importing catalogue files: one transaction a product, every row imported or reported.

The file is what its products shall be: what differs is changed, what is the same is not touched, so the same file
twice changes nothing. A product is known by its slug, a variant by its options or its SKU. Stock becomes what the
file says, with a movement `import`. A row that cannot be used spoils no other; while a product has such rows, none
of its standing variants is dropped for being missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import IO

from products import category_path_services, csv_files, drafts, duka, services, shopify
from products.csv_files import Offer, OfferedVariant, Problem
from products.drafts import Draft, Variant
from utils import audit, db
from utils.errors import ShopError, UnreadableFile

FORMATS: Mapping[str, ModuleType] = {"shopify": shopify, "duka": duka}
WOOCOMMERCE = {"Type", "SKU", "Name", "Regular price"}
TELL_EVERY = 200
TAKEN = "has the SKU of another product, {}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a product of the file: new, changed, unchanged or refused."""

    line: int
    product: str
    rows: int
    outcome: str


@dataclass(slots=True)
class Summary:
    """What an import did: products by outcome (new, changed, unchanged, refused), rows, and what was not imported."""

    outcomes: list[Outcome] = field(default_factory=list)
    products: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    problems: list[Problem] = field(default_factory=list)

    def __str__(self) -> str:
        reported = len({problem.line for problem in self.problems})
        told = [f"{self.products[outcome]} {outcome}" for outcome in ("new", "changed", "unchanged", "refused")]
        return f"{self.products.total()} products: {', '.join(told)}. {self.rows} rows, {reported} reported."


class _OnlyTried(Exception):
    """Undoes a product that was imported to see what would become of it."""

    def __init__(self, outcome: str, problems: list[Problem]) -> None:
        super().__init__(outcome)
        self.outcome, self.problems = outcome, problems


def import_file(
    path: Path, *, format_name: str | None = None, tell: Callable[[Summary], None] = lambda summary: None
) -> Summary:
    """Import a file, product by product; `tell` hears of the progress. Raises UnreadableFile.

    Without a format the header tells which one it is.
    """
    summary = import_stream(csv_files.open_file(path), format_name=format_name, tell=tell)
    if not summary.products.total() - summary.products["refused"]:
        raise UnreadableFile("\n".join([*map(str, summary.problems), f"No product of {path} could be imported."]))
    return summary


def import_stream(
    file: IO[bytes],
    *,
    format_name: str | None = None,
    actor_id: int | None = None,
    is_trial: bool = False,
    tell: Callable[[Summary], None] = lambda summary: None,
) -> Summary:
    """Import a file that was opened, and close it. A trial undoes each product again: it only tells what would be.

    Raises UnreadableFile.
    """
    summary = Summary()
    lines: dict[str, int] = {}
    skus: dict[str, str] = {}
    with csv_files.decode(file) as text:
        header, rows = csv_files.read_rows(text)
        for offer in _format_of(header, format_name).read(rows):
            if isinstance(offer, Problem):
                summary.rows += 1
                summary.problems.append(offer)
                continue
            summary.rows += offer.rows
            if lines.setdefault(offer.slug, offer.line) != offer.line:
                offer.fields = {}
                offer.report(offer.line, f"has the same slug as the product of line {lines[offer.slug]}")
            _leave_out_taken(offer, skus)
            outcome = _import_offer(offer, actor_id, is_trial)
            if outcome != "refused":
                skus |= _skus_of(offer)
            summary.products[outcome] += 1
            summary.outcomes.append(Outcome(offer.line, offer.slug, offer.rows, outcome))
            summary.problems += offer.problems
            if summary.products.total() % TELL_EVERY == 0:
                tell(summary)
    summary.problems.sort(key=lambda problem: problem.line)
    if actor_id is not None and not is_trial:
        record_import(summary=summary, actor_id=actor_id)
    return summary


@db.in_transaction
def record_import(tx: db.Tx, *, summary: Summary, actor_id: int) -> None:
    """Note in the audit log who imported, and what it came to."""
    told = {**summary.products, "rows": summary.rows}
    audit.record_tx(tx, action="catalogue.imported", actor_id=actor_id, target="catalogue", after=told)


def _format_of(header: list[str], name: str | None) -> ModuleType:
    if name == "woocommerce" or (name is None and set(header) >= WOOCOMMERCE):
        raise UnreadableFile("WooCommerce's format is not read yet: export as Shopify CSV or use the duka format.")
    known = [FORMATS[name]] if name else list(FORMATS.values())
    for format_module in known:
        if set(header) >= format_module.COLUMNS:
            return format_module
    wanted = "; ".join(f"{', '.join(sorted(format_module.COLUMNS))}" for format_module in known)
    raise UnreadableFile(f"The first line must name the columns {wanted}; it names {', '.join(header)[:200]}.")


def _leave_out_taken(offer: Offer, skus: Mapping[str, str]) -> None:
    """Leave out what has the SKU of an earlier product of the file: in a trial that one is in no table any more."""
    for variant in list(offer.variants):
        taken_by = skus.get(_sku_of(variant))
        if taken_by and taken_by != offer.slug:
            offer.report(variant.line, TAKEN.format(taken_by))
            offer.variants.remove(variant)


def _skus_of(offer: Offer) -> dict[str, str]:
    """Return which SKUs a product of the file has now."""
    reported = {problem.line for problem in offer.problems}
    skus = {_sku_of(variant) for variant in offer.variants if variant.line not in reported}
    return dict.fromkeys(skus - {""}, offer.slug)


def _sku_of(variant: OfferedVariant) -> str:
    return (variant.fields["sku"] or "").casefold()


def _import_offer(offer: Offer, actor_id: int | None, is_trial: bool) -> str:
    """Import one product and return the outcome; a domain error refuses it, and the file goes on."""
    if not offer.fields:
        return "refused"
    try:
        outcome, problems = _import_one(offer=offer, actor_id=actor_id, is_trial=is_trial)
    except _OnlyTried as tried:
        outcome, problems = tried.outcome, tried.problems
    except ShopError as error:
        told = "; ".join(f"{name}: {message}" for name, message in error.fields.items())
        offer.report(offer.line, f"{told or error.detail} (none of its {offer.rows} rows is imported)")
        return "refused"
    offer.problems += problems
    return outcome


@db.in_transaction
def _import_one(tx: db.Tx, *, offer: Offer, actor_id: int | None, is_trial: bool) -> tuple[str, list[Problem]]:
    outcome, problems = _import_one_tx(tx, offer=offer, actor_id=actor_id)
    if is_trial:
        raise _OnlyTried(outcome, problems)
    return outcome, problems


def _import_one_tx(tx: db.Tx, *, offer: Offer, actor_id: int | None) -> tuple[str, list[Problem]]:
    """Write a product as the file wants it. Return the outcome, and the rows that could not be used."""
    standing = tx.fetch_one(
        """
        SELECT p.id
          FROM products p
         WHERE p.live_slug = %(slug)s
           FOR UPDATE
        """,
        {"slug": offer.slug},
    )
    product_id = standing["id"] if standing else None
    variants, problems = _usable_tx(tx, offer, product_id)
    if not variants:
        return "refused", [*problems, Problem(offer.line, "has no variant that can be used", offer.slug)]
    if product_id is None:
        wanted = _draft_tx(tx, offer, variants)
        services.create_product_tx(tx, draft=wanted, slug=offer.slug, actor_id=actor_id)
        return "new", problems
    current = services.read_draft_tx(tx, product_id=product_id)
    variants = _recognised(variants, current, keep_all=bool(offer.problems or problems))
    wanted = _draft_tx(tx, offer, variants, otherwise_in=current.category)
    changed = services.write_difference_tx(
        tx, product_id=product_id, current=current, wanted=wanted, reason="import", actor_id=actor_id
    )
    return "changed" if changed else "unchanged", problems


def _draft_tx(tx: db.Tx, offer: Offer, variants: list[Variant], otherwise_in: str | None = None) -> Draft:
    """Return the product as the file wants it; an empty category leaves the one that it is in."""
    category = (
        category_path_services.find_or_make_path_tx(tx, offer.category)["slug"] if offer.category else otherwise_in
    )
    return drafts.checked(
        Draft(
            **offer.fields,
            category=category,
            options=list(variants[0].options),
            images=offer.images,
            variants=variants,
        )
    )


def _usable_tx(tx: db.Tx, offer: Offer, product_id: int | None) -> tuple[list[Variant], list[Problem]]:
    """Tell the variants that stand neither in each other's way nor in that of another product from the rest."""
    taken = _skus_of_others_tx(tx, [variant.fields["sku"] for variant in offer.variants], product_id)
    names = set(offer.variants[0].fields["options"]) if offer.variants else set()
    options: dict[object, int] = {}
    skus: dict[str, int] = {}
    usable: list[Variant] = []
    problems: list[Problem] = []
    for variant in offer.variants:
        key = drafts.options_key(variant.fields["options"])
        sku = _sku_of(variant)
        reasons = [
            (set(variant.fields["options"]) != names, f"must have just these options: {', '.join(names) or 'none'}"),
            (key in options, f"has the same options as line {options.get(key)}"),
            (sku in skus, f"has the same SKU as line {skus.get(sku)}"),
            (sku in taken, TAKEN.format(taken.get(sku))),
        ]
        reason = next((text for is_so, text in reasons if is_so), None)
        if reason:
            problems.append(Problem(variant.line, reason, offer.slug))
            continue
        options[key] = variant.line
        if sku:
            skus[sku] = variant.line
        usable.append(Variant(**variant.fields))
    return usable, problems


def _recognised(wanted: list[Variant], current: Draft, *, keep_all: bool) -> list[Variant]:
    """Give the wanted variants the ids of those that stand: by their options, else by their SKU."""
    by_options = {drafts.options_key(variant.options): variant for variant in current.variants}
    by_sku = {variant.sku.casefold(): variant for variant in current.variants if variant.sku}
    known: list[Variant] = []
    used: set[int | None] = set()
    for variant in wanted:
        same = by_options.get(drafts.options_key(variant.options)) or by_sku.get((variant.sku or "").casefold())
        if same is not None and same.id not in used:
            used.add(same.id)
            known.append(replace(variant, id=same.id))
        else:
            known.append(variant)
    return known + [variant for variant in current.variants if keep_all and variant.id not in used]


def _skus_of_others_tx(tx: db.Tx, skus: list[str | None], product_id: int | None) -> dict[str, str]:
    wanted = [sku for sku in skus if sku]
    if not wanted:
        return {}
    rows = tx.fetch_all(
        """
        SELECT v.live_sku AS sku, p.slug
          FROM variants v
          JOIN products p ON p.id = v.product_id
         WHERE v.live_sku IN {skus}
           AND v.product_id <> %(product_id)s
        """,
        {"product_id": product_id or 0},
        skus=db.in_list("sku", wanted),
    )
    return {row["sku"].casefold(): row["slug"] for row in rows}
