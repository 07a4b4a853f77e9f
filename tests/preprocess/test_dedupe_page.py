import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page

from preprocess.dedupe_page import Thresholds, list_pairs, measure_margin, write_dedupe_page
from preprocess.images import read_rgb
from preprocess.overrides import PairOverride, read_pair_overrides
from preprocess.pages import Card
from preprocess.records import Outcome
from tests.browsing import browsing

Rgb = NDArray[np.uint8]
Row = dict[str, Any]
LINES = Thresholds(same_view=0.75, same_inks=0.45)
SHA = "ab" * 32


def link(other_id: str, outcome: str, *, score: float, inks: float = 0.0, **more: Any) -> Row:
    found = {"distance": 3, "matches": 40, "differs": "", "by": "machine"}
    return {"other_id": other_id, "outcome": outcome, "score": score, "inks": inks, **found, **more}


def row(scan_id: str, *links: Row, role: str = "colour", kept: bool = True) -> Row:
    return {"scan_id": scan_id, "role": role, "kept": kept, "links": list(links)}


GROUPS = [
    row("b", link("a", "same_print", score=0.99, inks=0.1), kept=False),
    row(
        "a",
        link("b", "same_print", score=0.99, inks=0.1),
        link("c", "same_view", score=0.98, inks=0.47, differs="inks"),
        link("d", "different", score=0.7),
        link("m", "mirrored", score=0.97, inks=0.2),
    ),
    row("c", link("a", "same_view", score=0.98, inks=0.47, differs="inks")),
    row("d", link("a", "different", score=0.7), link("e", "same_view", score=0, by="person")),
    row("e"),
    row("m"),
    row("n", link("a", "same_view", score=0.0), role="negative", kept=False),
]


@pytest.fixture
def cards(
    scene: Callable[..., Rgb], rescan: Callable[..., Rgb], store: Callable[[str, Rgb], str]
) -> dict[str, Card]:
    view = scene(1)
    pictures = {
        "a": view, "b": rescan(view), "c": view, "d": scene(2), "e": scene(3),
        "m": np.ascontiguousarray(view[:, ::-1]), "n": view,
    }  # fmt: skip
    return {
        scan_id: Card(f"Wengen {scan_id}", store(scan_id, picture), SHA)
        for scan_id, picture in pictures.items()
    }


@pytest.fixture
def page(tmp_path: Path, cards: dict[str, Card]) -> Path:
    out = tmp_path / "dedupe"
    count = write_dedupe_page(
        GROUPS, cards=cards, overrides={}, thresholds=LINES, source="loc", data=tmp_path, out=out
    )
    assert count == 6
    return out / "dedupe.html"


def read_data(page: Path) -> Row:
    text = page.read_text("utf-8")
    data: Row = json.loads(text.partition('id="data">')[2].partition("</script>")[0])
    return data


def test_each_pair_is_listed_once_the_hardest_first() -> None:
    pairs = list_pairs(GROUPS, thresholds=LINES)
    assert [(pair["one"], pair["other"], pair["outcome"]) for pair in pairs] == [
        ("a", "c", "same_view"),  # inks of 0.47, and 0.45 divides
        ("a", "d", "different"),  # a near miss: 0.70 of 0.75
        ("a", "m", "mirrored"),
        ("a", "b", "same_print"),
        ("d", "e", "same_view"),  # a person has decided
        ("a", "n", "same_view"),  # a negative: nothing was compared
    ]
    assert pairs[3]["kept"] == [True, False]


@pytest.mark.parametrize(
    ("score", "inks", "margin"),
    [
        (0.75, 0.0, 0.0),
        (0.375, 0.0, 0.5),
        (0.0, 0.0, 1.0),
        (-0.5, 0.0, 1.0),
        (1.0, 0.0, 1.0),
        (1.0, 0.45, 0.0),
        (1.0, 0.9, 1.0),
        (0.8, 0.1, 0.2),
    ],
)
def test_the_margin_is_the_nearer_of_two_thresholds(
    score: float, inks: float, margin: float
) -> None:
    assert measure_margin(score, inks, thresholds=LINES) == pytest.approx(margin)


