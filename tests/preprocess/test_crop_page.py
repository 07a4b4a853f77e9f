import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page

from preprocess.crop_page import write_crop_page
from preprocess.images import read_rgb
from preprocess.overrides import CropOverride, read_crop_overrides
from preprocess.pages import Card
from preprocess.records import CropReason, CropRow, CropState, Mount
from tests.browsing import browsing

Rgb = NDArray[np.uint8]
SHA = "ab" * 32
CORNERS = (40.0, 30.0, 440.0, 30.0, 440.0, 310.0, 40.0, 310.0)
CROP = CropRow(
    scan_id="a.00", role="colour", view_id="v", group_id="g", corners=CORNERS, width=480,
    height=350, mount=Mount.GREY, confidence=0.9, flagged=False, caption=(0.1, 0.9, 0.6, 0.97),
    state=CropState.CROPPED, reason=CropReason.NOTHING,
)  # fmt: skip
NASTY = '</script><img src="http://out.invalid/x" onerror="window.hurt = 1">'


@pytest.fixture
def card(scene: Callable[..., Rgb], store: Callable[[str, Rgb], str]) -> Card:
    return Card("Wengen, Jungfrau", store("a", scene(1)), SHA)


@pytest.fixture
def draw(tmp_path: Path, card: Card) -> Callable[..., Path]:
    """Draw the page of some crops of one picture; titles by scan id, if given."""

    def write(
        crops: list[CropRow],
        *,
        titles: dict[str, str] | None = None,
        overrides: dict[str, CropOverride] | None = None,
    ) -> Path:
        cards = {
            crop.scan_id: replace(card, title=(titles or {}).get(crop.scan_id, card.title))
            for crop in crops
        }
        out = tmp_path / "crops"
        write_crop_page(
            crops, cards=cards, overrides=overrides or {}, source="loc", data=tmp_path, out=out
        )
        return out / "crops.html"

    return write


@pytest.fixture
def browse(chromium: str) -> Iterator[Callable[..., Page]]:
    with browsing(chromium, own=["file:"]) as open_page:
        yield lambda path, width=1280: open_page(path.as_uri(), width)


def many(count: int) -> list[CropRow]:
    """Crops of falling certainty, the first two flagged, every third without a mount."""
    return [
        replace(
            CROP, scan_id=f"a.{number:03d}", confidence=0.5 + number / 2000, flagged=number < 2,
            mount=Mount.NONE if number % 3 == 2 else Mount.GREY,
            reason=CropReason.LOW_CONFIDENCE if number < 2 else CropReason.NOTHING,
        )
        for number in range(count)
    ]  # fmt: skip


def read_data(page: Path) -> dict[str, Any]:
    text = page.read_text("utf-8")
    script = text.partition('id="data">')[2].partition("</script>")[0]
    data: dict[str, Any] = json.loads(script)
    return data


def test_the_page_holds_every_crop_in_the_order_of_its_sheets(draw: Callable[..., Path]) -> None:
    crops = many(64)
    page = draw(crops[::-1])
    data = read_data(page)
    assert [row["id"] for row in data["rows"]] == [crop.scan_id for crop in crops]
    assert data["sprites"]["sheets"] == ["sheet-0001.jpg", "sheet-0002.jpg", "sheet-0003.jpg"]
    assert data["rows"][0]["src"] == "../scans/a.png"
    before = page.read_bytes()
    draw(crops)
    assert page.read_bytes() == before


def test_a_title_cannot_leave_its_place(draw: Callable[..., Path]) -> None:
    text = draw([CROP], titles={"a.00": NASTY}).read_text("utf-8")
    assert "</script><img" not in text
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "").replace(
        "http://out.invalid", ""
    )


