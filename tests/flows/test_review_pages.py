import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from playwright.sync_api import Page, expect

from flows.project import Project
from flows.review import make_app
from preprocess.overrides import PairOverride, read_pair_overrides
from preprocess.records import Outcome
from tests.axe import REACHABLE, find_violations, tab_through
from tests.browsing import browsing
from tests.reviewing import CORNERS, SHAS, draw_project, read_crops


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return draw_project(tmp_path_factory.mktemp("drawn"))


@pytest.fixture
def project(drawn: Project, tmp_path: Path) -> Project:
    """A copy for a test of its own."""
    shutil.copytree(drawn.root, tmp_path / "project")
    return Project(tmp_path / "project")


@contextmanager
def serving(project: Project) -> Iterator[str]:
    """Serve a project from a thread; gives the address."""
    config = uvicorn.Config(make_app(project, source="loc"), port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def browse(project: Project, chromium: str) -> Iterator[Callable[..., Page]]:
    """Open a path of the server in a browser."""
    # Chromium notes on its console that a correction was refused.
    refused = "Failed to load resource: the server responded with a status of 409"
    with serving(project) as address, browsing(chromium, own=[f"{address}/", refused]) as open_page:
        yield lambda path, width=1280: open_page(f"{address}{path}", width)


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_a_corner_dragged_and_pushed_ends_in_the_table(
    project: Project, browse: Callable[..., Page], width: int
) -> None:
    page = browse("/crops/crops.html", width)
    page.keyboard.press("j")
    page.keyboard.press("e")
    expect(page.locator("#plate img")).to_have_js_property("naturalWidth", 480)
    corner = page.locator(".corner").nth(2)
    box, plate = corner.bounding_box(), page.locator("#plate").bounding_box()
    assert box is not None
    assert plate is not None
    scale = plate["width"] / 480
    page.mouse.move(box["x"] + 22, box["y"] + 22)
    page.mouse.down()
    page.mouse.move(box["x"] + 22 - 20 * scale, box["y"] + 22 + 8 * scale, steps=4)
    page.mouse.up()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("s")
    expect(page.locator("#said")).to_contain_text("Saved in")
    saved = read_crops(project)["b"]
    assert saved.sha256 == SHAS["b"]
    assert np.abs(np.subtract(saved.corners, CORNERS) - [0, 0, 0, 0, -20, 7, 0, 0]).max() <= 0.5
    page.keyboard.press("Escape")
    assert "corrected, waits" in page.locator(".cell").nth(1).inner_text()
    assert "dvc repro" in page.locator("#notice").inner_text()
    page.reload()
    page.wait_for_selector(".tag.wait")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.locator("#gone").click()
    expect(page.locator("#said")).to_contain_text("Removed")
    assert read_crops(project) == {}


@pytest.mark.browser
def test_a_second_tab_is_told_of_the_first(project: Project, browse: Callable[..., Page]) -> None:
    one, other = browse("/crops/crops.html"), browse("/crops/crops.html")
    one.keyboard.press("a")
    one.wait_for_selector(".tag.wait")
    other.keyboard.press("e")
    other.keyboard.press("ArrowRight")
    other.keyboard.press("s")
    expect(other.locator("#said")).to_contain_text("elsewhere")
    assert read_crops(project)["a"].corners == CORNERS
    other.keyboard.press("s")
    expect(other.locator("#said")).to_contain_text("Saved in")
    assert read_crops(project)["a"].corners[0] == 41


@pytest.mark.browser
def test_a_verdict_of_a_key_ends_in_the_table(
    project: Project, browse: Callable[..., Page]
) -> None:
    page = browse("/dedupe/dedupe.html")
    page.keyboard.press("1")
    page.wait_for_selector(".tag.wait")
    path = project.root / "overrides" / "loc" / "pairs.csv"
    assert read_pair_overrides(path) == {("a", "b"): PairOverride("a", "b", Outcome.SAME_PRINT, "")}
    page.keyboard.press("0")
    expect(page.locator(".tag.wait")).to_have_count(0)
    assert read_pair_overrides(path) == {}


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize(
    ("path", "keys"), [("/crops/crops.html", "ja"), ("/dedupe/dedupe.html", "1")]
)
def test_axe_finds_nothing_on_a_page_nor_in_what_it_opens(
    browse: Callable[..., Page], path: str, keys: str, width: int
) -> None:
    page = browse(path, width)
    assert find_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for key in keys:
        page.keyboard.press(key)
    page.wait_for_selector(".tag.wait")
    assert find_violations(page) == []
    page.keyboard.press("Enter")
    expect(page.locator("#view")).to_be_visible()
    assert find_violations(page) == []
    page.keyboard.press("Escape")
    page.locator("#ask").click()
    expect(page.locator("#help")).to_be_visible()
    assert find_violations(page) == []


@pytest.mark.browser
@pytest.mark.parametrize("path", ["/crops/crops.html", "/dedupe/dedupe.html"])
def test_the_keyboard_reaches_everything_and_sees_where_it_is(
    browse: Callable[..., Page], path: str
) -> None:
    page = browse(path)
    page.wait_for_load_state("networkidle")
    stops = tab_through(page)
    assert [stop for stop in stops if not stop["seen"]] == []
    shown = page.locator(f":is({REACHABLE}):not(dialog *)")
    assert len(stops) == shown.filter(visible=True).count()


@pytest.mark.browser
@pytest.mark.parametrize("path", ["/crops/crops.html", "/dedupe/dedupe.html"])
def test_a_filter_pressed_by_key_keeps_the_focus(browse: Callable[..., Page], path: str) -> None:
    page = browse(path)
    page.wait_for_load_state("networkidle")
    page.locator("#filters button").nth(1).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#filters button").nth(1)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#filters button").nth(1)).to_be_focused()


@pytest.mark.browser
def test_a_verdict_by_its_button_keeps_the_focus(browse: Callable[..., Page]) -> None:
    page = browse("/dedupe/dedupe.html")
    page.keyboard.press("Enter")
    verdict = page.locator("#view .verdicts button").nth(1)
    verdict.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#view .tag.wait")
    expect(verdict).to_be_focused()
