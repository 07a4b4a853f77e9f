"""From scans to shards, in CPU seconds: against decoding alone, the usual ways and img2dataset.

All ways take turns on the same files in one run, round after round; what counts is the ratio of
CPU seconds within a round, never the wall clock. Run it from the repository:
`make bench-preprocess`. It writes bench/results/preprocess.json, and takes some ten minutes.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import _img2dataset
import _usual
import cv2
from _record import write_record
from _scans import make_masters, make_scans, plan_shards
from _stages import (
    crop_all,
    hash_all,
    make_all,
    measure_first,
    measure_growth,
    measure_memory,
    read_alone,
    timed,
    write_all,
    write_checked,
)

MANY = 2200
"""Scans of a run beside img2dataset's, whose start takes as much as 1,500 scans."""

FEW = 66
"""Scans of the slow ways and of the stages before the shards: once through the prints."""

DECODING, OURS_256, OURS_512 = "decoding alone", "shards 256", "shards 512"
CHECKED = "shards 256, and sha256 of the scans"
TILTED_256, TILTED_512 = "shards 256, prints tilted by 1 degree", "shards 512, so tilted"
USUAL = "usual: Pillow, imagehash, scikit-image"
PEER, RUN = "img2dataset, a run of 2200", "shards 256, a run of 2200"
PEER_STEADY, RUN_STEADY = "img2dataset, less its start", "shards 256, such a run less its start"
TIFF_READ, TIFF_SAMPLE = "105 MB TIFF, read alone", "105 MB TIFF, sample of 512"

FLOORS = (
    (DECODING, OURS_256, 0.6),
    (DECODING, OURS_512, 0.4),
    (USUAL, OURS_256, 5.0),
    (PEER, CHECKED, 2.3),
    (TIFF_READ, TIFF_SAMPLE, 0.2),
)
"""How many times as fast the second is to be as the first. The stage alone is set against a whole
run of img2dataset, start included, runs of both, and both
without their starts, stand below."""

COMPARED = (
    (DECODING, TILTED_256),
    (DECODING, TILTED_512),
    ("usual, without imagehash", OURS_256),
    ("usual, with OpenCV's LAB", OURS_256),
    ("OpenCV alone, LAB off by 2.7", OURS_256),
    ("scikit-image alone, no hash", OURS_256),
    (PEER, RUN),
    (PEER_STEADY, RUN_STEADY),
    (PEER_STEADY, CHECKED),
)
"""What else is set against what."""

Way = Callable[[], float]
"""Does its work once, and returns CPU seconds for an image."""


