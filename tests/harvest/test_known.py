from pathlib import Path

import pytest

from harvest.folder import Stamp
from harvest.found import Found
from harvest.known import SETTLED_NS, Known, read_known, write_known
from harvest.records import CatalogReason

NOW_NS = 1_800_000_000_000_000_000


def known_of(*, changed_ns: int, reason: CatalogReason = CatalogReason.NONE) -> Known:
    found = Found("a%20b.jpg", 9, "ab", "© Größe", "", reason)
    return {"a%20b.jpg": (Stamp(1, 2, 9, changed_ns, changed_ns), found)}


def test_what_is_known_is_read_as_it_was_written(tmp_path: Path) -> None:
    known = known_of(changed_ns=NOW_NS - SETTLED_NS - 1)
    write_known(tmp_path / "state" / "folder.json", known, began_ns=NOW_NS)
    assert read_known(tmp_path / "state" / "folder.json") == known


@pytest.mark.parametrize(
    "known",
    [
        known_of(changed_ns=NOW_NS - SETTLED_NS // 2),
        known_of(changed_ns=NOW_NS + SETTLED_NS),
        known_of(changed_ns=0, reason=CatalogReason.UNREADABLE),
    ],
)
def test_what_may_change_unseen_is_read_again(tmp_path: Path, known: Known) -> None:
    write_known(tmp_path / "folder.json", known, began_ns=NOW_NS)
    assert read_known(tmp_path / "folder.json") == {}


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"version": 1, "files": {"a": [[1], {}]}}', '{"version":7}']
)
def test_a_torn_note_is_as_none(tmp_path: Path, content: str) -> None:
    assert read_known(tmp_path / "folder.json") == {}
    (tmp_path / "folder.json").write_text(content)
    assert read_known(tmp_path / "folder.json") == {}
