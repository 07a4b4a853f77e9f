import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvest.catalog import (
    choose_rendition,
    to_catalog,
    to_item_rows,
    to_rows,
)
from harvest.errors import CatalogError, ManifestError
from harvest.manifest import CATALOG_SCHEMA, read_catalog_rows, write_manifest
from harvest.records import CatalogReason, CatalogState, Kind, Role
from tests.harvest.records import PNP, item, page

STEM = f"{PNP}/ppmsc/06700/06712"
MASTER = STEM.replace("/service/", "/master/") + "u.tif"


def kinds(row: Any, wanted: str) -> list[str]:
    return [str(rendition.kind) for rendition in choose_rendition(row, wanted)]


def test_a_photochrom_is_read_with_all_that_is_stated() -> None:
    (row,) = to_rows(page(item()))
    assert (row.row, row.item_id, row.resource_id) == (1, "2001006712", "ppmsc.06712")
    assert row.title == "The arsenal, Venice, Italy"
    assert row.title_given == "[The arsenal, Venice, Italy]"
    assert (row.caption, row.role) == ("digital file from original", Role.COLOUR)
    assert row.date == "[between ca. 1890 and ca. 1900]"
    assert (row.date_from, row.date_to) == (1890, 1900)
    assert (row.publisher, row.print_number) == ("Photoglob Co.", "6626")
    assert row.collection_part == "Views of Italy in the Photochrom print collection"
    assert row.modified == "2016-04-21T06:01:15Z"
    assert (row.latitude, row.longitude) == (None, None)
    assert (row.place, row.subjects) == ("Italy--Venice", ("Italy--Venice",))
    assert row.rights == "No known restrictions on publication."
    assert row.call_number == "LOT 13434, no. 171 [item]"
    assert row.reproduction_number == "LC-DIG-ppmsc-06712 (digital file from original)"
    assert row.notes[0] == "Print no. 6626."
    assert (row.state, row.reason) == (CatalogState.LISTED, CatalogReason.NONE)


def test_renditions_have_the_sides_of_their_fragments_whatever_their_order() -> None:
    (row,) = to_rows(page(item()))
    assert [(r.kind, r.width, r.height, r.url) for r in row.renditions] == [
        (Kind.THUMB, 150, 111, f"{STEM}_150px.jpg"),
        (Kind.THUMB, 150, 111, f"{STEM}t.gif"),
        (Kind.R, 640, 474, f"{STEM}r.jpg"),
        (Kind.V, 1024, 759, f"{STEM}v.jpg"),
        (Kind.MASTER, None, None, MASTER),
    ]
    urls = item()["image_url"]
    assert isinstance(urls, list)
    assert to_rows(page(item(image_url=urls[::-1]))) == [row]


def test_the_wanted_file_comes_first_then_the_largest() -> None:
    (row,) = to_rows(page(item()))
    assert kinds(row, "v") == ["v", "r", "u"]
    assert kinds(row, "r") == ["r", "v", "u"]
    assert kinds(row, "u") == ["u", "v", "r"]


IIIF = "https://tile.loc.gov/image-services/iiif/master:pnp:ppmsc:06700:06712u"


def test_a_picture_of_the_image_server_is_derived_and_the_files_stand_behind_it() -> None:
    (row,) = to_rows(page(item()))
    assert kinds(row, "iiif:2048") == ["iiif", "u", "v", "r"]
    first = choose_rendition(row, "iiif:2048")[0]
    assert first.url == f"{IIIF}/full/!2048,2048/0/default.jpg"
    assert (first.width, first.height) == (None, None)


@pytest.mark.parametrize(("pixels", "sides"), [(1800, (1800, 1350)), (4000, (None, None))])
def test_its_sides_are_known_when_those_of_a_large_master_are(
    pixels: int, sides: tuple[int | None, int | None]
) -> None:
    files = [[{"url": MASTER, "width": 3600, "height": 2700}]]
    resource = item()["resources"][0] | {"files": files}
    (row,) = to_item_rows({"item": item(), "resources": [resource]}, row=1)
    first = choose_rendition(row, f"iiif:{pixels}")[0]
    assert (first.width, first.height) == sides


@pytest.mark.parametrize("wanted", ["t", "iiif", "iiif:", "iiif:0", "iiif:x", "v:3", ""])
def test_another_rendition_is_refused(wanted: str) -> None:
    (row,) = to_rows(page(item()))
    with pytest.raises(ValueError, match="expected v, r, u or iiif"):
        choose_rendition(row, wanted)


