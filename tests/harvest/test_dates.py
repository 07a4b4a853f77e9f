import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest.dates import FIRST_YEAR, LAST_YEAR, to_interval


@pytest.mark.parametrize(
    ("statement", "interval"),
    [
        ("[between ca. 1890 and ca. 1900]", (1890, 1900)),
        ("between ca. 1890 and ca. 1900]", (1890, 1900)),
        ("between 1941 and 1943]", (1941, 1943)),
        ("[between 1890 and 1910?]", (1890, 1910)),
        ("1890-1900", (1890, 1900)),
        ("1890–1900.", (1890, 1900)),
        ("from 1890 to 1900", (1890, 1900)),
        ("1898 or 1899", (1898, 1899)),
        ("1898-9", (1898, 1899)),
        ("1898-99", (1898, 1899)),
        ("[1898 or 9]", (1898, 1899)),
        ("1898-06", (1898, 1898)),
        ("[ca. 1916]", (1916, 1916)),
        ("[1769?]", (1769, 1769)),
        ("circa 1905", (1905, 1905)),
        ("c1901", (1901, 1901)),
        ("c1901.", (1901, 1901)),
        ("©1901", (1901, 1901)),
        ("copyright 1901", (1901, 1901)),
        ("1888.", (1888, 1888)),
        ("1898 June 3", (1898, 1898)),
        ("1922 June 13.", (1922, 1922)),
        ("June 3, 1898", (1898, 1898)),
        ("1941 Jan.", (1941, 1941)),
        ("1890-01-01", (1890, 1890)),
        ("1890-01-01T00:00:00Z", (1890, 1890)),
        ("[189-?]", (1890, 1899)),
        ("[189-]", (1890, 1899)),
        ("189?", (1890, 1899)),
        ("1890s", (1890, 1899)),
        ("[between 189- and 190-]", (1890, 1909)),
        ("[18--?]", (1800, 1899)),
        ("the 1900s", (1900, 1999)),
        ("[19th century]", (1801, 1900)),
        ("late 19th cent.", (1801, 1900)),
        ("19th or 20th century", (1801, 2000)),
        ("[not before 1890]", (1890, None)),
        ("after 1890", (1890, None)),
        ("1890-", (1890, None)),
        ("[not after 1900]", (None, 1900)),
        ("before 1900", (None, 1900)),
        ("1905 [i.e. 1906]", (1906, 1906)),
        ("1905, i.e., 1906", (1906, 1906)),
        ("[photographed 1897, printed between 1900 and 1903]", (1897, 1903)),
        ("1898, c1901", (1898, 1901)),
        ("between 1900 and 1890", (1890, 1900)),
        ("n.d.", (None, None)),
        ("undated", (None, None)),
        ("", (None, None)),
        ("no. 8335", (None, None)),
        ("18900", (None, None)),
    ],
)
def test_a_statement_admits_the_years_of_its_form(
    statement: str, interval: tuple[int | None, int | None]
) -> None:
    assert to_interval(statement) == interval


@given(st.text(st.sampled_from("0189-–?[]() abetwnd.csi,/'©"), max_size=40) | st.text())
def test_whatever_is_stated_the_interval_runs_forwards_and_within_bounds(statement: str) -> None:
    first, last = to_interval(statement)
    assert first is None or FIRST_YEAR <= first <= LAST_YEAR
    assert last is None or FIRST_YEAR <= last <= LAST_YEAR
    assert first is None or last is None or first <= last
