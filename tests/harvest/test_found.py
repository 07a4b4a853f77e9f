import re
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest.catalog import choose_rendition
from harvest.errors import CatalogError
from harvest.found import Found, read_listing, to_listing, to_own_rows, to_path, to_relative
from harvest.outcomes import is_fit_name
from harvest.records import CatalogReason, CatalogRow, CatalogState, Kind, Role
from preprocess.samples import MAX_NAME_BYTES, to_key


def picture(path: str | bytes, *, sha256: str = "ab") -> Found:
    raw = path.encode("utf-8", "surrogateescape") if isinstance(path, str) else path
    return Found(to_path(raw), 9, sha256, "", "", CatalogReason.NONE)


def other(path: str, reason: CatalogReason = CatalogReason.NO_IMAGE) -> Found:
    return Found(to_path(path.encode()), None, "", "", "no picture", reason)


def row_of(path: str | bytes) -> CatalogRow:
    return to_own_rows([picture(path)])[0]


# Any bytes but NUL and slash may be a name on a Linux disk; "." and ".." are none.
NAMES = st.binary(min_size=1, max_size=255).filter(
    lambda name: b"\0" not in name and b"/" not in name and name not in (b".", b"..")
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(b"/".join)


@given(st.lists(PATHS, unique=True, max_size=8))
def test_any_name_gives_ids_that_are_fit_for_files_keys_and_tables(paths: list[bytes]) -> None:
    rows = to_own_rows([picture(path) for path in paths])
    assert [row.state for row in rows] == [CatalogState.LISTED] * len(paths)
    ids = [row.resource_id or "" for row in rows]
    assert len(set(ids)) == len(paths)
    for row, scan_id in zip(rows, ids, strict=True):
        assert is_fit_name(scan_id)
        assert re.fullmatch(r"own\.[a-z0-9-]+", scan_id)
        assert "." not in to_key(scan_id)
        assert max(len(scan_id), len(row.item_id)) <= MAX_NAME_BYTES
        for text in (row.title, row.title_given, row.item_id, row.renditions[0].url):
            text.encode()
    assert {to_relative(row.renditions[0].url) for row in rows} == set(paths)


@given(st.lists(PATHS, unique=True, max_size=8))
def test_a_listing_is_read_as_it_was_written(paths: list[bytes]) -> None:
    found = sorted((picture(path) for path in paths), key=lambda one: one.path)
    assert read_listing(to_listing(reversed(found))) == found


def test_a_picture_keeps_its_id_whatever_else_lies_in_the_folder() -> None:
    alone = row_of("italy/venice.jpg")
    rows = to_own_rows(
        [picture("italy/venice.jpg"), picture("venice.jpg"), picture("a.png"), other("italy")]
    )
    (again,) = [row for row in rows if row.renditions == alone.renditions]
    assert replace(again, row=1) == alone


def test_ids_differ_by_folder_suffix_and_case() -> None:
    paths = ["venice.jpg", "venice.tif", "Venice.jpg", "italy/venice.jpg", "venice"]
    rows = to_own_rows([picture(path) for path in paths])
    assert len({(row.resource_id or "").casefold() for row in rows}) == len(paths)
    assert {row.title for row in rows} == {"venice", "Venice"}


def test_files_of_one_stem_are_one_item() -> None:
    rows = to_own_rows([picture("a/venice.jpg"), picture("a/venice.tif"), picture("b/venice.jpg")])
    first, second, third = (row.item_id for row in rows)
    assert first == second != third


def test_an_accent_is_the_same_in_one_character_or_two() -> None:
    one, two = (unicodedata.normalize(form, "Orléans.jpg") for form in ("NFC", "NFD"))
    assert one != two
    assert row_of(one).resource_id == row_of(two).resource_id
    assert row_of(two).title == unicodedata.normalize("NFC", "Orléans")


def test_two_spellings_side_by_side_are_two_pictures() -> None:
    one, two = (unicodedata.normalize(form, "Orléans.jpg") for form in ("NFC", "NFD"))
    rows = to_own_rows([picture(two), picture(one)])
    assert [row.state for row in rows] == [CatalogState.LISTED] * 2
    by_url = {to_relative(row.renditions[0].url).decode(): row.resource_id for row in rows}
    assert by_url[one] == row_of(one).resource_id
    assert by_url[two] != by_url[one]


@pytest.mark.parametrize(
    ("path", "item_of", "role"),
    [
        ("venice.bw.jpg", "venice.jpg", Role.NEGATIVE),
        ("x/Venice.BW.TIF", "x/Venice.jpg", Role.NEGATIVE),
        ("venice.bw", "venice.jpg", Role.NEGATIVE),
        ("venicebw.jpg", "venicebw.png", Role.COLOUR),
        ("bw.jpg", "bw.png", Role.COLOUR),
    ],
)
def test_a_bw_before_the_suffix_makes_a_copy_of_the_item(
    path: str, item_of: str, role: Role
) -> None:
    copy, print_of = row_of(path), row_of(item_of)
    assert (copy.role, print_of.role) == (role, Role.COLOUR)
    assert copy.item_id == print_of.item_id
    assert copy.title == print_of.title
    assert copy.resource_id != print_of.resource_id


@pytest.mark.parametrize(
    ("name", "title", "start"),
    [
        ("Größe & Straße.JPG", "Größe & Straße", "own.grosse-strasse-"),
        ("St. Mark's, Venice", "St. Mark's, Venice", "own.st-mark-s-venice-"),
        ("🎨.png", "🎨", "own."),
        ("a\n\t b.jpg", "a b", "own.a-b-"),
        ("bell\x07.jpg", "bell\ufffd", "own.bell-"),
        ("x" * 250 + ".jpg", "x" * 250, f"own.{'x' * 40}-"),
    ],
)
def test_a_title_is_the_name_and_an_id_what_is_plain_of_it(
    name: str, title: str, start: str
) -> None:
    row = row_of(name)
    assert row.title == title
    assert (row.resource_id or "").startswith(start)
    assert re.fullmatch(r"[0-9a-f]{12}", (row.resource_id or "")[len(start) :])


def test_a_row_says_what_changed_and_nothing_of_the_machine() -> None:
    row = row_of("a b.jpg")
    assert row.modified == "sha256:ab"
    assert [file.url for file in row.renditions] == ["folder:a%20b.jpg"]
    assert [file.kind for file in choose_rendition(row, "u")] == [Kind.MASTER]
    assert row.rights == ""


def test_what_is_no_picture_is_a_row_with_a_reason() -> None:
    rows = to_own_rows([other("notes.txt"), picture("b.jpg"), other("x", CatalogReason.REPEATED)])
    assert [(row.row, row.state, row.reason) for row in rows] == [
        (1, "listed", ""),
        (2, "skipped", "no_image"),
        (3, "skipped", "repeated"),
    ]
    assert (rows[1].item_id, rows[1].resource_id, rows[1].role) == ("folder:notes.txt", None, None)
    assert rows[1].notes == ("no picture",)
    assert rows[1].renditions == ()


def test_a_path_twice_is_refused() -> None:
    with pytest.raises(CatalogError, match="names a path twice"):
        to_own_rows([picture("a.jpg"), other("a.jpg")])


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"version": 2, "files": []}', b'{"version": 1, "files": [{"path": "a"}]}'],
)
def test_a_torn_listing_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):
        read_listing(content)


def test_an_address_of_another_source_is_refused() -> None:
    with pytest.raises(ValueError, match="expected an address such as folder:"):
        to_relative("https://tile.loc.gov/x.jpg")