def test_seventy_five_hundred_scans_make_a_page_that_can_be_mailed(
    draw: Callable[..., Path],
) -> None:
    empty = len(draw([]).read_bytes())
    page = draw(many(40)).read_bytes()
    assert empty + 7500 * (len(page) - empty) / 40 < 4e6
    assert f"This page is {len(page) / 1e3:.0f} kB".encode() in page


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_it_opens_from_the_disk_and_moves_by_keys(
    draw: Callable[..., Path], browse: Callable[..., Page], width: int
) -> None:
    page = browse(draw(many(64), titles={"a.001": NASTY}), width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.hurt") is None
    assert page.locator(".cell").count() == 60
    assert page.locator("#where").inner_text() == "1–60 of 64"
    page.keyboard.press("j")
    page.keyboard.press("ArrowRight")
    assert "a.002" in page.locator(".cell:focus").inner_text()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    assert page.locator("#name").inner_text() == NASTY
    page.keyboard.press("Escape")
    page.keyboard.press("End")
    assert "a.063" in page.locator(".cell:focus").inner_text()
    assert page.locator("#where").inner_text() == "61–64 of 64"
    page.keyboard.press("[")
    assert page.locator("#where").inner_text() == "1–60 of 64"
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.browser
def test_filters_and_search_choose_scans(
    draw: Callable[..., Path], browse: Callable[..., Page]
) -> None:
    page = browse(draw(many(10), titles={"a.004": "Zürich, Hotel Baur"}))
    page.keyboard.press("2")
    assert page.locator(".cell").count() == 2
    page.keyboard.press("1")
    page.locator("#mount").select_option("none")
    assert page.locator(".cell").count() == 3
    page.locator("#mount").select_option("")
    page.keyboard.press("/")
    page.locator("#search").fill("baur ZÜRICH")
    assert page.locator(".cell").count() == 1
    page.locator("#search").fill("a.007")
    assert "a.007" in page.locator(".cell").inner_text()
    page.locator("#search").fill("nowhere")
    assert page.locator("#none").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    assert page.locator(".cell").count() == 2


@pytest.mark.browser
def test_each_thumbnail_is_cut_from_its_place_on_the_sheet(
    draw: Callable[..., Path], browse: Callable[..., Page], tmp_path: Path
) -> None:
    page = browse(draw(many(64)))
    page.keyboard.press("End")
    page.locator(".cell:focus .thumb").screenshot(path=tmp_path / "thumb.png")
    pixels = read_rgb(tmp_path / "thumb.png").astype(int)
    middle = len(pixels) // 2
    bare = np.abs(pixels - (255, 253, 248)).max(axis=-1) < 12
    # A landscape picture: paper above and below it, none left and right.
    assert bare[4].all()
    assert bare[-5].all()
    assert not bare[middle, 4:-4].any()


@pytest.mark.browser
def test_from_the_disk_corrections_are_kept_and_downloaded(
    draw: Callable[..., Path], browse: Callable[..., Page], tmp_path: Path
) -> None:
    other = CropOverride("z", SHA, CORNERS, 'of another, "older" page')
    path = draw(many(3), overrides={"z": other})
    page = browse(path)
    page.keyboard.press("e")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    page.locator("#note").fill("the mount's shadow,  not the edge")
    page.locator("#save").click()
    assert "download crops.csv" in page.locator("#said").inner_text()
    page.keyboard.press("Escape")
    page.reload()
    assert "corrected, waits" in page.locator(".cell").first.inner_text()
    assert "overrides/loc/crops.csv" in page.locator("#notice").inner_text()
    page.keyboard.press("j")
    page.keyboard.press("a")
    with page.expect_download() as download:
        page.locator("#notice button").click()
    download.value.save_as(tmp_path / "crops.csv")
    moved = (50.0, 31.0, 439.0, 30.0, 440.0, 310.0, 40.0, 310.0)
    note = "the mount's shadow, not the edge"
    assert read_crop_overrides(tmp_path / "crops.csv") == {
        "a.000": CropOverride("a.000", SHA, moved, note),
        "a.001": CropOverride("a.001", SHA, CORNERS, ""),
        "z": other,
    }


@pytest.mark.browser
def test_an_outline_cannot_be_folded_nor_leave_the_scan(
    draw: Callable[..., Path], browse: Callable[..., Page]
) -> None:
    page = browse(draw([CROP]))
    page.keyboard.press("e")
    for _ in range(9):
        page.keyboard.press("Shift+ArrowLeft")
    corner = page.locator(".corner").first
    assert corner.get_attribute("aria-label") == "Top left corner, 0 across, 30 down"
    box = corner.bounding_box()
    other = page.locator(".corner").nth(2).bounding_box()
    assert box is not None
    assert other is not None
    page.mouse.move(box["x"] + 22, box["y"] + 22)
    page.mouse.down()
    page.mouse.move(other["x"] + 60, other["y"] + 40)
    page.mouse.up()
    assert corner.get_attribute("aria-label") == "Top left corner, 0 across, 30 down"
    page.keyboard.press("r")
    assert corner.get_attribute("aria-label") == "Top left corner, 40 across, 30 down"
    assert page.locator("#reset").is_disabled()


@pytest.mark.browser
def test_an_unreadable_scan_says_so_and_takes_no_corners(
    draw: Callable[..., Path], browse: Callable[..., Page]
) -> None:
    gone = replace(
        CROP, state=CropState.UNREADABLE, corners=(), caption=(), width=0, height=0,
        confidence=0.0, flagged=True, reason=CropReason.UNREADABLE,
    )  # fmt: skip
    page = browse(draw([gone]))
    page.keyboard.press("a")
    page.keyboard.press("e")
    assert "could not be cropped: unreadable" in page.locator("#stage").inner_text()
    assert page.locator("#save").is_disabled()
    page.keyboard.press("s")
    assert page.locator("#notice").is_hidden()
