"""Whatever a reply is, it gives rows or a CatalogError: never a traceback, never silence."""

import ast
import copy
import html
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvest.catalog import choose_rendition, to_item_rows, to_results, to_rows
from harvest.crosscheck import compare_rows
from harvest.dates import FIRST_YEAR, LAST_YEAR
from harvest.errors import CatalogError
from harvest.leaves import find_unsettled, is_doubtful, to_leaf
from harvest.manifest import CATALOG_SCHEMA, write_manifest
from harvest.ppoc import to_item_reply, to_listing
from harvest.records import CatalogReason, CatalogRow, CatalogState
from tests.harvest.records import (
    item,
    page,
    pictures_grid,
    pictures_html,
    pictures_item,
    pictures_page,
    pictures_result,
)

Json = Any
EXAMPLES = 120

HOSTILE = st.sampled_from(
    [
        "../../etc/passwd",
        "/etc/passwd",
        "https://www.loc.gov/item/../../x/",
        "https://www.loc.gov/item/%2e%2e%2fx/",
        f"https://www.loc.gov/item/{'9' * 300}/",
        "https://www.loc.gov/item/2001\x00697000/",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/06712v.jpg",
        "https://user:word@tile.loc.gov/06712v.jpg",
        "https://[::1/06712v.jpg",
        "//cdn.loc.gov/service/pnp/a/1r.jpg#h=9&w=99999999999",
        "[between 18-- and 99999]",
        "<" * 200,
        "\ud800\udfff",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=20)
    | HOSTILE
)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)


def _paths(value: Json, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Name every place within a value, the whole among them."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [prefix, *(path for key, part in inner for path in _paths(part, (*prefix, key)))]


def _mangle(value: Json, draw: Any) -> Json:
    """Change a value: to another type, nested, doubled, or a text with letters gone."""
    how = draw(st.sampled_from(["junk", "nested", "wrapped", "doubled", "mangled"]))
    if how == "nested":
        return [[value]]
    if how == "wrapped":
        return {"title": value, "url": value}
    if how == "doubled":
        return value * 2 if isinstance(value, list | str) else [value, value]
    if how == "mangled" and isinstance(value, str):
        cut = draw(st.integers(0, len(value)))
        return value[:cut] + draw(st.text(max_size=4)) + value[cut + 1 :]
    return draw(JUNK)


@st.composite
def mutated(draw: Any, originals: st.SearchStrategy[Json]) -> Json:
    """A reply with one to six of its members changed or dropped."""
    reply = {"": copy.deepcopy(draw(originals))}
    for _ in range(draw(st.integers(1, 6))):
        paths = _paths(reply)[1:]
        if not paths:
            break
        *way, last = draw(st.sampled_from(paths))
        holder: Any = reply
        for key in way:
            holder = holder[key]
        if draw(st.booleans()) or not way:
            holder[last] = _mangle(holder[last], draw)
        else:
            del holder[last]
    return reply.get("")


@st.composite
def mutated_html(draw: Any, originals: list[str]) -> str:
    """A page with pieces cut out, doubled or replaced."""
    text: str = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 200)))
        piece = draw(st.sampled_from(["", text[start:end] * 2, "<p>", "</a>", "<![", "&#0;", "\0"]))
        text = text[:start] + (piece or draw(st.text(max_size=8))) + text[end:]
    return text


def check(rows: list[CatalogRow], folder: Path | None = None) -> None:
    """See that rows are whole: a reason exactly where skipped, files where listed."""
    for row in rows:
        assert (row.state is CatalogState.LISTED) == (row.reason is CatalogReason.NONE)
        if row.state is CatalogState.LISTED:
            assert row.resource_id is not None
            assert "/" not in row.resource_id
            for wanted in ("v", "iiif:2048"):
                urls = [file.url for file in choose_rendition(row, wanted)]
                assert urls
                assert all(url.startswith("https://tile.loc.gov/") for url in urls)
                assert not any(".." in url for url in urls)
        assert row.latitude is None or -90 <= row.latitude <= 90
        assert row.longitude is None or -180 <= row.longitude <= 180
        years = [year for year in (row.date_from, row.date_to) if year is not None]
        assert all(FIRST_YEAR <= year <= LAST_YEAR for year in years)
        assert years == sorted(years)
    compare_rows(rows, rows)
    if folder is not None:
        write_manifest(folder / "catalog.parquet", rows, CATALOG_SCHEMA)


def read_anything(reply: Json, folder: Path | None = None) -> None:
    """Read a value as everything that a reply can be."""
    with suppress(CatalogError):
        rows = to_rows(reply)
        assert {row.row for row in rows} == set(range(1, len(to_results(reply)) + 1))
        check(rows, folder)
    with suppress(CatalogError):
        check(to_item_rows(reply, row=1), folder)
    with suppress(CatalogError):
        listing = to_listing(reply, "")
        rows = to_rows(listing)
        assert {row.row for row in rows} == set(range(1, len(listing["results"]) + 1))
        check(rows, folder)
    with suppress(CatalogError):
        check(to_item_rows(to_item_reply(reply, "", item_id="2001006712"), row=1), folder)
    for road in ("json", "pictures"):
        with suppress(CatalogError):
            find_unsettled({1: to_leaf(reply, road=road), 2: None})
    for cacheable in (True, False):
        with suppress(CatalogError):
            is_doubtful(reply, number=1, cacheable=cacheable)


