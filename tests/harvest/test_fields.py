from typing import Any

import pytest

from harvest.fields import (
    MOST_CHARACTERS,
    MOST_HTML,
    is_negative,
    to_captions,
    to_date,
    to_fragment_sides,
    to_numbers,
    to_side,
    to_soup,
    to_texts,
    to_title,
)


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("one", ("one",)),
        (["one", "", None, " two "], ("one", "two")),
        ([{"alabama": "https://..."}], ("alabama",)),
        ([{"link": "//x", "title": "Italy--Venice"}], ("Italy--Venice",)),
        (None, ()),
        ({}, ()),
        (1890, ("1890",)),
        (True, ()),
        ("lone \ud800 surrogate", ("lone ? surrogate",)),
    ],
)
def test_a_field_is_read_whatever_its_shape(value: Any, texts: tuple[str, ...]) -> None:
    assert to_texts(value) == texts


@pytest.mark.parametrize(
    ("given", "title"),
    [
        ("A counter part of Mark Twain /", "A counter part of Mark Twain"),
        ("[Imatra, Russia, (i.e., Finland)]", "Imatra, Russia, (i.e., Finland)"),
        ("[The arsenal,\n  Venice] /", "The arsenal, Venice"),
        ("[Group [of two], Venice].", "Group [of two], Venice"),
        ("[Dresden], view [from the bridge]", "[Dresden], view [from the bridge]"),
        ("Damascus, [i.e. Beirut]", "Damascus, [i.e. Beirut]"),
        ("Zu\u0308rich", "Z\u00fcrich"),
        ("[]", "[]"),
        (None, ""),
    ],
)
def test_a_title_is_normalised(given: Any, title: str) -> None:
    assert to_title(given) == title


def test_a_text_is_cut_where_no_real_one_goes() -> None:
    assert to_texts(["a" * 30_000, "b"]) == ("a" * MOST_CHARACTERS, "b")


@pytest.mark.parametrize("rest", ["<a <a <a ", "<!-- <b>x</b> <!-- ", "</a </a", "<a href='"])
def test_markup_that_is_never_closed_is_left_out(rest: str) -> None:
    assert str(to_soup(f"<p>a<!-- c --></p> 1 < 2 {rest}")) == ("<p>a<!-- c --></p> 1 &lt; 2 ")


def test_a_page_that_is_far_too_long_is_refused() -> None:
    assert to_soup("a" * MOST_HTML).get_text() == "a" * MOST_HTML
    with pytest.raises(ValueError, match="at most 2000000 characters, got 2000001"):
        to_soup("a" * (MOST_HTML + 1))


def test_a_reproduction_number_is_not_looked_for_within_another_one() -> None:
    assert to_captions("LC-LC-USZ62-1 (x), LC-USZ62-2 (y)") == {
        "LC-LC-USZ62-1": "x",
        "LC-USZ62-2": "y",
    }
    assert to_captions("LC-x-LC-USZ62-1 (x)") == {}


def test_control_characters_are_replaced_but_for_line_breaks() -> None:
    assert to_texts("a\x00b\x1b[2J\nc") == ("a\ufffdb\ufffd[2J\nc",)


def test_reproduction_numbers_stand_one_a_line_however_they_come() -> None:
    lines = "LC-DIG-ds-004479 (digital file)\nLC-USZ62-12468 (b&w film copy neg.)"
    assert to_numbers(lines) == to_numbers(lines.split("\n")) == lines
    assert to_numbers(lines.replace("\n", " ")) == lines


def test_a_bracket_without_partner_goes() -> None:
    assert to_date("between 1941 and 1943]") == "between 1941 and 1943"
    assert to_date("[ca. 1916]") == "[ca. 1916]"


@pytest.mark.parametrize(
    ("fragment", "sides"),
    [
        ("#h=640&w=498", (498, 640)),
        ("#w=498&h=640", (498, 640)),
        ("#h=640", (None, 640)),
        ("#h=0&w=-3", (None, None)),
        ("#h=9999999999999&w=1", (1, None)),
        ("", (None, None)),
    ],
)
def test_sides_are_read_from_the_fragment(
    fragment: str, sides: tuple[int | None, int | None]
) -> None:
    assert to_fragment_sides(f"https://tile.loc.gov/a.jpg{fragment}") == sides


def test_a_side_is_a_positive_number() -> None:
    assert [to_side(v) for v in (3, "3", 3.0, 0, -1, 2.5, True, None, "x", 10**30)] == [
        3, 3, 3, None, None, None, None, None, None, None
    ]  # fmt: skip


def test_captions_are_read_from_html_and_from_text() -> None:
    html = (
        "<p>To obtain copies: <b>Reproduction Number:</b> LC-DIG-ppmsc-06712 (digital file from "
        "<i>original</i>) <br/>LC-USZ62-95830 (b&amp;w film copy neg.)</p>"
    )
    assert to_captions(html) == {
        "LC-DIG-ppmsc-06712": "digital file from original",
        "LC-USZ62-95830": "b&w film copy neg.",
    }
    assert to_captions([], "LC-USZC2-1178 (color film copy slide)\nLC-USF351-1 (x)") == {
        "LC-USZC2-1178": "color film copy slide",
        "LC-USF351-1": "x",
    }


def test_only_a_black_and_white_negative_is_one() -> None:
    assert is_negative("b&w film copy neg.")
    assert is_negative("digital file from b&w film copy neg. of half")
    assert not is_negative("color film copy neg.")
    assert not is_negative("digital file from original")