def main() -> None:
    """Take turns, print the tables, write the record."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=330)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        data = Path(name)
        paths, files = make_scans(data / "scans", MANY)
        masters = make_masters(data / "scans", paths)
        with _img2dataset.served(data / "scans") as address:
            ways, skipped = list_ways(
                data, paths, count=options.images, tiff=masters["TIFF"], address=address
            )
            runs = take_turns(ways, rounds=options.rounds)
        growth = measure_growth(data, paths[: options.images], rounds=3)
        memory = measure_memory(paths[0], masters, size=512)
        first = measure_first(data, paths[0])
    ratios = find_ratios(runs)
    show(files, runs, ratios, skipped)
    show_rest(growth, memory, first)
    packages = ("numba", "simplejpeg", "pillow", "numpy", "scikit-image", "webdataset")
    path = write_record(
        "preprocess",
        packages=(*packages, "opencv-python-headless", "imagehash"),
        files=files,
        img2dataset=skipped or _img2dataset.VERSION,
        runs_cpu_ms={way: [round(1e3 * t, 4) for t in times] for way, times in runs.items()},
        median_cpu_ms={way: round(1e3 * statistics.median(t), 4) for way, t in runs.items()},
        ratios=ratios,
        growth=growth,
        memory=memory,
        first_sample_cpu_s=first,
    )
    print(path)


def list_ways(
    data: Path, many: Sequence[Path], *, count: int, tiff: Path, address: str
) -> tuple[dict[str, Way], str]:
    """List everything that takes turns, and say why img2dataset does not, where it does not."""
    few, paths = many[:FEW], many[:count]
    level, small = plan_shards(paths, size=512), plan_shards(paths, size=256)
    shards = {
        OURS_256: small,
        OURS_512: level,
        TILTED_256: plan_shards(paths, size=256, degrees=1.0),
        TILTED_512: plan_shards(paths, size=512, degrees=1.0),
    }
    usual = {
        USUAL: _usual.usual,
        "usual, without imagehash": _usual.usual_without_hash,
        "usual, with OpenCV's LAB": _usual.usual_with_cv2,
        "OpenCV alone, LAB off by 2.7": _usual.cv2_alone,
        "scikit-image alone, no hash": _usual.scikit_image_alone,
    }
    ways: dict[str, Way] = {
        DECODING: partial(timed, _usual.decode_alone, paths),
        "decoding at a half": partial(timed, _usual.decode_reduced, paths),
    }
    for name, plans in shards.items():
        ways[name] = partial(timed, partial(write_all, data=data), plans, count=count)
    ways[CHECKED] = partial(timed, partial(write_checked, data=data), small, count=count)
    for name, make in usual.items():
        write = partial(_usual.write_with, make, out=data / "usual.tar")
        ways[name] = partial(timed, write, few)
    ways["dedupe: hashing a scan"] = partial(timed, partial(hash_all, data=data), few)
    ways["crop: finding a print"] = partial(timed, partial(crop_all, data=data), few)
    ways[TIFF_READ] = partial(timed, read_alone, [tiff])
    (master,) = plan_shards([tiff], size=512)
    ways[TIFF_SAMPLE] = partial(timed, partial(make_all, data=data), master.jobs)
    skipped = _img2dataset.install()
    if not skipped:
        peer = partial(_img2dataset.run_peer, address=address, data=data)
        ways[PEER] = partial(_img2dataset.per_image, peer, many)
        ways[RUN] = partial(_img2dataset.per_image, _img2dataset.run_ours, many)
        ways[PEER_STEADY] = partial(_img2dataset.less_start, peer, many)
        ways[RUN_STEADY] = partial(_img2dataset.less_start, _img2dataset.run_ours, many)
    return ways, skipped


def take_turns(ways: dict[str, Way], *, rounds: int) -> dict[str, list[float]]:
    """Run every way once to warm up, and then once in each round."""
    for name, way in ways.items():
        if name not in {PEER, RUN, PEER_STEADY, RUN_STEADY}:
            way()
    runs: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            runs[name].append(way())
    return runs


def find_ratios(runs: dict[str, list[float]]) -> list[dict[str, object]]:
    """Find how many times as fast one way is as another, round by round."""
    found: list[dict[str, object]] = []
    for slow, fast, floor in (*FLOORS, *((slow, fast, None) for slow, fast in COMPARED)):
        if slow not in runs or fast not in runs:
            continue
        each = [a / b for a, b in zip(runs[slow], runs[fast], strict=True)]
        median = statistics.median(each)
        found.append(
            {
                "of": fast,
                "to": slow,
                "median": round(median, 3),
                "least": round(min(each), 3),
                "most": round(max(each), 3),
                "floor": floor,
                "met": None if floor is None else median >= floor,
            }
        )
    return found


def show(
    files: str, runs: dict[str, list[float]], ratios: list[dict[str, object]], skipped: str
) -> None:
    """Print what was measured, in 80 columns."""
    print(f"{files}; CPU ms for an image, {len(runs[DECODING])} rounds in turns\n")
    print(f"{'':44s}{'median':>9s}{'least':>9s}{'most':>9s}")
    for name, times in runs.items():
        low, middle, high = min(times), statistics.median(times), max(times)
        print(f"{name:44s}{1e3 * middle:9.3f}{1e3 * low:9.3f}{1e3 * high:9.3f}")
    print(skipped and f"\n{skipped}")
    print(f"\n{'times as fast':20s}{'as':40s}{'median':>8s}{'floor':>6s}")
    for one in ratios:
        floor = "" if one["floor"] is None else f"{one['floor']}"
        missed = " MISSED" if one["met"] is False else ""
        name = str(one["of"]).removeprefix("shards ").replace("prints tilted by 1 degree", "tilted")
        print(f"{name[:19]:20s}{one['to']!s:40s}{one['median']:8}{floor:>6s}{missed}")


def show_rest(
    growth: list[dict[str, float]], memory: dict[str, dict[str, int]], first: dict[str, float]
) -> None:
    """Print growth, memory and the first sample."""
    print("\nprocesses   images/s   times one   CPU ms/image   (shards 256)")
    for one in growth:
        print(
            f"{one['processes']:9d}{one['images_a_second']:11.1f}"
            f"{one['times_one_process']:12.2f}{one['cpu_ms_an_image']:15.3f}"
        )
    print("\na worker's peak memory for a sample of 512 from a master of 7,000 x 5,000 px:")
    for name, seen in memory.items():
        print(f"  {name:5s} {seen['peak_growth_mb']:5d} MB more than {seen['worker_before_mb']} MB")
    print("\nfirst sample of a process, with imports, CPU s:", end="")
    print(*(f" {seconds} {name}" for name, seconds in first.items()), sep=";")


if __name__ == "__main__":
    main()
