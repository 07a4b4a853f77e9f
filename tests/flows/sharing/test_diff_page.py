from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Literal

import pytest
from typer.testing import CliRunner

from flows.errors import SharingError
from flows.params import Params
from flows.project import Project
from flows.sharing import diff_page
from flows.sharing.changes import compare
from flows.sharing.commands import app
from flows.sharing.diff_page import render_diff
from flows.sharing.saying import say_each, to_table
from flows.sharing.sides import Side, read_checkout
from tests.axe import find_violations
from tests.browsing import browsing


def show(share: float) -> None:
    assert 0 <= share <= 1


def refuse(name: str) -> BinaryIO:
    raise FileNotFoundError(f"{name}: neither here nor <there>")


@pytest.fixture
def sides(project: Project, params: Params) -> tuple[Side, Side]:
    """Two sides: one sample added, one dropped, one moved, one changed."""
    new = replace(read_checkout(project, params, on_progress=show), name="v2")
    first, second, third, *rest = new.entries
    old = replace(new, name="v<1>", remedy="dvc fetch --all-tags")
    split = "val" if second.split != "val" else "test"
    before = [
        replace(first, sha256="0" * 64),
        replace(second, split=split, view_split=split),
        replace(third, key="gone", title="<script>alert(1)</script>"),
    ]
    return replace(old, entries=[*before, *rest]), new


def test_the_page_shows_each_change_and_escapes_every_name(sides: tuple[Side, Side]) -> None:
    page = render_diff(*sides, on_progress=show)
    for kind in ("added", "dropped", "moved", "changed"):
        assert f'<h2 id="{kind}">1 {kind}</h2>' in page
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "v&lt;1&gt;" in page
    # The added, the dropped, the moved, and the changed one as it is; its old pixels are not
    # those that its release lists, and so are not shown.
    assert page.count('src="data:image/jpeg;base64,') == 4
    assert page.count('class="none"') == 1
    assert "has other pixels than its release says" in page


@pytest.mark.parametrize("out", ["", "data"])
def test_a_page_that_would_be_a_folder_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["diff", "v1", "--out", out])
    assert isinstance(done.exception, SharingError)
    assert "expected the name of a file" in str(done.exception)


def test_pictures_that_cannot_be_had_are_named_with_the_command(
    sides: tuple[Side, Side],
) -> None:
    old, new = sides
    page = render_diff(replace(old, open_file=refuse), new, on_progress=show)
    assert "neither in DVC's cache nor in a remote" in page
    assert "<code>dvc fetch --all-tags</code>" in page
    assert "neither here nor &lt;there&gt;" in page
    assert page.count('class="none"') == 2


def test_changes_beyond_the_pictures_are_named(
    sides: tuple[Side, Side], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diff_page, "PICTURES", 2)
    _, new = sides
    page = render_diff(replace(new, entries=[]), new, on_progress=show)
    assert "<summary>22 more</summary>" in page
    assert page.count('src="data:image/jpeg;base64,') == 2


def test_the_terminal_names_samples_within_eighty_columns(sides: tuple[Side, Side]) -> None:
    from rich.console import Console

    old, new = sides
    console = Console(width=80)
    with console.capture() as capture:
        console.print(to_table(old, new))
    said = capture.get() + say_each(compare(old.entries, new.entries), every=True)
    assert all(len(line) <= 80 for line in said.splitlines())
    assert "1 added, 1 dropped, 1 moved, 1 changed" in said
    named = say_each(compare([], new.entries), every=False)
    assert named.splitlines()[-1] == "and 4 more: `--all` names them"


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_asks_nothing_and_has_no_fault_of_access(
    chromium: str,
    sides: tuple[Side, Side],
    tmp_path: Path,
    width: int,
    scheme: Literal["light", "dark"],
) -> None:
    path = tmp_path / "diff.html"
    path.write_text(render_diff(*sides, on_progress=show))
    with browsing(chromium, own=[path.as_uri()]) as open_page:
        page = open_page(path.as_uri(), width)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page.emulate_media(color_scheme=scheme)
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(29, 26, 23)"
        assert dark == (scheme == "dark")
        assert find_violations(page) == []
