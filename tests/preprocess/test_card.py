from dataclasses import fields, replace
from typing import Any

import pytest
import yaml

from preprocess.card import COLUMNS, FIELDS, to_card
from preprocess.composition import Composition
from preprocess.index import Index, Member, Shard
from preprocess.manifest import SAMPLES_SCHEMA
from preprocess.planning import Settings
from preprocess.records import SampleRow
from preprocess.samples import SampleInfo
from preprocess.split import Move, Split

SIZE = 32
SETTINGS = Settings(size=SIZE, fit="pad", inset=0.006, caption="keep", shard_mb=256)
SOURCES = ("sample", "loc", "folder", "")


def make_shard(name: str, *, samples: int) -> Shard:
    return Shard(
        name=name,
        split=name.partition("-")[0],
        samples=samples,
        stride=5632,
        members=(Member("lab.npy", 2176, (SIZE, SIZE, 3), "uint8"),),
        json_offset=512,
        size_bytes=1_500_000,
        sha256="0" * 64,
    )


def make_row(key: str, **change: Any) -> SampleRow:
    row = SampleRow(
        key=key,
        scan_id=key,
        view_id=key,
        item_id=key,
        title="Kew",
        rights="No known restrictions on publication.",
        split="train",
        view_split="train",
        shard="train-000000.tar",
        index=0,
        width=100,
        height=80,
        valid=(0, 0, SIZE, SIZE),
        state="written",
        reason="",
    )
    return replace(row, **change)


INDEX = Index(
    SIZE,
    (make_shard("test-000000.tar", samples=1), make_shard("train-000003.tar", samples=2)),
    array_sha256="0" * 64,
)
ROWS = [
    make_row("a"),
    make_row("b", view_id="a", rights="Rights | unclear\nto us"),
    make_row("c", split="test", view_split="test"),
    make_row("d", state="rejected", reason="unreadable", shard=None, index=None),
]


def make_card(
    source: str = "loc",
    *,
    index: Index = INDEX,
    rows: list[SampleRow] = ROWS,
    settings: Settings = SETTINGS,
    moved: tuple[Move, ...] = (),
    **made: Any,
) -> str:
    composition = Composition(source=source, **made)
    return to_card(index, rows, settings=settings, made=composition, moved=moved)


def read_front(card: str) -> dict[str, Any]:
    _, matter, _ = card.split("---\n", 2)
    front: dict[str, Any] = yaml.safe_load(matter)
    return front


def test_the_card_counts_what_is_there() -> None:
    card = make_card()
    assert "| train | 2 | 1 | 1 | 1.5 |" in card
    assert "| val | 0 | 0 | 0 | 0.0 |" in card
    assert "| test | 1 | 1 | 1 | 1.5 |" in card
    assert "3 samples are written and 1 rejected (1 unreadable)" in card


def test_rights_statements_are_counted_as_they_are_given() -> None:
    card = make_card(rows=[*ROWS, make_row("e", rights="")])
    assert "| No known restrictions on publication. | 2 |" in card
    assert "| Rights / unclear to us | 1 |" in card
    assert "| (none given) | 1 |" in card


def test_the_librarys_advisory_is_claimed_for_its_prints_alone() -> None:
    front = read_front(make_card("loc"))
    assert front["license"] == "other"
    assert front["license_name"] == "no-known-restrictions-on-publication"
    for source in ("sample", "folder", ""):
        front = read_front(make_card(source))
        assert front["license"] == "unknown"
        assert "license_name" not in front
    assert "**Nothing came from the Library**" in make_card("sample")
    assert "No rights are claimed, and none are granted" in make_card("folder")


@pytest.mark.parametrize("source", SOURCES)
def test_a_card_is_whole_for_every_source(source: str) -> None:
    card = make_card(source)
    body = card.split("---\n", 2)[2]
    assert "{{" not in body and "{%" not in body
    for question in ("Motivation", "Composition", "Collection", "Preprocessing"):
        assert f"\n### {question}\n" in body
    for question in ("Uses", "Distribution", "Maintenance"):
        assert f"\n### {question}\n" in body
    assert "http" not in card
    paragraphs = [part for part in body.split("\n\n") if part.startswith("**")]
    assert len(paragraphs) == 23
    assert all("\n" not in part.strip() for part in paragraphs)
    assert "\n\n\n" not in body and " \n" not in body


def test_settings_and_figures_are_told() -> None:
    card = make_card(
        first_year=1890,
        last_year=1910,
        newest="2020-10-05",
        mounts=(("black", 3), ("none", 1)),
        flagged=2,
        corrected=1,
        near=4,
        nearest=0.714,
        aligned=5,
        not_aligned=(("poor_fit", 2),),
    )
    assert "from 1890 to 1910" in card
    assert "last changed on 2020-10-05" in card
    assert "(around the print: 3 black, 1 none). 0.6 % of the shorter side" in card
    assert "Of 4 crops 2 are flagged" in card and "Corrected by a person: 1." in card
    assert "judged different: 4; the nearest correlates by 0.71." in card
    assert "laid over their print: 5; rejected: 2 poor_fit." in card
    assert "kept in the picture" in card
    trimmed = make_card(settings=replace(SETTINGS, caption="trim", fit="crop"))
    assert "cut away" in trimmed and "The centre square of the print" in trimmed


def test_views_that_moved_are_named() -> None:
    move = Move("ppmsc.00007", "ppmsc.00001", Split.TEST, Split.TRAIN)
    assert "another split: ppmsc.00007." in make_card(moved=(move,))
    assert "another split:" not in make_card()


def test_the_front_matter_names_the_files_of_the_splits_that_are_there() -> None:
    front = read_front(make_card())
    (config,) = front["configs"]
    assert config["config_name"] == "prints"
    assert config["data_files"] == [
        {"split": "train", "path": "train-*.tar"},
        {"split": "test", "path": "test-*.tar"},
    ]
    (info,) = front["dataset_info"]
    counted = {split["name"]: split["num_examples"] for split in info["splits"]}
    assert counted == {"train": 2, "test": 1}


def test_the_front_matter_changes_with_the_shards() -> None:
    other = replace(INDEX, shards=(INDEX.shards[0], replace(INDEX.shards[1], sha256="1" * 64)))
    assert read_front(make_card()) != read_front(make_card(index=other))


@pytest.mark.parametrize(
    ("samples", "category"),
    [(999, "n<1K"), (1_000, "1K<n<10K"), (10_000, "10K<n<100K"), (1_000_000, "1M<n<10M")],
)
def test_the_size_has_hugging_faces_name(samples: int, category: str) -> None:
    index = Index(SIZE, (make_shard("train-000000.tar", samples=samples),), "0" * 64)
    assert read_front(make_card(index=index))["size_categories"] == [category]


def test_every_field_and_column_is_explained() -> None:
    assert list(FIELDS) == [field.name for field in fields(SampleInfo)]
    assert list(COLUMNS) == SAMPLES_SCHEMA.names
    card = make_card()
    assert all(f"| `{name}` | " in card for name in (*FIELDS, *COLUMNS))


def test_no_shards_have_a_card_too() -> None:
    card = make_card(index=Index(SIZE, (), "0" * 64), rows=[])
    assert "0 samples are written and 0 rejected;" in card
    assert read_front(card)["configs"] == []


def test_the_same_shards_give_the_same_card() -> None:
    assert make_card(rows=ROWS[::-1]) == make_card()
