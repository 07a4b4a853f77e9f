"""How opening a split, ordering it and the first batch grow with its shards and samples.

Sparse files, up to 100 GB and 10 million samples; nothing is switched off: rows of zeros have a
checksum too. Run it from the repository: `python bench/stream_growth.py`. It writes
bench/results/stream_growth.json and takes some two minutes; `--quick` is a smoke test,
`--markdown` prints the table of the last record.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from _record import RESULTS, write_record
from _stream_peers import Way
from _stream_turns import Child

from preprocess.index import SAMPLE_DTYPE, Described, Member, Shard, to_index, write_index
from preprocess.samples import to_layout

SCRIPT = Path(__file__).with_name("_stream_growing.py")
WINDOW = 65_536
TRAILER, RECORD = 1024, 10_240
"""Tar ends with two empty blocks and is filled up to whole records."""

FIRST_BATCH_S = 0.1
"""Of imports, on 10 GB."""


@dataclass(frozen=True, slots=True)
class Set:
    """A data set of sparse shards."""

    size: int
    shards: int
    each: int
    """Samples of a shard."""


SETS = (
    Set(256, 50, 1_000),
    Set(256, 100, 5_000),
    Set(256, 1_000, 500),
    Set(256, 10_000, 50),
    Set(48, 1_000, 1_000),
    Set(48, 1_000, 10_000),
    Set(48, 10_000, 1_000),
)
QUICK = (Set(256, 10, 20), Set(48, 20, 100))


def main() -> None:
    """Measure, print, write the record."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small sets, nothing written")
    parser.add_argument("--markdown", action="store_true", help="print the last record's table")
    options = parser.parse_args()
    if options.markdown:
        record = json.loads((RESULTS / "stream_growth.json").read_bytes())
        print(to_markdown(record["rows"]))
        return
    rows: list[dict[str, Any]] = []
    for one in QUICK if options.quick else SETS:
        with tempfile.TemporaryDirectory() as name:
            total = write_sparse(Path(name), one)
            rows += measure(Path(name), one, total=total, rounds=options.rounds)
        print("\n".join(to_lines(rows[-2:], head=len(rows) == 2)), flush=True)
    if not options.quick:
        small = next(row for row in rows if row["gb"] > 9 and row["window"] == 0)
        bound = {
            "what": "first batch after imports on 10 GB, s",
            "median": small["first_batch_s"],
            "bound": FIRST_BATCH_S,
            "met": small["first_batch_s"] <= FIRST_BATCH_S,
        }
        print(f"first batch on 10 GB: {bound['median']:.3f} s of {FIRST_BATCH_S}")
        print(write_record("stream_growth", packages=("numpy", "torch"), rows=rows, bound=bound))


def write_sparse(folder: Path, one: Set) -> int:
    """Write sparse shards with their index; return their bytes."""
    layout = to_layout(one.size, paired=False)
    members = tuple(Member(name, at, shape, "uint8") for name, at, shape in layout.arrays)
    length = -(-(one.each * layout.stride + TRAILER) // RECORD) * RECORD
    rows = np.empty(one.each, SAMPLE_DTYPE)
    rows["xxh3"] = xxhash.xxh3_64_intdigest(bytes(layout.stride))
    rows["valid"] = (0, 0, one.size, one.size)
    described = []
    for number in range(one.shards):
        name = f"train-{number:06d}.tar"
        (folder / name).touch()
        os.truncate(folder / name, length)
        shard = Shard(
            name=name,
            split="train",
            samples=one.each,
            stride=layout.stride,
            members=members,
            json_offset=layout.json_offset,
            size_bytes=length,
            sha256="0" * 64,
        )
        described.append(Described(shard, rows))
    write_index(folder, *to_index(one.size, described))
    return length * one.shards


def measure(folder: Path, one: Set, *, total: int, rounds: int) -> list[dict[str, Any]]:
    """Open it again and again, with the whole order and with a window; return medians."""
    found = []
    for window in (0, WINDOW):
        runs = [run(folder, window) for _ in range(rounds)]
        middle = {key: round(statistics.median(r[key] for r in runs), 4) for key in runs[0]}
        samples = one.shards * one.each
        found.append(
            asdict(one) | {"samples": samples, "gb": round(total / 1e9, 1), "window": window}
        )
        found[-1] |= middle | {"runs": runs}
    return found


def run(folder: Path, window: int) -> dict[str, float]:
    """Open it once in a new process; return seconds of each step, and MB of anonymous memory."""
    process = subprocess.Popen(
        [sys.executable, "-P", str(SCRIPT), str(folder), str(window)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    child = Child(Way("growing", "", ""), process)
    child.listen()
    imported = child.anon_bytes
    found: dict[str, float] = child.listen()
    child.end()
    return found | {"imports_mb": imported / 1e6, "anon_mb": child.anon_bytes / 1e6}


def to_lines(rows: Sequence[dict[str, Any]], *, head: bool) -> list[str]:
    """Lay rows out for a terminal of 80 columns."""
    lines = []
    if head:
        lines.append("                                   opening ordering   first  100 more   anon")
        lines.append(
            "   GB   shards     samples  window       s        s  batch s         s     MB"
        )
    for row in rows:
        lines.append(
            f"{row['gb']:5.0f}{row['shards']:9,}{row['samples']:12,}{row['window'] or 'all':>8}"
            f"{row['opening_s']:8.3f}{row['ordering_s']:9.3f}{row['first_batch_s']:9.3f}"
            f"{row['hundred_s']:10.3f}{row['anon_mb']:7.0f}"
        )
    return lines


def to_markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Lay rows out as the table of docs/streaming.md."""
    head = "| GB | shards | samples | window | opening, s | ordering, s | first batch, s "
    lines = [f"{head}| anonymous MB |"]
    lines.append("|---:|---:|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        window = f"{row['window']:,}" if row["window"] else "all"
        cells = (f"{row['gb']:.0f}", f"{row['shards']:,}", f"{row['samples']:,}", window)
        seconds = (row["opening_s"], row["ordering_s"], row["first_batch_s"])
        said = (*cells, *(f"{value:.3f}" for value in seconds), f"{row['anon_mb']:.0f}")
        lines.append("| " + " | ".join(said) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
