"""The report in a browser: what it needs, who can use it, and what it makes of odd data."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.axe import REACHABLE, find_violations, tab_through
from tests.browsing import browsing
from tests.showing import HOSTILE, LONG, draw_page, to_row

WIDTHS = pytest.mark.parametrize("width", [390, 1280])
SOMEWHERE = [
    to_row("Switzerland--Lucerne", 47.05, 8.31),
    to_row("Switzerland--Thun", 46.75, 7.63),
    to_row("California", None, None),
    to_row("", None, None),
]
MANY = [to_row(f"Italy--Place {n}", 36 + n % 20 * 0.9, 7 + n // 20 * 1.1) for n in range(200)]


@pytest.fixture
def browse(chromium: str) -> Iterator[Callable[..., Page]]:
    """Open a page of the disk in a browser that hears of all that the page asks for."""
    with browsing(chromium, own=["file://"]) as open_page:
        yield lambda path, width=1280: open_page(path.as_uri(), width)


@pytest.mark.browser
@WIDTHS
def test_axe_finds_nothing(tmp_path: Path, browse: Callable[..., Page], width: int) -> None:
    path = draw_page(tmp_path, catalog=SOMEWHERE, alarm="A view lies in two splits: a and b.")
    page = browse(path, width)
    assert find_violations(page) == []
    page.locator("summary").click()
    page.emulate_media(color_scheme="dark")
    assert find_violations(page) == []


@pytest.mark.browser
@WIDTHS
@pytest.mark.parametrize(
    ("catalog", "titles"),
    [
        ([], ()),
        ([to_row("", None, None)], ("No coordinates",)),
        ([to_row("Switzerland--Lucerne", 47.05, 8.31)], ("One place",)),
        (MANY, tuple(f"Title {number}" for number in range(40))),
        (SOMEWHERE, (LONG, HOSTILE)),
        ([to_row(f"Italy--{LONG}", 41.9, 12.5), to_row(HOSTILE, 41.8, 12.6)], (LONG,)),
    ],
    ids=["nothing", "no coordinates", "one place", "200 places", "odd titles", "odd places"],
)
def test_the_page_holds_whatever_the_catalogue_says(
    tmp_path: Path, browse: Callable[..., Page], catalog: list[dict[str, object]],
    titles: tuple[str, ...], width: int,
) -> None:  # fmt: skip
    page = browse(draw_page(tmp_path, catalog=catalog, titles=titles), width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.title() == "Photochrom: the report"
    assert page.locator("script").count() == 0
    assert "49" not in page.locator("main").inner_text().split()
    circles = page.locator("circle").count()
    assert (circles > 0) == any(row["latitude"] is not None for row in catalog)


@pytest.mark.browser
def test_the_keyboard_reaches_everything_and_sees_where_it_is(
    tmp_path: Path, browse: Callable[..., Page]
) -> None:
    page = browse(draw_page(tmp_path, catalog=SOMEWHERE), 390)
    page.locator("details").evaluate("one => one.open = true")
    stops = tab_through(page)
    assert [stop for stop in stops if not stop["seen"]] == []
    assert len(stops) == page.locator(REACHABLE).count()


@pytest.mark.browser
def test_the_first_key_skips_to_the_report_and_enter_opens_the_table(
    tmp_path: Path, browse: Callable[..., Page]
) -> None:
    page = browse(draw_page(tmp_path, catalog=SOMEWHERE), 1280)
    page.keyboard.press("Tab")
    skip = page.locator(".skip").bounding_box()
    assert skip is not None
    assert skip["y"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    assert page.locator("details").evaluate("one => one.open")
    assert "Lucerne, Switzerland" in page.locator("details table").inner_text()


@pytest.mark.browser
def test_headings_go_down_by_one_and_every_link_leads_somewhere(
    tmp_path: Path, browse: Callable[..., Page]
) -> None:
    path = draw_page(tmp_path, catalog=SOMEWHERE)
    page = browse(path, 1280)
    levels = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4')].map(one => Number(one.tagName[1]))"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    links = page.evaluate("[...document.links].map(one => one.getAttribute('href'))")
    for link in links:
        inside = link.startswith("#") and page.locator(f"[id='{link[1:]}']").count() == 1
        assert inside or (path.parent / link).is_file()


@pytest.mark.browser
def test_on_paper_there_is_no_navigation_and_the_table_is_open(
    tmp_path: Path, browse: Callable[..., Page]
) -> None:
    page = browse(draw_page(tmp_path, catalog=SOMEWHERE), 1280)
    assert not page.locator("details table").is_visible()
    page.emulate_media(media="print")
    assert page.locator("details table").is_visible()
    assert not page.locator("nav").is_visible()
    # Pictures that wait for the reader to scroll would be missing.
    assert page.locator("img").count() > 8
    assert page.evaluate("[...document.images].every(one => one.complete && one.naturalWidth)")
    after = "getComputedStyle(document.querySelector('a[href$=\".html\"]'), '::after').content"
    assert "data/" in page.evaluate(after) or "attr" in page.evaluate(after)
    assert page.pdf(format="A4").startswith(b"%PDF")
