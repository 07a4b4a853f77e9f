import hashlib
import io
import json
import tarfile

import numpy as np
import pytest

from flows.errors import SharingError
from flows.project import Project
from flows.sharing.entries import from_csv, to_csv
from flows.sharing.written import read_folder_entries
from tests.flows.sharing.lists import make_entry
from tests.flows.sharing.tiny import SIZE


def ignore(share: float) -> None:
    assert 0 <= share <= 1


def test_a_list_of_samples_survives_its_table() -> None:
    entries = [make_entry("a", title='Lake, "Como";\n<b>'), make_entry("b", "pairs")]
    assert from_csv(to_csv(entries), where="here") == entries


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace(b"key,", b"name,"),
        lambda text: text + text.splitlines(keepends=True)[1],
        lambda text: text.replace(b",0,", b",x,"),
        lambda text: b"\xff" + text,
        lambda text: text + b"a,b\n",
    ],
)
def test_a_torn_table_is_refused(spoil) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SharingError, match="here: expected the samples of a release"):
        from_csv(spoil(to_csv([make_entry("a")])), where="here")


def test_the_samples_of_a_folder_bear_the_checksum_of_their_pixels(project: Project) -> None:
    folder = project.shards(SIZE)
    entries = {e.key: e for e in read_folder_entries(folder, on_progress=ignore)}
    assert len(entries) == 24
    for entry in entries.values():
        with tarfile.open(folder / entry.shard) as tar:
            members = {
                suffix: tar.extractfile(f"{entry.key}.{suffix}") for suffix in ("json", "lab.npy")
            }
            content = {suffix: one.read() for suffix, one in members.items() if one is not None}
        pixels = np.load(io.BytesIO(content["lab.npy"]))
        assert entry.sha256 == hashlib.sha256(pixels.tobytes()).hexdigest()
        assert entry.split == json.loads(content["json"])["split"]
        assert entry.title == f"Title of <{entry.scan_id}>"