OURS = st.sampled_from(
    [
        page(item(), item(7)),
        {"item": item(), "resources": item()["resources"]},
        pictures_page(pictures_result(), pictures_result(7, newer=False)),
        pictures_item(second="b&w film copy neg."),
    ]
)


@settings(max_examples=3 * EXAMPLES)
@given(mutated(OURS))
def test_any_mutation_of_our_records_is_rows_or_a_catalog_error(reply: Json) -> None:
    read_anything(reply)


@settings(max_examples=EXAMPLES)
@given(JUNK)
def test_anything_at_all_is_rows_or_a_catalog_error(reply: Json) -> None:
    read_anything(reply)


@settings(max_examples=25)
@given(mutated(OURS))
def test_rows_of_any_mutation_can_be_written(
    tmp_path_factory: pytest.TempPathFactory, reply: Json
) -> None:
    read_anything(reply, tmp_path_factory.mktemp("mutated"))


def to_record(printed: str) -> dict[str, Json]:
    """Read a record that was printed field by field, lists and numbers as Python writes them."""
    record = {}
    for line in printed.splitlines():
        name, tab, value = line.partition("\t")
        if tab:
            record[name] = (
                ast.literal_eval(value) if value.startswith(("['", "[{", "True")) else value
            )
    return record


@pytest.fixture(scope="module")
def recorded() -> list[Json]:
    folder = Path(__file__).resolve().parents[3] / "shared/loc"
    if not folder.is_dir():
        pytest.skip("no ../shared beside the checkout: the real replies are not here")
    names = ("item_map_73691632", "item_block_baseball_card_2007680728")
    ppoc = ("ppoc_search_result_2016", "ppoc_search_result_recent")
    listing = json.loads((folder / "collection_listing_wpa_posters_excerpt.json").read_text())
    printed = (folder / "item_block_91787443.txt").read_text()
    block = json.loads((folder / "item_block_fsac_2017877351.json").read_text())
    items = [json.loads((folder / f"{name}.json").read_text()) for name in names]
    results = [json.loads((folder / f"{name}.json").read_text()) for name in ppoc]
    return [
        listing["listing"],
        items[0],
        {"item": items[1], "resources": items[1]["resources"]},
        {"item": block, "resources": []},
        page({"url": "https://www.loc.gov/item/91787443/", "item": to_record(printed)}),
        pictures_page(*results),
    ]


@pytest.mark.shared
def test_the_recorded_replies_themselves_are_read(recorded: list[Json]) -> None:
    (row,) = to_rows(recorded[4])
    assert (row.item_id, row.place, row.date) == ("91787443", "Georgia--Cordele", "[ca. 1916]")
    assert (row.date_from, row.date_to, row.modified) == (1916, 1916, "2016-04-21T09:17:00Z")
    assert row.reason is CatalogReason.NO_IMAGE  # the enclosing record was not printed
    (row,) = to_rows(recorded[0])
    assert (row.date_from, row.date_to) == (1941, 1943)
    assert (row.latitude, row.longitude) == (30.3629775, -88.1147216)
    assert row.publisher == "WPA War Services"
    assert row.modified == "2016-04-21T06:01:15Z"
    (front, _) = to_item_rows(recorded[2], row=1)
    assert front.title == "John Morrill, Boston Beaneaters, baseball card portrait"
    assert front.collection_part == "Baseball cards from the Benjamin K. Edwards Collection"
    assert front.publisher == "Allen & Ginter Company"


@pytest.mark.shared
@settings(max_examples=3 * EXAMPLES)
@given(data=st.data())
def test_any_mutation_of_the_recorded_replies_is_rows_or_a_catalog_error(
    recorded: list[Json], data: st.DataObject
) -> None:
    read_anything(data.draw(mutated(st.sampled_from(recorded))))


PAGES = [pictures_grid(6712, 6713, of=7501), pictures_html(), html.escape(pictures_html())]


@settings(max_examples=2 * EXAMPLES)
@given(mutated_html(PAGES) | st.text())
def test_any_web_page_is_rows_or_a_catalog_error(text: str) -> None:
    with suppress(CatalogError):
        check(to_rows(to_listing(None, text)))
    with suppress(CatalogError):
        check(to_item_rows(to_item_reply(None, text, item_id="2001006712"), row=1))


def test_a_page_nested_beyond_reason_is_no_traceback() -> None:
    deep = "<div>" * 50_000 + '<a href="/pictures/item/1/">x</a>'
    with suppress(CatalogError):
        check(to_rows(to_listing(None, deep)))
    nested: Json = "x"
    for _ in range(200):
        nested = [nested]
    check(to_rows(page(item(title=nested, image_url=nested, resources=nested, item=nested))))