def test_a_picture_of_the_image_server_that_is_named_tells_the_resource() -> None:
    url = IIIF.replace("master", "service").removesuffix("u") + "/full/pct:25/0/default.jpg#h=9&w=8"
    (row,) = to_rows(page(item(image_url=url, resources=[])))
    assert row.resource_id == "ppmsc.06712"
    assert (Kind.IIIF, 8) in {(r.kind, r.width) for r in row.renditions}
    assert kinds(row, "v") == ["v", "r", "u"]


def test_a_missing_v_is_no_candidate() -> None:
    (row,) = to_rows(page(item(image_url=[f"{STEM}_150px.jpg#h=1&w=2", f"{STEM}r.jpg#h=3&w=4"])))
    assert kinds(row, "v") == ["r", "u"]


def test_one_image_url_may_be_a_string_in_an_old_form() -> None:
    old = "//cdn.loc.gov/service/pnp/ppmsc/06700/06712r.jpg#h=474&w=640"
    (row,) = to_rows(page(item(image_url=old)))
    assert choose_rendition(row, "r")[0].url == f"{STEM}r.jpg"


def two_resources(caption: str) -> list[dict[str, Any]]:
    second = f"{PNP}/cph/3b40000/3b49000/3b49000/3b49078"
    resources = item()["resources"]
    assert isinstance(resources, list)
    return [
        *resources,
        {
            "caption": caption,
            "files": 1,
            "image": f"{second}_150px.jpg",
            "url": "https://www.loc.gov/resource/cph.3b49078/",
        },
    ]


def test_a_second_resource_is_a_row_with_derived_addresses() -> None:
    first, second = to_rows(page(item(resources=two_resources("b&w film copy neg."))))
    assert (first.row, first.resource_id, first.role) == (1, "ppmsc.06712", Role.COLOUR)
    assert (second.row, second.resource_id, second.role) == (1, "cph.3b49078", Role.NEGATIVE)
    assert kinds(second, "v") == ["v", "r", "u"]
    assert {r.width for r in choose_rendition(second, "v")} == {None}
    assert choose_rendition(second, "u")[0].url == (
        "https://tile.loc.gov/storage-services/master/pnp/cph/3b40000/3b49000/3b49000/3b49078u.tif"
    )


def test_a_missing_caption_is_read_from_the_reproduction_numbers() -> None:
    resource = item()["resources"][0] | {"caption": None}
    html = "<p>LC-USZ62-1 (b&amp;w film copy neg.)<br>LC-DIG-ppmsc-06712 (digital file)</p>"
    (row,) = to_rows(page(item(resources=[resource], reproductions=html)))
    assert (row.caption, row.role) == ("digital file from original", Role.COLOUR)
    (row,) = to_rows(page(item(resources=[resource], reproductions=html, item={})))
    assert (row.caption, row.role) == ("digital file", Role.COLOUR)
    only = {"reproduction_number": "LC-USZ62-95830 (b&w film copy neg.)"}
    (row,) = to_rows(page(item(resources=[resource], item=only)))
    assert (row.caption, row.role) == ("b&w film copy neg.", Role.NEGATIVE)


def test_an_item_without_resources_has_those_of_its_images() -> None:
    (row,) = to_rows(page(item(resources=[])))
    assert (row.resource_id, row.caption) == ("ppmsc.06712", "digital file from original")


