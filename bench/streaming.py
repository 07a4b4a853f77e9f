"""Streaming a split, in CPU seconds: ours against its peers, and against copying and decoding.

Every way reads the same pictures in a process of its own, its peer's environment under it, all on
one core and turn about; what counts is the ratio of CPU seconds within a round, never the wall
clock. Run it from the repository: `make bench-stream`. It writes bench/results/streaming.json and
streaming.svg, and takes some ten minutes; `--quick` is a smoke test. `--markdown` prints the
tables of the last record and measures nothing.
"""

import argparse
import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
from _record import RESULTS, write_record
from _stream_data import make_data
from _stream_limits import read_jpegs
from _stream_peers import GROUPS, PEERS, Way, install, version_of
from _stream_picture import draw
from _stream_table import (
    SAMPLES,
    Runs,
    as_records,
    find_bounds,
    find_medians,
    find_ratios,
    to_lines,
    to_markdown,
)
from _stream_turns import Child, ChildError, evict, start, write_format
from numpy.typing import NDArray

WRITERS = ("litdata", "mosaicml", "datasets", "ffcv")
SPELLS = ((4, 0.25, 1 << 40), (1, 0.6, 1024), (1, 1.0, 512))
"""Of each group: turns in a round, CPU seconds of a turn at least, and samples to warm up."""


