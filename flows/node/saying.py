"""Pure: what was measured of a node, as a table of 80 columns and for programs."""

from dataclasses import asdict
from textwrap import fill
from typing import Any

from flows.node.verdict import Kind, Measured, Verdict, Wish, explain

_PLACES = {
    Kind.SHARDS: "shards of constant stride",
    Kind.OWN: "no shards: the disk, by a file of its own",
    Kind.FOREIGN: "tars of others, decoded anew in every epoch",
}


def to_text(wish: Wish, seen: Measured, verdict: Verdict) -> str:
    """Lay a verdict out for a terminal of 80 columns.

    Args:
        wish: What was wanted.
        seen: What was measured.
        verdict: What follows.
    """
    lines = [fill(f"{seen.path}: {_PLACES[seen.kind]}", 80), ""]
    lines.append(f"{'measured':42s}{'GB/s':>10s}{'samples/s':>14s}{'of wanted':>12s}")
    for name, bytes_s, samples_s in _rows(seen):
        share = samples_s / wish.samples_s
        gigabytes = "" if bytes_s is None else f"{bytes_s / 1e9:.2f}"
        told = f"{share:,.0f} x" if share >= 10 else f"{share:.2f} x"
        lines.append(f"{name:42s}{gigabytes:>10s}{samples_s:>14,.0f}{told:>12s}")
    lines += ["", fill(_say_memory(seen), 80), fill(explain(wish, seen, verdict), 80)]
    return "\n".join(lines)


def _rows(seen: Measured) -> list[tuple[str, float | None, float]]:
    """Name what was measured, in bytes and samples a second."""
    row, stored, all_of = seen.row_bytes, seen.stored_bytes, _say_threads(seen.threads)
    many = seen.threads > 1
    rows: list[tuple[str, float | None, float]] = [
        ("copying in memory, 1 thread", seen.copy_one, seen.copy_one / row)
    ]
    if many:
        rows.append((f"copying in memory, {all_of}", seen.copy_all, seen.copy_all / row))
    if seen.gather_wall is not None and seen.gather_cpu is not None:
        rows.append((f"gathering, warm, {all_of}", seen.gather_wall * stored, seen.gather_wall))
        rows.append(("gathering, warm, for each core's second", None, seen.gather_cpu))
    if seen.decode_cpu is not None:
        rows.append(("decoding, for each core's second", None, seen.decode_cpu))
    rows += [
        ("disk, cold, in order, 1 thread", seen.disk_ordered, seen.disk_ordered / stored),
        ("disk, cold, samples at random, 1 thread", seen.disk_one, seen.disk_one / stored),
    ]
    if many:
        name = f"disk, cold, samples at random, {all_of}"
        rows.append((name, seen.disk_all, seen.disk_all / stored))
    if seen.sent is not None:
        rows.append(("to one GPU, while it computes", seen.sent, seen.sent / row))
    return rows


def _say_threads(count: int) -> str:
    return f"{count} thread" + "s" * (count > 1)


def _say_memory(seen: Measured) -> str:
    said = f"{seen.memory_free / 1e9:.1f} GB of memory free"
    if seen.device_free is not None:
        said += f", {seen.device_free / 1e9:.1f} GB on the first GPU"
    if seen.samples is None or seen.data_bytes is None:
        return f"{said}; how many samples there are is not known here, so they are streamed"
    return f"{said}; the {seen.samples:,} samples take {seen.data_bytes / 1e9:.2f} GB"


def to_json(wish: Wish, seen: Measured, verdict: Verdict) -> dict[str, Any]:
    """Lay a verdict out for programs."""
    return {
        "wanted": asdict(wish) | {"samples_s": wish.samples_s},
        "measured": asdict(seen),
        "verdict": asdict(verdict) | {"said": explain(wish, seen, verdict)},
    }