@pytest.mark.parametrize(
    ("change", "reason", "item_id"),
    [
        ({"url": "https://www.loc.gov/collections/photochrom-prints/"}, "not_an_item",
         "2001006712"),
        ({"url": "/etc/passwd"}, "bad_id", "2001006712"),
        ({"url": "../../etc/passwd", "id": None}, "bad_id", "../../etc/passwd"),
        ({"url": "https://www.loc.gov/item/../../etc/", "id": None}, "bad_id",
         "https://www.loc.gov/item/../../etc/"),
        ({"url": "https://www.loc.gov/item/2001\x00/", "id": None}, "bad_id",
         "https://www.loc.gov/item/2001\ufffd/"),
        ({"url": f"https://www.loc.gov/item/{'2' * 300}/", "id": None}, "bad_id",
         f"https://www.loc.gov/item/{'2' * 300}/"),
        ({"url": None, "id": None}, "unreadable", ""),
        ({"url": "https://example.org/item/1/", "id": None}, "foreign_address",
         "https://example.org/item/1/"),
        ({"url": "file:///item/1/"}, "foreign_address", "2001006712"),
        ({"image_url": ["http://127.0.0.1/06712v.jpg", "http://10.0.0.1/06712r.jpg"],
          "resources": []}, "foreign_address", "2001006712"),
        ({"image_url": "ftp://tile.loc.gov/06712v.jpg", "resources": []}, "foreign_address",
         "2001006712"),
        ({"image_url": f"{PNP}/ppmsc/../../../etc/06712v.jpg", "resources": []}, "bad_id",
         "2001006712"),
        ({"image_url": f"{PNP}/ppmsc/06700/{'1' * 300}v.jpg", "resources": []}, "bad_id",
         "2001006712"),
        ({"image_url": [], "resources": [{"url": "https://www.loc.gov/resource/../x/"}]}, "bad_id",
         "2001006712"),
        ({"image_url": [], "resources": [{"image": "https://example.org/06712_150px.jpg"}]},
         "foreign_address", "2001006712"),
        ({"image_url": [], "resources": [{"files": [[{"url": "https://[::1]/06712v.jpg"}]]}]},
         "foreign_address", "2001006712"),
        ({"image_url": [], "resources": [{"url": "https://www.loc.gov/resource/ppmsc.1/"}]},
         "no_image", "2001006712"),
        ({"original_format": "web page"}, "not_an_item", "2001006712"),
        ({"original_format": ["Collection"]}, "not_an_item", "2001006712"),
        ({"title": "[Group of photochrom prints of Italy]"}, "group_record", "2001006712"),
        ({"image_url": "https://www.loc.gov/static/images/original-format/group-of-images.svg"},
         "group_record", "2001006712"),
        ({"image_url": [], "resources": []}, "no_image", "2001006712"),
        ({"image_url": None, "resources": None}, "no_image", "2001006712"),
        ({"image_url": ["https://www.loc.gov/static/images/x.svg"], "resources": []}, "no_image",
         "2001006712"),
        ({"image_url": ["https://tile.loc.gov/storage-services/service/gmd/x.jpg"],
          "resources": []}, "no_resource_id", "2001006712"),
    ],
)  # fmt: skip
def test_a_row_that_is_no_digitised_item_is_skipped_with_its_reason(
    change: dict[str, Any], reason: str, item_id: str
) -> None:
    (row,) = to_rows(page(item(**change)))
    assert (row.state, row.reason, row.role) == (CatalogState.SKIPPED, reason, None)
    assert row.item_id == item_id


def test_a_print_whose_title_speaks_of_prints_is_no_group() -> None:
    (row,) = to_rows(page(item(title="my photochrom prints of Venice")))
    assert row.state is CatalogState.LISTED


def test_rows_are_numbered_over_all_pages_and_repeats_are_skipped() -> None:
    rows = to_catalog([page(item(1), "mangled", of=4), page(item(2), item(1), number=2, of=4)])
    assert [(row.row, row.resource_id, row.reason) for row in rows] == [
        (1, "ppmsc.00001", ""),
        (2, None, "unreadable"),
        (3, "ppmsc.00002", ""),
        (4, "ppmsc.00001", "repeated"),
    ]


def test_rows_come_back_from_the_manifest_as_they_were(tmp_path: Path) -> None:
    rows = to_catalog([page(item(), item(5, image_url=[], resources=[]), None)])
    write_manifest(tmp_path / "catalog.parquet", rows, CATALOG_SCHEMA)
    assert read_catalog_rows(tmp_path / "catalog.parquet") == rows


def test_a_manifest_with_a_state_of_its_own_is_refused(tmp_path: Path) -> None:
    (row,) = to_rows(page(item()))
    path = tmp_path / "catalog.parquet"
    write_manifest(path, [asdict(row) | {"state": "perhaps"}], CATALOG_SCHEMA)
    with pytest.raises(ManifestError, match="'perhaps' is not a valid CatalogState"):
        read_catalog_rows(path)


def test_a_manifest_with_a_listed_row_of_no_resource_is_refused(tmp_path: Path) -> None:
    (row,) = to_rows(page(item()))
    path = tmp_path / "catalog.parquet"
    write_manifest(path, [asdict(row) | {"resource_id": None}], CATALOG_SCHEMA)
    with pytest.raises(ManifestError, match="none in that of item 2001006712; run photochrom"):
        read_catalog_rows(path)


def test_an_item_reply_gives_exact_renditions() -> None:
    files = [
        {"url": f"{STEM}t.gif", "mimetype": "image/gif", "width": 150, "height": 111},
        {"url": f"{STEM}r.jpg", "mimetype": "image/jpeg", "width": 640, "height": 474, "size": 9},
        {"url": MASTER, "mimetype": "image/tiff", "width": 3600, "height": 2700, "size": 30},
        {"url": f"{STEM}v.jpg", "mimetype": "image/jpeg", "size": "7"},
    ]
    resource = item()["resources"][0] | {"files": [files]}
    (row,) = to_item_rows({"item": item(), "resources": [resource]}, row=7)
    assert row.row == 7
    assert [(str(r.kind), r.width, r.bytes) for r in choose_rendition(row, "v")] == [
        ("v", None, 7),
        ("u", 3600, 30),
        ("r", 640, 9),
    ]


