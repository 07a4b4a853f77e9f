"""The documents against the code: settings, columns, commands and links."""

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import BaseModel

from flows.params import Params
from flows.stages import STAGES
from harvest.manifest import CATALOG_SCHEMA, SCANS_SCHEMA
from preprocess.manifest import CROPS_SCHEMA, GROUPS_SCHEMA, PAIRS_SCHEMA, SAMPLES_SCHEMA
from replica.faults import read_plan

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SCHEMAS = {
    "catalog.parquet": CATALOG_SCHEMA,
    "scans.parquet": SCANS_SCHEMA,
    "groups.parquet": GROUPS_SCHEMA,
    "crops.parquet": CROPS_SCHEMA,
    "pairs.parquet": PAIRS_SCHEMA,
    "shards/&lt;size&gt;/": SAMPLES_SCHEMA,
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("title", SCHEMAS)
def test_every_column_is_described(title: str) -> None:
    text = (ROOT / "docs" / "data.md").read_text("utf-8")
    section = text.split(f"\n## {title}\n")[1].split("\n## ")[0]
    schema: pa.Schema = SCHEMAS[title]
    cells = "".join(line.split("|")[1] for line in section.splitlines() if line.startswith("| "))
    assert set(schema.names) <= set(re.findall(r"`(\w+)`", cells))


def find_settings(model: type[BaseModel], *above: str) -> Iterator[str]:
    """Every key of a section, dotted, and those of the records in it."""
    for name, field in model.model_fields.items():
        yield ".".join([*above, name])
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from find_settings(field.annotation, *above, name)


def test_every_setting_is_described() -> None:
    text = (ROOT / "docs" / "settings.md").read_text("utf-8")
    settings = [name for name in find_settings(Params) if "." in name]
    assert "train.slurm.partition" in settings
    for name in settings:
        assert f"| `{name}` |" in text


def test_the_readme_names_every_stage() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    for stage in STAGES:
        assert f"| `photochrom {stage.name}` |" in text


def test_the_lock_names_no_host_hash_or_path() -> None:
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    assert all(re.fullmatch(r"[a-z0-9-]+(\[[a-z0-9,-]+\])?==[A-Za-z0-9.]+", line) for line in lines)
    assert "torch==2.13.0" in lines


def test_the_bad_day_of_the_docs_is_a_plan_of_many_kinds() -> None:
    plan = read_plan(ROOT / "docs" / "faults.yaml")
    assert len({rule.kind for rule in plan.faults}) >= 20
