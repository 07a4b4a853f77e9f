"""Pure: the rows of a run's curve, and the events that tell of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

Row = dict[str, float | None]
"""A row of the curve: step, train_loss, val_loss, val_dE00, lr."""

COLUMNS: Final = ("step", "train_loss", "val_loss", "val_dE00", "lr")


def to_event(row: Row, *, best_step: int) -> dict[str, Any]:
    """Say what a validation found, as `progress.jsonl` has it."""
    return {"event": "validation", **row, "best_step": best_step}


def replay(curve: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Tell of rows again, in order, each with the best step as it was then.

    Args:
        curve: Rows of one run, by step.
    """
    best_step, best = 0, float("inf")
    for row in curve:
        found = row["val_dE00"]
        if found is not None and found < best:
            best_step, best = int(row["step"] or 0), found
        yield to_event(row, best_step=best_step)


def find_best(rows: Sequence[Row]) -> int:
    """Find the step with the lowest dE00, the first of equal ones; the last where none is known.

    Args:
        rows: Of a curve, by step; may be none, which gives 0.
    """
    known = [row for row in rows if row["val_dE00"] is not None]
    best = min(known, key=lambda row: row["val_dE00"] or 0, default=rows[-1] if rows else None)
    return 0 if best is None else int(best["step"] or 0)


def to_row(event: Mapping[str, Any]) -> Row:
    """Take the row of the curve out of a `validation` event."""
    return {column: event[column] for column in COLUMNS}