def test_each_page_of_a_resource_is_a_row() -> None:
    other = f"{PNP}/ppmsc/06700/06713"
    files = [[{"url": f"{STEM}v.jpg"}], [{"url": f"{other}v.jpg"}]]
    resource = item()["resources"][0] | {"files": files}
    rows = to_item_rows({"item": item(image_url=[]), "resources": [resource]}, row=1)
    assert [row.resource_id for row in rows] == ["ppmsc.06712", "ppmsc.06713"]


@pytest.mark.parametrize("reply", [None, [], "x", {}, {"results": {}}, {"results": None}])
def test_what_is_no_listing_is_a_catalog_error(reply: Any) -> None:
    with pytest.raises(CatalogError, match="expected a listing"):
        to_rows(reply)


def test_what_is_no_item_is_a_catalog_error() -> None:
    with pytest.raises(CatalogError, match="expected a reply with an object under 'item'"):
        to_item_rows({"item": []}, row=3)


def test_a_recorded_listing_is_read(shared: Path) -> None:
    text = (shared / "loc/collection_listing_wpa_posters_excerpt.json").read_text()
    (row,) = to_rows(json.loads(text)["listing"])
    assert (row.item_id, row.resource_id) == ("98518971", "cph.3b49078")
    assert row.date == "between 1941 and 1943"
    assert row.caption == "color film copy slide"
    assert kinds(row, "v") == ["r", "u"]


def test_a_recorded_item_with_two_sides_is_read(shared: Path) -> None:
    record = json.loads((shared / "loc/item_block_baseball_card_2007680728.json").read_text())
    front, back = to_item_rows({"item": record, "resources": []}, row=1)
    assert (front.resource_id, back.resource_id) == ("bbc.0550f", "bbc.0550b")
    assert (front.item_id, front.date) == ("2007680728", "1888.")
    assert choose_rendition(front, "v")[0].width == 554
    assert choose_rendition(back, "v")[0].url == f"{PNP}/bbc/0500/0550/0550bv.jpg"


def test_a_recorded_map_is_skipped(shared: Path) -> None:
    reply = json.loads((shared / "loc/item_map_73691632.json").read_text())
    (row,) = to_item_rows(reply, row=1)
    assert (row.item_id, row.reason) == ("73691632", CatalogReason.NO_RESOURCE_ID)


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=30)
    | st.sampled_from(
        [f"{STEM}v.jpg#h=1&w=2", "//cdn.loc.gov/service/pnp/a/1r.jpg", "http://[", "https://x:y/"]
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["title", "url", "image", "files", "caption", "x", ""]), inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    change=st.dictionaries(st.sampled_from(sorted(item())), JUNK, max_size=5),
    inner=st.dictionaries(st.sampled_from(sorted(item()["item"])), JUNK, max_size=5),
    gone=st.sets(st.sampled_from(sorted(item()))),
    junk=JUNK,
)
def test_a_mangled_record_never_raises_and_is_never_lost(
    change: dict[str, Any], inner: dict[str, Any], gone: set[str], junk: Any
) -> None:
    record = item(item=item()["item"] | inner) | change
    record = {name: value for name, value in record.items() if name not in gone}
    rows = to_catalog([page(record, junk, item(77))])
    assert {row.row for row in rows} == {1, 2, 3}
    for row in rows:
        assert (row.state is CatalogState.LISTED) == (row.reason is CatalogReason.NONE)
        assert row.state is CatalogState.SKIPPED or choose_rendition(row, "v")


@settings(max_examples=100, deadline=None)
@given(JUNK)
def test_a_mangled_reply_raises_a_catalog_error_or_nothing(junk: Any) -> None:
    with suppress(CatalogError):
        to_rows(junk)
    with suppress(CatalogError):
        to_item_rows(junk, row=1)
    to_item_rows({"item": {"url": "https://www.loc.gov/item/1/"}, "resources": junk}, row=1)


@settings(max_examples=25, deadline=None)
@given(change=st.dictionaries(st.sampled_from(sorted(item())), JUNK, max_size=5))
def test_rows_of_a_mangled_record_can_be_written(
    tmp_path_factory: pytest.TempPathFactory, change: dict[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("mangled") / "catalog.parquet"
    write_manifest(path, to_catalog([page(item(**change))]), CATALOG_SCHEMA)
