"""Slugs, cleaned HTML and search words."""

from __future__ import annotations

import pytest

from products import texts


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Maasai Shuka", "maasai-shuka"),
        ("Crème brûlée", "creme-brulee"),
        ("Ζάχαρη", "zakhare"),
        ("🥭", "product"),
        ("2024", "product-2024"),
        ("x" * 300, "x" * 180),
    ],
)
def test_every_name_gets_a_slug_that_is_no_number(name: str, slug: str) -> None:
    assert texts.slug_of(name, otherwise="product") == slug


def test_a_taken_slug_gets_the_lowest_free_number() -> None:
    assert texts.free_slug("tea", set()) == "tea"
    assert texts.free_slug("tea", {"tea", "tea-2", "tea-4"}) == "tea-3"


def test_what_could_harm_a_reader_is_cleaned_away() -> None:
    dirty = '<p onclick="steal()">Good<script>steal()</script><a href="javascript:steal()" title="t">x</a></p>'
    assert texts.clean_html(dirty) == '<p>Good<a title="t" rel="noopener noreferrer">x</a></p>'


def test_html_that_grows_past_its_column_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        texts.clean_html("&" * 16_000)


@pytest.mark.parametrize(
    ("typed", "query"),
    [
        ("leather bag", "+leather* +bag*"),
        ("the bag of tea", "+bag* +tea*"),
        ('+bag -"tea" (cup)* ~@', "+bag* +tea* +cup*"),
        ("Shirts dresses batteries glass", "+shirt* +dress* +batter* +glass*"),
        ("bag BAG", "+bag*"),
        ("tv of a", ""),
        ("🥭", ""),
        ("its", "+its*"),
        ("w" * 100, f"+{'w' * 80}*"),
    ],
)
def test_what_people_type_becomes_a_query_that_cannot_be_broken(typed: str, query: str) -> None:
    assert texts.full_text_query(typed) == query


@pytest.mark.parametrize(
    ("typed", "pattern"), [("tv set", "% tv% set%"), ("100%", "% 100%"), ("a_b", r"% a\_b%"), ("%🥭", r"%\%🥭%")]
)
def test_a_name_is_matched_by_beginnings_of_words_taken_literally(typed: str, pattern: str) -> None:
    assert texts.name_pattern(typed) == pattern
