"""Counties: one spelling of each inside, most of those that people use at the door."""

from __future__ import annotations

import pytest

from utils import counties


def test_there_are_forty_seven_each_once_under_its_number() -> None:
    assert len(counties.COUNTIES) == len(set(counties.COUNTIES)) == 47
    assert (counties.COUNTIES[0], counties.COUNTIES[46]) == ("Mombasa", "Nairobi")


@pytest.mark.parametrize("county", counties.COUNTIES)
def test_each_is_found_by_its_own_name_however_it_is_written(county: str) -> None:
    for written in (county, county.upper(), county.lower(), f" {county} County ", county.replace(" ", "")):
        assert counties.normalise(written) == county
    assert counties.normalise(county.replace("-", " ").replace("'", "")) == county


@pytest.mark.parametrize(
    ("written", "county"),
    [
        ("muranga", "Murang'a"),
        ("Murang\u2019a county", "Murang'a"),
        ("HOMABAY", "Homa Bay"),
        ("Taita/Taveta", "Taita-Taveta"),
        ("tharaka nithi", "Tharaka-Nithi"),
        ("Trans-Nzoia", "Trans Nzoia"),
        ("Nairobi City", "Nairobi"),
        ("County of Nairobi", "Nairobi"),
        ("Kiambuu", "Kiambu"),
        ("Nakru", "Nakuru"),
        ("Mombassa", "Mombasa"),
        ("Uashin Gishu", "Uasin Gishu"),
        ("Elgeyo Marakwet", "Elgeyo-Marakwet"),
    ],
)
def test_usual_spellings_and_small_slips_are_understood(written: str, county: str) -> None:
    assert counties.normalise(written) == county


@pytest.mark.parametrize("written", ["", " ", "County", "London", "Eldoret", "Kampala", "K", "x" * 10_000, "\0"])
def test_what_is_no_county_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="one of the 47"):
        counties.normalise(written)


@pytest.mark.parametrize(("written", "meant"), [("Nairo", {"Nairobi", "Narok"}), ("Kisui", {"Kisii", "Kitui"})])
def test_what_could_be_two_is_asked_back(written: str, meant: set[str]) -> None:
    with pytest.raises(ValueError) as refused:
        counties.normalise(written)
    assert set(str(refused.value).removeprefix("could be ").split(" or ")) == meant
