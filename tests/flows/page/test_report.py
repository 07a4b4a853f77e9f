"""The report is drawn whole or not at all; `tests/test_pipeline.py` draws a whole one."""

from pathlib import Path

import pytest

from flows.errors import AccountError
from flows.page.report import SECTIONS, Harvested, render_report
from flows.params import read_params
from flows.project import Project
from tests.showing import HOSTILE, draw_page, to_row

ROOT = Path(__file__).resolve().parents[3]


def test_before_there_is_a_model_the_stage_to_run_is_named(tmp_path: Path) -> None:
    params = read_params(ROOT / "params.yaml")
    with pytest.raises(AccountError, match="photochrom evaluate"):
        render_report(Project(tmp_path), params, Harvested(files=0, bytes=0, seconds=0.0))


def test_every_section_is_on_the_page_in_the_order_of_the_contents(tmp_path: Path) -> None:
    page = draw_page(tmp_path, catalog=[]).read_text("utf-8")
    places = [page.index(f'<section id="{name}"') for name, _ in SECTIONS]
    assert places == sorted(places)
    assert page.count("<section ") == len(SECTIONS)


def test_a_page_of_the_same_data_is_the_same_bytes(tmp_path: Path) -> None:
    rows = [to_row("Italy--Venice", 45.44, 12.32), to_row("Norway")]
    one, other = (draw_page(tmp_path / name, catalog=rows).read_bytes() for name in "ab")
    assert one == other


def test_nothing_of_a_title_or_a_place_becomes_markup(tmp_path: Path) -> None:
    rows = [to_row(HOSTILE, 45.44, 12.32), to_row(f"Italy--{HOSTILE}")]
    page = draw_page(tmp_path, catalog=rows, titles=(HOSTILE,), alarm=HOSTILE).read_text("utf-8")
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;" in page
    assert "http://" not in page
    assert "https://" not in page
