"""The 47 counties of Kenya, and how people write them."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator

# In the order of their numbers: Mombasa is 1, Nairobi 47.
COUNTIES = (
    "Mombasa",
    "Kwale",
    "Kilifi",
    "Tana River",
    "Lamu",
    "Taita-Taveta",
    "Garissa",
    "Wajir",
    "Mandera",
    "Marsabit",
    "Isiolo",
    "Meru",
    "Tharaka-Nithi",
    "Embu",
    "Kitui",
    "Machakos",
    "Makueni",
    "Nyandarua",
    "Nyeri",
    "Kirinyaga",
    "Murang'a",
    "Kiambu",
    "Turkana",
    "West Pokot",
    "Samburu",
    "Trans Nzoia",
    "Uasin Gishu",
    "Elgeyo-Marakwet",
    "Nandi",
    "Baringo",
    "Laikipia",
    "Nakuru",
    "Narok",
    "Kajiado",
    "Kericho",
    "Bomet",
    "Kakamega",
    "Vihiga",
    "Bungoma",
    "Busia",
    "Siaya",
    "Kisumu",
    "Homa Bay",
    "Migori",
    "Kisii",
    "Nyamira",
    "Nairobi",
)
# What some are called besides, by the letters alone.
OTHER_NAMES = {
    "keiyomarakwet": "Elgeyo-Marakwet",
    "taita": "Taita-Taveta",
    "tharaka": "Tharaka-Nithi",
    "transzoia": "Trans Nzoia",
}
LONGEST = 60
LIKE_ENOUGH = 0.8


def _letters(text: str) -> str:
    """Return the letters of a county's name alone, without `County`, `County of`, `City`."""
    return "".join(re.findall(r"[a-z]+", re.sub(r"\b(city|county|of)\b", "", text.casefold())))


BY_LETTERS = {**{_letters(name): name for name in COUNTIES}, **OTHER_NAMES}


def normalise(text: str) -> str:
    """Return the county that is meant: `muranga county` is Murang'a, `Kiambuu` is Kiambu.

    Raises ValueError with a sentence for the customer when it is none, or could be more than one.
    """
    letters = _letters(text[:LONGEST])
    if letters in BY_LETTERS:
        return BY_LETTERS[letters]
    meant = list(dict.fromkeys(BY_LETTERS[like] for like in get_close_matches(letters, BY_LETTERS, 3, LIKE_ENOUGH)))
    if len(meant) == 1:
        return meant[0]
    raise ValueError(f"could be {' or '.join(meant)}" if meant else "must be one of the 47 counties of Kenya")


County = Annotated[str, AfterValidator(normalise)]