def test_pictures_and_overlays_are_drawn_where_the_two_agree(page: Path, tmp_path: Path) -> None:
    data = read_data(page)
    overlays = {(pair["one"], pair["other"]): pair["overlay"] for pair in data["rows"]}
    assert overlays["a", "d"] is None
    assert overlays["d", "e"] is None
    one = read_rgb(page.parent / data["scans"]["a"]["picture"]).astype(int)
    for other in ("b", "c", "m"):
        laid = read_rgb(page.parent / overlays["a", other]).astype(int)
        assert laid.shape == one.shape
        inner = np.s_[30:-30, 30:-30]
        alike = np.corrcoef(one[inner].ravel(), laid[inner].ravel())[0, 1]
        assert alike > 0.9
    shown = {scan["picture"] for scan in data["scans"].values()}
    drawn = {path.name for path in page.parent.glob("*.jpg")}
    assert drawn == shown | {name for name in overlays.values() if name}


def test_the_same_groups_give_the_same_files_and_old_pictures_go(
    page: Path, cards: dict[str, Card], tmp_path: Path
) -> None:
    before = {path.name: path.read_bytes() for path in page.parent.iterdir()}
    (page.parent / "old.jpg").touch()
    write_dedupe_page(
        GROUPS[::-1], cards=cards, overrides={}, thresholds=LINES, source="loc", data=tmp_path,
        out=page.parent,
    )  # fmt: skip
    assert {path.name: path.read_bytes() for path in page.parent.iterdir()} == before


def test_a_scan_that_has_gone_leaves_a_blank(tmp_path: Path, cards: dict[str, Card]) -> None:
    (tmp_path / cards["b"].path).unlink()
    write_dedupe_page(
        GROUPS[:2] + [row(one) for one in "cdm"], cards=cards, overrides={}, thresholds=LINES,
        source="loc", data=tmp_path, out=tmp_path / "dedupe",
    )  # fmt: skip
    picture = read_data(tmp_path / "dedupe" / "dedupe.html")["scans"]["b"]["picture"]
    assert np.ptp(read_rgb(tmp_path / "dedupe" / picture).astype(int), axis=(0, 1)).max() < 3


@pytest.fixture
def browse(chromium: str) -> Iterator[Callable[..., Page]]:
    with browsing(chromium, own=["file:"]) as open_page:
        yield lambda path, width=1280: open_page(path.as_uri(), width)


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_it_opens_from_the_disk_and_takes_verdicts_by_keys(
    page: Path, browse: Callable[..., Page], width: int, tmp_path: Path
) -> None:
    shown = browse(page, width)
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    assert shown.locator(".pair").count() == 6
    shown.keyboard.press("2")
    shown.keyboard.press("j")
    shown.keyboard.press("4")
    shown.keyboard.press("j")
    shown.keyboard.press("3")
    shown.keyboard.press("0")
    shown.reload()
    assert "same view, waits" not in shown.locator(".pair").nth(2).inner_text()
    assert "different, waits" in shown.locator(".pair").nth(1).inner_text()
    with shown.expect_download() as download:
        shown.locator("#notice button").click()
    download.value.save_as(tmp_path / "pairs.csv")
    assert read_pair_overrides(tmp_path / "pairs.csv") == {
        ("a", "c"): PairOverride("a", "c", Outcome.SAME_VIEW, ""),
        ("a", "d"): PairOverride("a", "d", Outcome.DIFFERENT, ""),
    }
    assert shown.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.browser
def test_a_pair_blinks_and_opens_large(page: Path, browse: Callable[..., Page]) -> None:
    shown = browse(page)
    shown.keyboard.press("b")
    assert "laid over the first" in shown.locator(".pair.blink").inner_text()
    shown.wait_for_selector(".pair.blink.swap")
    shown.wait_for_selector(".pair.blink:not(.swap)")
    shown.keyboard.press("b")
    assert shown.locator(".blink").count() == 0
    shown.keyboard.press("Enter")
    assert shown.locator("#view .frame img").count() == 2
    loaded = "[...document.querySelectorAll('#view img')].every(i => i.naturalWidth > 0)"
    shown.wait_for_function(loaded)
    shown.keyboard.press("j")
    assert "Wengen a / Wengen d" in shown.locator("#name").inner_text()
    shown.keyboard.press("Escape")
    assert not shown.locator("#view").is_visible()


@pytest.mark.browser
def test_outcomes_and_titles_choose_pairs(page: Path, browse: Callable[..., Page]) -> None:
    shown = browse(page)
    shown.get_by_role("button", name="Different 1").click()
    assert shown.locator(".pair").count() == 1
    shown.keyboard.press("f")
    assert "negative" in shown.locator(".pair").inner_text()
    shown.get_by_role("button", name="All 6").click()
    shown.keyboard.press("/")
    shown.locator("#search").fill("wengen M")
    assert shown.locator(".pair").count() == 1
