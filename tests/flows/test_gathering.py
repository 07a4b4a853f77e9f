"""The source `folder` through the flows of both stages, without Prefect's server and with it."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import flows.gathering
import flows.harvesting
from flows.account import Line, read_account
from flows.errors import SourceError
from flows.gathering import LISTING
from flows.params import Params, read_params
from flows.planning import announce, say_folder, show_plan
from flows.project import Project
from flows.unfinished import say_unfinished
from harvest.errors import CatalogError, HarvestError
from harvest.manifest import CATALOG_SCHEMA, SCANS_SCHEMA, read_manifest, read_source
from harvest.records import Scan
from tests.harvest.conftest import files_below, picture
from tests.pipeline import make_project

ROOT = Path(__file__).resolve().parents[2]
SET = ("harvest.source=folder", "harvest.folder=own")
SIZE = 256


def run_plainly(
    function: Callable[[list[Any]], Any], batches: Sequence[list[Any]], **_: Any
) -> list[Any]:
    return [function(batch) for batch in batches]


@contextmanager
def watch_nothing(**_: Any) -> Iterator[None]:
    yield


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `own` in a project, whose flows run without Prefect."""
    for module in (flows.gathering, flows.harvesting):
        monkeypatch.setattr(module, "run_batches", run_plainly)
    monkeypatch.setattr(flows.gathering, "watch_run", watch_nothing)
    monkeypatch.setattr(flows.harvesting, "get_run_logger", logging.getLogger)
    monkeypatch.setattr(flows.harvesting, "attend_copies", lambda *_, **__: watch_nothing())
    monkeypatch.setattr(flows.harvesting, "publish_failures", lambda _: None)
    monkeypatch.setattr(flows.harvesting, "publish_account", find_line)
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


def find_line(project: Project, stage: str, *, size: int) -> Line:
    return next(line for line in read_account(project, size=size) if line.stage == stage)


def params_of(*settings: str) -> Params:
    return read_params(ROOT / "params.yaml", [*SET, *settings])


def run(stage: str, own: Path, *settings: str, **options: Any) -> str:
    flow = getattr(flows.harvesting, stage)
    given = params_of(*settings).model_dump(mode="json")
    said: str = flow.fn(str(own.parent), given, **options)
    return said


def read(own: Path, name: str) -> list[dict[str, Any]]:
    schema = {"catalog": CATALOG_SCHEMA, "scans": SCANS_SCHEMA}[name]
    return read_manifest(own.parent / "data" / f"{name}.parquet", schema)


def snapshot(own: Path) -> dict[str, bytes]:
    data = own.parent / "data"
    return {name: (data / name).read_bytes() for name in files_below(data)}


def fill(own: Path) -> None:
    (own / "italy").mkdir()
    (own / "italy" / "venice.jpg").write_bytes(picture(96, 80))
    (own / "italy" / "venice.bw.jpg").write_bytes(picture(90, 80))
    (own / "rome").write_bytes(picture(100, 80, "TIFF"))
    (own / "torn.png").write_bytes(picture(400, 300, "PNG")[:9000])
    (own / "notes.txt").write_text("no picture")
    (own / "loop").symlink_to(".")


def test_every_file_is_a_row_and_the_account_adds_up(own: Path) -> None:
    fill(own)
    assert "6 rows, 4 resources listed" in run("catalog", own)
    assert "3 of 4 scans stored; 1 truncated held back" in run("scans", own)
    lines = read_account(Project(own.parent), size=SIZE)
    assert [(line.seen, line.passed, line.fault) for line in lines[:2]] == [(6, 4, ""), (4, 3, "")]
    assert lines[0].held == {"no_image": 1, "repeated": 1}
    assert read_source(own.parent / "data" / "catalog.parquet") == "folder"


def test_a_copy_in_black_and_white_is_a_negative_of_its_item(own: Path) -> None:
    fill(own)
    run("catalog", own)
    run("scans", own)
    scans = {row["url"]: row for row in read(own, "scans")}
    print_, copy = scans["folder:italy/venice.jpg"], scans["folder:italy/venice.bw.jpg"]
    assert (print_["role"], copy["role"]) == ("colour", "negative")
    assert print_["item_id"] == copy["item_id"]
    assert {row["reason"] for row in scans.values()} == {"", "truncated"}


def test_an_unchanged_folder_gives_the_same_bytes(own: Path) -> None:
    fill(own)
    run("catalog", own)
    run("scans", own)
    before = snapshot(own)
    for path in own.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000), follow_symlinks=False)
    run("catalog", own)
    run("scans", own)
    assert snapshot(own) == before
    run("catalog", own, rebuild=True)
    run("scans", own, retry="all")
    assert snapshot(own) == before


def test_nothing_that_is_written_names_the_machine_or_a_time(own: Path) -> None:
    fill(own)
    run("catalog", own)
    run("scans", own)
    listing = (own.parent / "data" / "catalog" / "folder" / LISTING).read_text()
    texts = [listing, repr(read(own, "catalog")), repr(read(own, "scans"))]
    written = str((own / "rome").stat().st_mtime_ns)[:10]
    assert not any(str(own.parent) in text or written in text for text in texts)


