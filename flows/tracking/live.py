"""Edge: the rows of a run in DVCLive's files, which `dvc metrics`, `plots` and `exp` read.

Into data/ goes only what is a function of settings and shards, so that dvc.lock says the same
wherever the job ran and however often it was stopped; speed and memory go to other trackers.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvclive import Live

from train.progress import read_events
from train.rows import COLUMNS, Row, replay, to_row
from train.run import PROGRESS

PICTURES = "plots/images/prints.jpg"
"""Of a folder of DVCLive's: the last sheet of prints."""

QUIET = {"DVC_STUDIO_OFFLINE": "true", "DVCLIVE_RESUME": "false"}
"""Nothing is posted and nothing taken up, whatever the user's settings are."""


class _Files(Live):  # type: ignore[misc]  # DVCLive is typed in part
    """DVCLive as a writer of files alone: the DVC that runs the stage makes the experiment."""

    def _init_dvc(self) -> None:
        """Look for no repository: it would make one with no commits yet a fault."""


class LiveFiles:
    """DVCLive's files of a run that goes on."""

    def __init__(self, folder: Path) -> None:
        """Start afresh in a folder; what DVCLive left there is removed."""
        with _quiet():
            self._live = _Files(str(folder), save_dvc_exp=False, dvcyaml=None)
        self._last = -1

    def take(self, event: Mapping[str, Any]) -> None:
        """Take an event; a row whose step has been is passed over."""
        if event["event"] == "validation" and event["step"] > self._last:
            self._last = event["step"]
            self._log(to_row(event), best_step=event["best_step"])

    def close(self) -> None:
        """End in order."""
        self._live.end()

    def _log(self, row: Row, *, best_step: int) -> None:
        self._live.step = int(row["step"] or 0)
        for column in COLUMNS[1:]:
            value = row[column]
            if value is not None:
                self._live.log_metric(column, value)
        if row["val_dE00"] is not None:
            self._live.summary["best_step"] = best_step
            if best_step == row["step"]:
                self._live.summary["best_val_dE00"] = row["val_dE00"]
        self._live.make_summary()


def write_live(run: Path, out: Path) -> None:
    """Write DVCLive's files of a finished run; a kill leaves `out` as it was, or whole.

    Args:
        run: The run folder; its progress.jsonl is read from the beginning, so that it does not
            matter who watched the run, and from when.
        out: Folder to write; what stood there is removed.
    """
    rows, sheet = read_rows(run)
    part = out.with_name(f".{out.name}.part")
    if part.exists():
        shutil.rmtree(part)
    files = LiveFiles(part)
    for event in replay(rows):
        files.take(event)
    files.close()
    if sheet is not None:
        (part / PICTURES).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sheet, part / PICTURES)
    if out.exists():
        shutil.rmtree(out)
    part.rename(out)


def read_rows(run: Path) -> tuple[Sequence[Row], Path | None]:
    """Read the rows of a run, and where the sheet of the last one is.

    A job that went on from a checkpoint tells of steps again: what it said last is what holds.

    Args:
        run: The run folder.

    Returns:
        Rows by step; the sheet's path, or none where there is no picture of the last row.
    """
    rows: dict[int, Row] = {}
    sheets: dict[int, Path] = {}
    with (run / PROGRESS).open("rb") as progress:
        for event in read_events(progress):
            if event["event"] == "validation":
                rows[event["step"]] = to_row(event)
            elif event["event"] == "pictures":
                sheets[event["step"]] = run / event["path"]
    sheet = sheets.get(max(rows, default=-1))
    whole = sheet is not None and sheet.is_file()
    return [rows[step] for step in sorted(rows)], sheet if whole else None


@contextmanager
def _quiet() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in QUIET}
    os.environ.update(QUIET)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
