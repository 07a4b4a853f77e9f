"""Edge: the jobs of this checkout, and how far their runs are."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from flows.cluster.client import UNKNOWN, JobState, Slurm
from flows.cluster.note import NOTE, Note, read_note
from flows.cluster.place import Place
from train.errors import TrainError
from train.params import TrainParams
from train.progress import read_events
from train.run import PROGRESS, read_run


@dataclass(frozen=True, slots=True)
class Row:
    """One run that was submitted."""

    note: Note
    key: str
    """Of the run."""
    params: TrainParams
    now: JobState
    step: int
    """Steps that it has told of."""
    best: float | None
    """Lowest validation dE00 so far."""
    done: bool
    """Whether it has told that it is through."""


def read_rows(place: Place, home: Path, *, tell: Callable[[str], None]) -> list[Row]:
    """Read the runs that were submitted, the last first.

    Args:
        place: Where the cluster's files are.
        home: Folder of the runs and checkpoints, as the nodes see it.
        tell: Takes a line for each that cannot be read, and is passed over.

    Raises:
        ClusterError: If SLURM, or the login node, does not answer.
    """
    noted = sorted(
        place.here(home / "runs").glob(f"*/{NOTE}"), key=lambda path: path.stat().st_mtime
    )
    rows = []
    for path in reversed(noted):
        note = read_note(path.parent)
        try:
            params = read_run(path.parent).params
        except TrainError as exc:
            tell(str(exc))
            continue
        if note is None:
            tell(f"{path}: expected the note of a job, which names it; passed over")
            continue
        rows.append(_read_row(place, home / "runs" / path.parent.name, note, params))
    return rows


def _read_row(place: Place, run: Path, note: Note, params: TrainParams) -> Row:
    folder = place.here(run)
    now = Slurm(place.login).read_state(note.job)
    place.fetch(run)
    step, best, done = 0, None, False
    if (folder / PROGRESS).is_file():
        with (folder / PROGRESS).open("rb") as stream:
            for event in read_events(stream):
                step = event.get("step", step)
                done |= event["event"] == "done"
                found = event.get("val_dE00")
                best = found if best is None or (found is not None and found < best) else best
    return Row(note, run.name, params, now, step, best, done)


def to_table(rows: Iterable[Row]) -> Table:
    """Lay the rows out for a terminal of 80 columns."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("job", "run", "seed", "state", "step", "dE00", "where, or why not"):
        right = column in ("seed", "step", "dE00")
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for row in rows:
        state = "done" if row.done and row.now.state in (UNKNOWN, "COMPLETED") else row.now.state
        cells = (
            row.note.job,
            row.key[:8],
            str(row.params.seed),
            state,
            f"{row.step}/{row.params.steps}",
            "" if row.best is None else f"{row.best:.2f}",
            _say_where(row),
        )
        table.add_row(*map(escape, cells))  # what SLURM says is no markup
    return table


def _say_where(row: Row) -> str:
    now = row.now
    if now.state == "PENDING":
        start = f", from {now.start.replace('T', ' ')}" if now.start else ""
        return f"{now.reason}{start}"
    if now.ended and not row.done:
        code = "" if now.exit_code is None else f"exit code {now.exit_code}"
        return ", ".join(filter(None, (code, now.reason)))
    return now.nodes


def say_spread(rows: Sequence[Row]) -> list[str]:
    """Say of runs that differ in their seed alone how far they lie apart, once they are through."""
    groups: dict[str, dict[int, Row]] = {}
    for row in rows:
        if row.done and row.best is not None:
            # The last of a seed comes first.
            groups.setdefault(row.note.family, {}).setdefault(row.params.seed, row)
    said = []
    for group in ([*family.values()] for family in groups.values()):
        best = [row.best for row in group if row.best is not None]
        if len(best) > 1:
            low = min(group, key=lambda row: row.best or 0)
            said.append(
                f"{len(best)} seeds of one setting: validation dE00 {statistics.mean(best):.2f}, "
                f"standard deviation {statistics.stdev(best):.2f}; lowest {low.best:.2f}, seed "
                f"{low.params.seed}"
            )
    return said
