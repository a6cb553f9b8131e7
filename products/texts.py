"""Words made fit for the catalogue: cleaned HTML, slugs, search words. No database."""

from __future__ import annotations

import re

import nh3
from slugify import slugify

LONGEST_SLUG = 180  # of 200, so that a number finds room behind it
LONGEST_HTML = 65_535  # bytes in a TEXT column

TAGS = {"p", "br", "b", "strong", "i", "em", "u", "ul", "ol", "li", "h2", "h3", "h4", "blockquote", "a", "span"} | {
    "table", "thead", "tbody", "tr", "th", "td"
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "title"}}
SCHEMES = {"http", "https", "mailto", "tel"}


def clean_html(text: str) -> str:
    """Keep what a description needs and drop the rest: scripts, styles, handlers. Raises ValueError when too long."""
    cleaned = nh3.clean(text.strip(), tags=TAGS, attributes=ATTRIBUTES, url_schemes=SCHEMES)
    if len(cleaned.encode()) > LONGEST_HTML:
        raise ValueError("is too long")
    return cleaned


def slug_of(name: str, *, otherwise: str) -> str:
    """Return a slug for a name in any script, `otherwise` for one without letters (an emoji).

    Never a bare number: `/api/products/42` is an id.
    """
    slug = slugify(name, max_length=LONGEST_SLUG, word_boundary=True)
    if not slug:
        return otherwise
    return f"{otherwise}-{slug}" if slug.isdigit() else slug


def free_slug(base: str, taken: set[str]) -> str:
    """Return the base itself, or with the lowest number behind it that is not taken."""
    if base not in taken:
        return base
    number = 2
    while f"{base}-{number}" in taken:
        number += 1
    return f"{base}-{number}"


CATEGORY_SEPARATOR = ">"


def split_path(path: str) -> list[str]:
    """Return the names of a category path, `Groceries > Flour`, from the top."""
    return [name.strip() for name in path.split(CATEGORY_SEPARATOR) if name.strip()]


# --- search

SHORTEST_INDEXED = 3  # innodb_ft_min_token_size, as servers come
LONGEST_INDEXED = 80  # innodb_ft_max_token_size is 84
# InnoDB's own list: these are in no full-text index.
STOPWORDS = frozenset(
    re.findall(
        r"\w+",
        "a about an are as at be by com de en for from how i in is it la of on or that the this to was what when"
        " where who will with und www",
    )
)
# Plurals are looked for by their stem: shirts and shirt, dresses and dress, batteries and battery.
ENDINGS = {"ies": "", "sses": "ss", "shes": "sh", "ches": "ch", "xes": "x", "zes": "z", "ss": "ss", "s": ""}


def full_text_query(words: str) -> str:
    """Write what people type as a boolean full-text query: every word that is in an index must begin some word.

    Empty when no word of it can be in the index.
    """
    found = [word for word in re.findall(r"\w+", words.lower()) if word not in STOPWORDS]
    stems = [_stem(word)[:LONGEST_INDEXED] for word in found if len(word) >= SHORTEST_INDEXED]
    return " ".join(f"+{stem}*" for stem in dict.fromkeys(stems))


def _stem(word: str) -> str:
    for ending, kept in ENDINGS.items():
        stem = word.removesuffix(ending) + kept
        if word.endswith(ending) and len(stem) >= SHORTEST_INDEXED:
            return stem
    return word


def name_pattern(words: str) -> str:
    """Write what people type as a LIKE pattern for a name with a blank before it: words begin so, in this order.

    What is no word at all (an emoji) is looked for as it stands.
    """
    found = re.findall(r"\w+", words)
    if found:
        return "".join(f"% {_literally(word)}" for word in found) + "%"
    return f"%{_literally(words)}%"


def _literally(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)
