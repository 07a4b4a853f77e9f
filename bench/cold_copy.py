"""What shards take as zstd, and what that costs, level by level.

Real prints are made into samples of 256 px by the project's own code and written as one shard; the
shard is packed and unpacked at every level, turn by turn, in one thread. CPU seconds are given per
10,000 samples. Run it from the repository: `python bench/cold_copy.py`. It needs the real prints
of ../shared, takes a few minutes, and writes bench/results/cold_copy.json.
"""

import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from _record import write_record
from PIL import Image

from preprocess.cold import open_tar, pack_shard
from preprocess.geometry import inset_corners, place_print, print_size, shape_corners
from preprocess.index import Described
from preprocess.planning import SampleJob, ShardPlan, Source
from preprocess.samples import SampleInfo
from preprocess.shards import write_shard

PRINTS = Path(__file__).resolve().parents[2] / "shared" / "photochroms"
SIZE = 256
INSET = 0.006
LEVELS = (1, 3, 6, 9, 12, 15, 19, 22)
ROUNDS = 3
PER = 10_000


def main() -> None:
    """Measure every level, print the table and write the record."""
    paths = sorted(PRINTS.glob("*.jpg"))
    if not paths:
        sys.exit("no ../shared beside the checkout: the real prints are not here; nothing was run")
    with TemporaryDirectory() as scratch:
        plan = ShardPlan("train-000000.tar", "train", SIZE, tuple(map(to_job, paths)))
        described = write_shard(plan, data=PRINTS, out=Path(scratch)).described
        assert described is not None
        runs = run_rounds(Path(scratch) / plan.name, described)
    tar_bytes = described.shard.size_bytes * PER / len(paths)
    top, left, bottom, right = described.samples["valid"].T.astype(float)
    padding = 1 - float(((bottom - top) * (right - left)).mean()) / SIZE**2
    rows = {
        level: {name: round(median(run[name] for run in found), 2) for name in found[0]}
        | {"share": round(found[0]["bytes"] / tar_bytes, 4)}
        for level, found in runs.items()
    }
    print(f"padding takes {padding:.1%} of the squares")
    print(f"{'level':>5s} {'share':>7s} {'pack, CPU s':>12s} {'unpack, CPU s':>14s}")
    for level, row in rows.items():
        print(f"{level:5d} {row['share']:7.1%} {row['pack_s']:12.1f} {row['unpack_s']:14.1f}")
    print(
        write_record(
            "cold_copy",
            packages=("zstandard", "numpy"),
            settings={"size": SIZE, "prints": len(paths), "rounds": ROUNDS, "per_samples": PER},
            tar_bytes=round(tar_bytes),
            padding_share=round(padding, 4),
            runs=runs,
            median=rows,
        )
    )


def run_rounds(tar: Path, described: Described) -> dict[int, list[dict[str, float]]]:
    """Pack and unpack a shard at every level, turn by turn; figures are per 10,000 samples."""
    runs: dict[int, list[dict[str, float]]] = {level: [] for level in LEVELS}
    for _ in range(ROUNDS):
        for level in LEVELS:
            run = measure(tar, described.shard.sha256, level)
            runs[level].append({name: run[name] * PER / described.shard.samples for name in run})
    return runs


def to_job(path: Path) -> SampleJob:
    """Plan a sample of a whole picture."""
    with Image.open(path) as image:
        width, height = image.size
    edges = shape_corners([0.0, 0.0, width, 0.0, width, height, 0.0, height])
    corners = inset_corners(edges, share=INSET)
    placement = place_print(*print_size(corners), size=SIZE, fit="pad")
    name = path.stem.replace(".", "-")[:60]
    info = SampleInfo(
        key=name,
        scan_id=name,
        item_id=name,
        view_id=name,
        group_id=name,
        split="train",
        view_split="train",
        source_width=width,
        source_height=height,
        valid=placement.valid,
        size=SIZE,
        scan_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    source = Source(path.name, tuple(float(number) for number in corners.ravel()))
    return SampleJob(info, "", "", source, None, width, height, placement)


def measure(tar: Path, sha256: str, level: int) -> dict[str, float]:
    """Pack a shard and unpack it again: bytes, and CPU seconds of both."""
    packed = tar.with_name(f"{tar.name}.zst")
    pack_s = spend(lambda: pack_shard(tar, packed, level=level))
    with open_tar(packed) as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != sha256:
            sys.exit(f"level {level}: expected the tar's own bytes back, got others")
    unpack_s = spend(lambda: read_all(packed))
    return {"bytes": packed.stat().st_size, "pack_s": pack_s, "unpack_s": unpack_s}


def read_all(packed: Path) -> None:
    """Unpack a shard to nowhere."""
    with open_tar(packed) as stream:
        while stream.read(1 << 20):
            pass


def spend(work: Callable[[], None]) -> float:
    """Return the CPU seconds that this process spends on some work."""
    before = time.process_time()
    work()
    return time.process_time() - before


if __name__ == "__main__":
    main()