def test_the_folder_may_move_and_another_place_gives_the_same_bytes(own: Path) -> None:
    fill(own)
    run("catalog", own)
    run("scans", own)
    before = snapshot(own)
    moved = own.rename(own.parent / "elsewhere")
    run("catalog", own, f"harvest.folder={moved}")
    run("scans", own, f"harvest.folder={moved}")
    assert snapshot(own) == before


def test_a_change_is_followed(own: Path) -> None:
    fill(own)
    run("catalog", own)
    run("scans", own)
    (own / "rome").write_bytes(picture(111, 80))
    (own / "italy" / "venice.bw.jpg").unlink()
    (own / "torn.png").write_bytes(picture(112, 80, "PNG"))
    run("catalog", own)
    run("scans", own)
    scans = {row["url"]: (row["width"], row["state"]) for row in read(own, "scans")}
    assert scans == {
        "folder:italy/venice.jpg": (96, "stored"),
        "folder:rome": (111, "stored"),
        "folder:torn.png": (112, "stored"),
    }
    named = {f"scans/folder/{Path(row['path']).parent.name}" for row in read(own, "scans")}
    assert named == {"scans/folder/own"}
    assert len(files_below(own.parent / "data" / "scans")) == 3


def test_a_folder_without_a_picture_is_refused_and_the_catalogue_stays(own: Path) -> None:
    fill(own)
    run("catalog", own)
    before = snapshot(own)
    for path in own.rglob("*"):
        if path.is_file():
            path.write_text("no picture")
    with pytest.raises(CatalogError, match=r"expected pictures .* found none among 6 files"):
        run("catalog", own)
    assert snapshot(own) == before


def test_a_folder_that_went_away_stops_both_stages(own: Path) -> None:
    fill(own)
    run("catalog", own)
    own.rename(own.parent / "elsewhere")
    for stage in ("catalog", "scans"):
        with pytest.raises(HarvestError, match="found nothing there"):
            run(stage, own)


def test_another_sources_catalogue_is_refused(own: Path) -> None:
    fill(own)
    run("catalog", own)
    with pytest.raises(SourceError, match="got that of 'folder'"):
        run("scans", own, "harvest.source=sample")


def test_a_crosscheck_and_a_rebuild_of_nothing_are_refused(own: Path) -> None:
    fill(own)
    with pytest.raises(SourceError, match="--crosscheck: expected the Library or the sample"):
        run("catalog", own, crosscheck=3)
    with pytest.raises(CatalogError, match="run photochrom catalog without --rebuild"):
        run("catalog", own, rebuild=True)


def test_reading_that_is_stopped_is_not_lost(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        (own / f"{number}.jpg").write_bytes(picture(90 + number, 80))
    kept: dict[str, Any] = {}

    def stop_later(function: Callable[..., Any], batches: Sequence[Any], **_: Any) -> None:
        function(batches[0])
        raise KeyboardInterrupt

    monkeypatch.setattr(flows.gathering, "run_batches", stop_later)
    monkeypatch.setattr(flows.gathering, "write_known", lambda _, known, **__: kept.update(known))
    with pytest.raises(KeyboardInterrupt):
        run("catalog", own)
    assert len(kept) == 1


def test_status_says_how_far_the_copies_are(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(own)
    run("catalog", own)

    def stop(scans: Sequence[Scan], **_: Any) -> None:
        raise HarvestError("stopped")

    monkeypatch.setattr(flows.harvesting, "check_there", lambda *_: stop([]))
    with pytest.raises(HarvestError, match="stopped"):
        run("scans", own)
    project = Project(own.parent)
    said = say_unfinished(project, params_of(), lines=read_account(project, size=SIZE))
    assert "3 files have come, for 4 resources listed" in said


def test_a_plan_asks_nobody(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(own)
    project = Project(own.parent)
    show_plan(project, params_of(), path=ROOT / "params.yaml")
    said = capsys.readouterr().out
    assert "5 files, 0 MB; nobody is asked" in said
    assert "loc.gov" not in said
    assert say_folder(own) in said


def test_a_wrong_folder_is_told_before_anything_starts(own: Path) -> None:
    project = Project(own.parent)
    announce(project, params_of())
    with pytest.raises(HarvestError, match="expected the folder of your pictures, got None"):
        announce(project, params_of("harvest.folder=null"))
    with pytest.raises(HarvestError, match="lies apart from"):
        show_plan(project, params_of("harvest.folder=."), path=ROOT / "params.yaml")


def test_the_commands_list_copy_and_count_a_folder(tmp_path: Path) -> None:
    project = make_project(tmp_path, *SET)
    (tmp_path / "own").mkdir()
    fill(tmp_path / "own")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (120, 80), "red").save(tmp_path / "own" / "turned.jpg", exif=exif)
    try:
        assert "7 rows, 5 resources listed" in project.run("catalog")
        assert "4 of 5 scans stored" in project.run("scans")
        assert project.run("status").count(" ok") == 2
    finally:
        project.call("photochrom", "down")
