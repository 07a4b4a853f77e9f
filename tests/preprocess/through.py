"""Take a scan through every stage that reads it, and say what became of it.

`python -m tests.preprocess.through DATA PATH...` does so in a process of its own that may not take
much memory, and prints one line of JSON before each scan, its name, and one after it, its fate.
"""

import json
import resource
import sys
import traceback
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harvest.records import Role
from preprocess.crop import CropJob, crop_scans
from preprocess.dedupe import hash_scans
from preprocess.likeness import ScanJob
from preprocess.pairs import PairJob, Placed, align_pairs
from preprocess.planning import Plan, Settings, plan_shards
from preprocess.shards import write_shard
from tests.preprocess import hostile
from tests.preprocess.manifests import make_manifests

GOOD = "scans/good.png"
SETTINGS = Settings(size=64, fit="pad", inset=0.0, caption="keep", shard_mb=256)
EXTRA_BYTES = 768 << 20
"""Memory that the scans may take beyond what the process holds once everything is imported."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fate:
    """What each stage made of a scan; `error` is a traceback, of what none may raise."""

    hashed: bool = False
    crop: str = ""
    crop_reason: str = ""
    pair: str = ""
    pair_reason: str = ""
    sample: str = ""
    sample_reason: str = ""
    error: str = ""


def write_good(data: Path) -> None:
    """Write the scan that a hostile one is paired with."""
    (data / "scans").mkdir(parents=True)
    (data / GOOD).write_bytes(hostile.pack(hostile.draw(480, 350), "png"))


def go_through(data: Path, path: str, *, paired: bool = True) -> Fate:
    """Take one scan through the stages; that of the pairs is the slowest."""
    (found,) = hash_scans([ScanJob("hostile", "item", Role.COLOUR, path)], data=data)
    job = CropJob("hostile", Role.COLOUR, "view", "group", path, "0" * 64)
    (crop,) = crop_scans([job], data=data, min_confidence=0.8)
    corners = crop.corners or (0.0, 0.0, 480.0, 0.0, 480.0, 350.0, 0.0, 350.0)
    width, height = (crop.width, crop.height) if crop.corners else (480, 350)
    negative = Placed("hostile", path, corners, width, height)
    colour = Placed("good", GOOD, (0.0, 0.0, 480.0, 0.0, 480.0, 350.0, 0.0, 350.0), 480, 350)
    (pair,) = align_pairs([PairJob("view", negative, colour if paired else None)], data=data)
    cropped = asdict(crop) | {"corners": list(corners), "width": width, "height": height}
    (shard,) = plan_one(cropped | {"state": "cropped"}, path).shards
    (sample,) = write_shard(shard, data=data, out=data / "out").rows
    return Fate(
        hashed=found.found is not None,
        crop=crop.state,
        crop_reason=crop.reason,
        pair=pair.state,
        pair_reason=pair.reason,
        sample=sample.state,
        sample_reason=sample.reason,
    )


def plan_one(crop: Row, path: str) -> Plan:
    """Plan the shard of one crop."""
    manifests = make_manifests([crop])
    scans = [{**row, "path": path} for row in manifests.scans]
    return plan_shards(replace(manifests, scans=scans), SETTINGS, released={})


def limit_memory(extra: int) -> None:
    """Let this process map so many bytes more than it does now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    held = pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + extra, held + extra))


def main() -> None:
    """Take the scans named on the command line through the stages."""
    data, *paths = sys.argv[1:]
    go_through(Path(data), GOOD)  # so that all is imported before memory is limited
    limit_memory(EXTRA_BYTES)
    for path in paths:
        sys.stdout.write(json.dumps({"path": path}) + "\n")
        sys.stdout.flush()
        try:
            fate = go_through(Path(data), path)
        except BaseException:  # whatever it is, it would have ended a batch
            fate = Fate(error=traceback.format_exc())
        sys.stdout.write(json.dumps(asdict(fate)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
