"""What the review server does with a correction: check it, and add it to its table."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from filelock import FileLock
from pydantic import BaseModel, Field, StringConstraints

from flows.project import Project
from harvest.manifest import SCANS_SCHEMA, read_manifest
from harvest.records import Role
from preprocess.crop_page import to_entry
from preprocess.dedupe_page import to_pair_entry
from preprocess.overrides import (
    VERDICTS,
    CropOverride,
    PairOverride,
    find_fault,
    read_crop_overrides,
    read_pair_overrides,
    write_crop_overrides,
    write_pair_overrides,
)
from preprocess.records import Outcome

Entry = dict[str, Any]
K = TypeVar("K")
V = TypeVar("V")

MOST_NOTE: Final = 500
"""Letters of a note; the pages hold to it too."""

_Note = Annotated[str, StringConstraints(max_length=MOST_NOTE, strip_whitespace=True)]


class RefusedError(Exception):
    """A correction that is not taken; says why, and what stands where that is the reason."""

    def __init__(self, status: int, said: str, *, entry: Entry | None = None) -> None:
        """Remember the HTTP status, the reason, and the entry that stands."""
        super().__init__(said)
        self.status = status
        self.entry = entry


class CropMessage(BaseModel, frozen=True, extra="forbid"):
    """A correction of corners as the page sends it."""

    scan_id: str
    sha256: str
    """Of the file that the page was drawn from."""
    corners: list[float] = Field(min_length=8, max_length=8)
    note: _Note
    gone: bool = False
    """Take the correction back."""
    before: Entry | None
    """What the page believes to stand."""


class PairMessage(BaseModel, frozen=True, extra="forbid"):
    """A verdict on a pair as the page sends it."""

    scan_id: str
    other_id: str
    outcome: Outcome
    note: _Note
    gone: bool = False
    before: Entry | None


class Desk:
    """The tables of one source; one correction is made at a time, whoever sends it."""

    def __init__(self, project: Project, *, source: str) -> None:
        """Name the tables.

        Args:
            project: Where the manifests and the overrides lie.
            source: `harvest.source`.
        """
        self._scans_path = project.data / "scans.parquet"
        self._known: tuple[int, dict[str, Entry]] = (0, {})
        folder = Path("overrides") / source
        self._names = {"crops": folder / "crops.csv", "pairs": folder / "pairs.csv"}
        self._root = project.root
        project.state.mkdir(parents=True, exist_ok=True)
        # Two servers of one checkout exclude each other by the file, two requests by the mutex.
        self._file_lock = FileLock(project.state / f"overrides-{source}.lock")
        self._mutex = threading.Lock()

    def find_scan(self, scan_id: str) -> Entry:
        """Find the manifest's row of a stored scan.

        Raises:
            RefusedError: If there is none.
            ManifestError: If the manifest is missing.
        """
        with self._mutex:
            stamp = self._scans_path.stat().st_mtime_ns if self._scans_path.exists() else 0
            if not stamp or stamp != self._known[0]:
                rows = read_manifest(self._scans_path, SCANS_SCHEMA)
                self._known = stamp, {row["scan_id"]: row for row in rows if row["path"]}
        if scan_id not in self._known[1]:
            raise RefusedError(404, f"expected a stored scan, got {scan_id!r}")
        return self._known[1][scan_id]

    def list_crops(self) -> list[Entry]:
        """List the corrected corners, as the page wants them."""
        read = read_crop_overrides(self._root / self._names["crops"])
        return [to_entry(override) for override in read.values()]

    def list_pairs(self) -> list[Entry]:
        """List the verdicts, as the page wants them."""
        read = read_pair_overrides(self._root / self._names["pairs"])
        return [to_pair_entry(override) for override in read.values()]

    def correct_crop(self, message: CropMessage) -> Entry:
        """Save corrected corners, or take them back.

        Returns:
            What the page is answered.

        Raises:
            RefusedError: If the scan is unknown or another file now, the corners are none, or
                somebody else has corrected it since.
            PreprocessError: If the table is not as it should be.
            OSError: If the disk refuses.
        """
        scan = self.find_scan(message.scan_id)
        if message.sha256 != scan["sha256"]:
            raise RefusedError(409, "the file is another one now; draw the page anew and reload it")
        if not message.gone:
            _check_corners(message.corners, most=max(scan["width"], scan["height"]))
        override = CropOverride(
            message.scan_id, scan["sha256"], tuple(message.corners), message.note
        )
        return self._change(
            "crops",
            message.scan_id,
            None if message.gone else override,
            before=message.before,
            read=read_crop_overrides,
            write=write_crop_overrides,
            say=to_entry,
        )

    def judge_pair(self, message: PairMessage) -> Entry:
        """Save a verdict, or take it back.

        Returns:
            What the page is answered.

        Raises:
            RefusedError: If a scan is unknown, the verdict is none, or somebody else has judged
                the pair since.
            PreprocessError: If the table is not as it should be.
            OSError: If the disk refuses.
        """
        for scan_id in (message.scan_id, message.other_id):
            if self.find_scan(scan_id)["role"] == Role.NEGATIVE:
                raise RefusedError(400, f"{scan_id} is a negative, and takes its item's view")
        if message.scan_id >= message.other_id:
            raise RefusedError(400, "expected two scans, the smaller id first")
        if message.outcome not in VERDICTS:
            raise RefusedError(400, f"expected a verdict among {', '.join(VERDICTS)}")
        override = PairOverride(message.scan_id, message.other_id, message.outcome, message.note)
        return self._change(
            "pairs",
            (message.scan_id, message.other_id),
            None if message.gone else override,
            before=message.before,
            read=read_pair_overrides,
            write=write_pair_overrides,
            say=to_pair_entry,
        )

    def _change(
        self,
        kind: str,
        key: K,
        value: V | None,
        *,
        before: Entry | None,
        read: Callable[[Path], dict[K, V]],
        write: Callable[[Path, Mapping[K, V]], None],
        say: Callable[[V], Entry],
    ) -> Entry:
        """Replace one entry of a table, if what the page saw still stands there."""
        name = self._names[kind]
        with self._mutex, self._file_lock:
            table = read(self._root / name)
            standing = say(table[key]) if key in table else None
            if standing != before:
                said = "it was changed elsewhere meanwhile; what stands now is shown, save again"
                raise RefusedError(409, f"{said} to replace it", entry=standing)
            if value is None:
                table.pop(key, None)
            else:
                table[key] = value
            write(self._root / name, table)
        stage = "crop" if kind == "crops" else "dedupe"
        done = "Saved in" if value is not None else "Removed from"
        return {
            "entry": None if value is None else say(value),
            "said": f"{done} {name.as_posix()}. `dvc repro` (or `photochrom {stage}`) will use it.",
        }


def _check_corners(corners: list[float], *, most: float) -> None:
    if fault := find_fault(corners):
        raise RefusedError(400, f"expected {fault[0]}, got {fault[1]}")
    if min(corners) < 0 or max(corners) > most:
        raise RefusedError(400, f"expected corners within the scan, 0 to {most:.0f} px")
