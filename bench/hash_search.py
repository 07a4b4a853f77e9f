"""What finding all pairs of near hashes costs, and that none is missed.

64-bit hashes, random with planted neighbours, and clustered as those of pictures are; on one core.
Run it from the repository: `python bench/hash_search.py`. It writes bench/results/hash_search.json.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _record import write_record
from numpy.typing import NDArray

from preprocess.likeness import CROWD, MOST
from preprocess.neighbours import estimate_costs, find_crowds, find_near_pairs, find_turned_pairs

Hashes = NDArray[np.uint64]

PLANTED = 0.05
SAMPLE = 400
"""Pictures whose neighbours are counted by brute force."""


def random_hashes(count: int, *, radius: int) -> tuple[Hashes, NDArray[np.int64]]:
    """Draw hashes, the last 5 % within `radius` of others; return also whose neighbours they are.

    A hash of a picture has 32 bits set, or nearly, as it is cut at its median.
    """
    rng = np.random.default_rng(0)
    planted = int(PLANTED * count)
    hashes = pack(rng.random((count, 64), np.float32) < 0.5)
    origin = rng.integers(0, count - planted, planted)
    hashes[count - planted :] = hashes[origin] ^ flips(planted, radius, rng)
    return hashes, origin


def clustered_hashes(count: int) -> Hashes:
    """Draw hashes as alike as those of pictures: a sky above and land below, and so on.

    Each is the sign of a field of 64 frequencies, part of it common to all and part to one of 300
    kinds. Some 0.4 % of pairs lie within 18 bits; of real prints 0.35, of the replica's 0.63 %. One
    in a hundred is a rescan, 0 to 8 bits off.
    """
    rng = np.random.default_rng(1)
    kinds = rng.normal(0, 1, (300, 64)) * np.linspace(2.7, 0.5, 64) + rng.normal(0, 0.5, 64)
    hashes = np.empty(count, np.uint64)
    for start in range(0, count, 50_000):
        stop = min(start + 50_000, count)
        field = kinds[rng.integers(0, 300, stop - start)] + rng.normal(0, 1, (stop - start, 64))
        hashes[start:stop] = pack(field > np.median(field, axis=1, keepdims=True))
    again = count // 100
    hashes[-again:] = hashes[:again] ^ flips(again, 8, rng)
    return hashes


def pack(bits: NDArray[np.bool_]) -> Hashes:
    """Pack rows of 64 truths into hashes."""
    return np.packbits(bits, axis=1).view(np.uint64).ravel()


def flips(count: int, radius: int, rng: np.random.Generator) -> Hashes:
    """Draw masks of 0 to `radius` bits."""
    bits = rng.random((count, 64)).argsort(axis=1) < rng.integers(0, radius + 1, (count, 1))
    return pack(bits)


def time_cpu(search: Any, runs: int) -> tuple[list[float], Any]:
    """Run a search; return the CPU seconds of each run and what it found."""
    seconds = []
    for _ in range(runs):
        began = time.process_time()
        found = search()
        seconds.append(round(time.process_time() - began, 4))
    return seconds, found


def check(hashes: Hashes, rows: NDArray[np.int32], *, radius: int) -> None:
    """Compare with brute force the neighbours of a sample of pictures.

    Raises:
        AssertionError: If a pair is missing, is one too many, or has another distance.
    """
    some = np.random.default_rng(2).choice(len(hashes), min(SAMPLE, len(hashes)), replace=False)
    chosen = np.zeros(len(hashes), bool)
    chosen[some] = True
    told = rows[chosen[rows[:, 0]] | chosen[rows[:, 1]]]
    true = {}
    for i in some.tolist():
        distance = np.bitwise_count(hashes ^ hashes[i])
        for j in np.flatnonzero(distance <= radius).tolist():
            if i != j:
                true[min(i, j), max(i, j)] = int(distance[j])
    said = {(i, j): distance for i, j, distance in told.tolist()}
    assert said == true, f"expected {len(true)} pairs of the sample, got {len(said)}"


def measure(kind: str, count: int, *, radius: int, runs: int) -> dict[str, Any]:
    """Search one set of hashes, and check what came."""
    planted = 0
    if kind == "random":
        hashes, origin = random_hashes(count, radius=radius)
        planted = len(origin)
    else:
        hashes = clustered_hashes(count)
    before = peak_mb()
    seconds, rows = time_cpu(lambda: find_near_pairs(hashes[:, None], radius=radius), runs)
    more = round(peak_mb() - before)
    scan_s, bucket_s = estimate_costs(hashes[:, None], radius=radius)
    check(hashes, rows, radius=radius)
    if planted:
        pairs = set(map(tuple, rows[:, :2].tolist()))
        places = enumerate(origin.tolist(), start=count - planted)
        assert all((at, place) in pairs for place, at in places), "a planted pair is missing"
    return {
        "kind": kind,
        "count": count,
        "radius": radius,
        "cpu_s": seconds,
        "median_cpu_s": statistics.median(seconds),
        "pairs": len(rows),
        "planted": planted,
        "more_memory_mb": more,
        "search": "buckets" if bucket_s < scan_s else "all pairs",
    }


def measure_proposals(count: int, *, radius: int) -> dict[str, Any]:
    """Search as dedupe does: three hashes a picture, three mirrored, and a bound on pairs."""
    rng = np.random.default_rng(3)
    first = clustered_hashes(count)
    cuts = np.stack([first, first ^ flips(count, 8, rng), first ^ flips(count, 14, rng)], axis=1)
    turned = np.stack([clustered_hashes(count)[::-1] ^ flips(count, 3, rng)] * 3, axis=1)

    def search() -> tuple[int, int, int]:
        crowds = find_crowds(first, least=CROWD)
        near = find_near_pairs(cuts, radius=radius, most=MOST)
        over = find_turned_pairs(cuts, turned, radius=radius, most=MOST)
        return len(crowds), len(near), len(over)

    seconds, (crowds, near, over) = time_cpu(search, 1)
    return {
        "count": count,
        "radius": radius,
        "cpu_s": seconds[0],
        "crowds": crowds,
        "near": near,
        "turned": over,
    }


def measure_blank(count: int) -> dict[str, Any]:
    """Search 5,000 and more pictures that are all but the same."""
    rng = np.random.default_rng(4)
    hashes = pack(rng.random((1, 64)) < 0.5) ^ flips(count, 2, rng)
    before = peak_mb()
    seconds, rows = time_cpu(lambda: find_near_pairs(hashes[:, None], radius=18, most=MOST), 1)
    crowds = find_crowds(hashes, least=CROWD)
    return {
        "count": count,
        "cpu_s": seconds[0],
        "pairs_within": count * (count - 1) // 2,
        "pairs_kept": len(rows),
        "crowds": len(crowds),
        "more_memory_mb": round(peak_mb() - before),
    }


def measure_compiling() -> list[float]:
    """Compile both searches in a fresh process without a cache; give the CPU seconds of each."""
    code = (
        "import time, numpy as np; from preprocess.neighbours import find_near_pairs\n"
        "for n in (300, 60_000):\n"
        "    hashes = np.random.default_rng(0).integers(0, 2**63, (n, 1)).astype(np.uint64)\n"
        "    began = time.process_time(); find_near_pairs(hashes, radius=8)\n"
        "    print(round(time.process_time() - began, 2))"
    )
    with tempfile.TemporaryDirectory() as folder:
        here = str(Path(__file__).resolve().parents[1])
        environment = os.environ | {"NUMBA_CACHE_DIR": folder, "PYTHONPATH": here}
        ran = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, check=True
        )
    return [float(line) for line in ran.stdout.split()]


def peak_mb() -> float:
    """Most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure the searches, the smallest first, so that the memory of each shows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    for count in (300, 60_000):  # so that no run below compiles
        find_near_pairs(random_hashes(count, radius=8)[0][:, None], radius=8)
    searches = [
        measure(kind, count, radius=8, runs=runs)
        for count in (7_500, 10_000, 30_000, 100_000, 300_000, 1_000_000)
        for kind in ("random", "clustered")
    ]
    searches += [measure("random", 100_000, radius=r, runs=1) for r in (0, 4, 12, 16, 18)]
    content = {
        "compiling_cpu_s": measure_compiling(),
        "searches": searches,
        "proposals": [
            measure_proposals(n, radius=r) for n in (7_500, 50_000, 100_000) for r in (16, 18)
        ],
        "alike": [measure_blank(n) for n in (5_000, 50_000)],
    }
    path = write_record("hash_search", packages=("numba", "numpy"), **content)
    sys.stdout.write(path.read_text())


if __name__ == "__main__":
    main()