def main() -> None:
    """Take turns, print the tables, write the record."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=8000)
    parser.add_argument("--data", type=Path, help="keep the data here, and use it again")
    parser.add_argument("--quick", action="store_true", help="few samples, nothing written")
    parser.add_argument("--markdown", action="store_true", help="print the last record's tables")
    options = parser.parse_args()
    if options.markdown:
        print(to_markdown(json.loads((RESULTS / "streaming.json").read_bytes())))
        return
    if options.quick:
        options.rounds, options.samples = 1, 400
    with tempfile.TemporaryDirectory() as name:
        data = options.data or Path(name)
        sizes, skipped = prepare(data, samples=options.samples)
        missing = {said.partition(" ")[0] for said in skipped}
        groups = [[way for way in group if way.peer not in missing] for group in GROUPS]
        core = choose_core()
        runs, checked = take_turns(groups, data, rounds=options.rounds, skipped=skipped, core=core)
        cold = measure_cold([way for group in groups for way in group], data, core=core)
    record = summarise(options.samples, sizes, runs, skipped) | {"checked": checked, "cold": cold}
    print("\n".join(to_lines(record)))
    if not options.quick:
        packages = ("numpy", "torch", "simplejpeg", "xxhash")
        path = write_record("streaming", packages=packages, **record)
        draw(record, path.with_suffix(".svg"))
        print(path)


def choose_core() -> int:
    """Take the last core for the ways, and leave the others to this process."""
    *others, core = sorted(os.sched_getaffinity(0))
    if others:
        os.sched_setaffinity(0, others)
    return core


def prepare(data: Path, *, samples: int) -> tuple[dict[str, float], list[str]]:
    """Install the peers, write the data in every format; say what there is not, and why."""
    skipped = [said for peer in PEERS if (said := install(peer))]
    missing = {said.partition(" ")[0] for said in skipped}
    written = data / f"sizes-{samples}.json"
    if not written.exists():
        data.mkdir(parents=True, exist_ok=True)
        (data / "tmp").mkdir()
        sizes = make_data(data, samples=samples)
        for peer in WRITERS:
            if peer not in missing and (said := write_format(peer, f"_stream_{peer}", data)):
                skipped.append(said)
        written.write_text(json.dumps(sizes))
        os.sync()
    return json.loads(written.read_bytes()), skipped


def take_turns(
    groups: Sequence[Sequence[Way]], data: Path, *, rounds: int, skipped: list[str], core: int
) -> tuple[Runs, dict[str, str]]:
    """Run the groups round after round; in the first round, check the pictures."""
    runs: Runs = {way.name: [] for group in groups for way in group}
    checked: dict[str, str] = {}
    digests = read_digests(data)
    for number in range(rounds):
        for group, (turns, seconds, warm) in zip(groups, SPELLS, strict=True):
            ways = [way for way in group if way.name in runs]
            started, failed = start_all(ways, data, warm=warm, core=core)
            found = run_group(started, turns=turns, seconds=seconds, failed=failed)
            for name, said in failed.items():
                skipped.append(f"{name}: {said}")
                del runs[name]
            for name, (child, measured) in found.items():
                runs[name].append(measured)
                if number == 0 and child.way.exact:
                    checked[name] = check(child, digests[child.way.exact])
                child.end()
            print(f"round {number + 1}: {len(found)} ways", flush=True)
    return runs, checked


def start_all(
    ways: Sequence[Way], data: Path, *, warm: int, core: int
) -> tuple[list[tuple[Child, float]], dict[str, str]]:
    """Start ways and warm them up.

    Returns:
        Those that run, with the seconds to the first batch; and why others do not.
    """
    started, failed = [], {}
    for way in ways:
        try:
            child, first = start(way, data, core=core)
            child.ask("run", 0, min(warm, way.most))
            started.append((child, first["first_batch_s"]))
        except ChildError as exc:
            failed[way.name] = str(exc)
    return started, failed


def run_group(
    started: Sequence[tuple[Child, float]],
    *,
    turns: int,
    seconds: float,
    failed: dict[str, str],
) -> dict[str, tuple[Child, dict[str, float]]]:
    """Have ways take turns.

    Args:
        started: Ways, and the seconds to the first batch.
        turns: Of each way.
        seconds: CPU seconds of a turn, at least.
        failed: Takes the ways that ended meanwhile, and why.

    Returns:
        What was measured of each, and its process, which still runs.
    """
    seen: dict[str, list[dict[str, Any]]] = {child.way.name: [] for child, _ in started}
    for _ in range(turns):
        for child, _first in started:
            if child.way.name not in failed:
                try:
                    seen[child.way.name].append(child.ask("run", seconds, child.way.most))
                except ChildError as exc:
                    failed[child.way.name] = str(exc)
    found = {}
    for child, first_batch_s in started:
        if child.way.name in failed:
            continue
        spells = seen[child.way.name]
        samples, cpu_s, wall_s = (
            sum(one[key] for one in spells) for key in ("samples", "cpu_s", "wall_s")
        )
        measured = {
            "cpu_s": round(cpu_s * SAMPLES / samples, 5),
            "samples_s": round(samples / wall_s, 1),
            "first_batch_s": round(first_batch_s, 4),
            "anon_mb": round(child.anon_bytes / 1e6, 1),
        }
        found[child.way.name] = (child, measured)
    return found


def read_digests(data: Path) -> dict[str, list[str]]:
    """Hash every picture: of the array, and of the JPEGs as libjpeg-turbo decodes them."""
    pictures = np.load(data / "array.npy", mmap_mode="r")
    decoded = map(simplejpeg.decode_jpeg, read_jpegs(data / "jpeg"))
    return {"array": list(map(to_digest, pictures)), "jpeg": list(map(to_digest, decoded))}


def to_digest(picture: NDArray[np.uint8]) -> str:
    """Hash a picture as `_stream_child.py` does."""
    return hashlib.sha1(np.ascontiguousarray(picture)).hexdigest()


def check(child: Child, digests: Sequence[str]) -> str:
    """Compare an epoch of a way with the array, bit for bit.

    Raises:
        AssertionError: If a picture is none of the array's.
    """
    found = child.ask("check", len(digests))["digests"]
    foreign = set(found) - set(digests)
    assert not foreign, f"{child.way.name}: {len(foreign)} pictures are none of the array's"
    missing = len(set(digests) - set(found))
    return f"{len(found)} delivered, {len(found) - len(set(found))} twice, {missing} missing"


def measure_cold(ways: Sequence[Way], data: Path, *, core: int) -> dict[str, dict[str, float]]:
    """Run an epoch of every way that names its files, dropped from the page cache before."""
    found = {}
    for way in ways:
        if way.files:
            evict(data / way.files)
            try:
                child, _ = start(way, data, core=core)
                evict(data / way.files)  # what the first batch read as well, but for mapped pages
                seen = child.ask("run", 0, way.most)
            except ChildError:
                continue
            child.end()
            each = SAMPLES / seen["samples"]
            found[way.name] = {
                "cpu_s": round(seen["cpu_s"] * each, 4),
                "samples_s": round(seen["samples"] / seen["wall_s"], 1),
            }
    return found


def summarise(
    samples: int, sizes: dict[str, float], runs: Runs, skipped: Sequence[str]
) -> dict[str, Any]:
    """Put together what the record holds."""
    jpeg = sizes["jpeg"] / 1e3
    return {
        "data": f"{samples:,} samples of 256 px in 8 shards; JPEG of {jpeg:.1f} kB",
        "sizes_bytes": sizes,
        "skipped": list(skipped),
        "peers": {
            peer: version_of(peer)
            for peer in PEERS
            if not any(said.startswith(f"{peer} is not installed") for said in skipped)
        },
        "runs": runs,
        "medians": find_medians(runs),
        "ratios": as_records(find_ratios(runs)),
        "bounds": find_bounds(runs),
    }


if __name__ == "__main__":
    main()
