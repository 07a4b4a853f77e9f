"""A folder of shards as the stage writes it, made from a few drawn prints."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from preprocess.composition import Manifests, count_composition
from preprocess.index import Index
from preprocess.planning import Plan, Settings, plan_shards
from preprocess.samples import Sample, to_layout
from preprocess.shards import finish_shards, make_sample, write_shard
from preprocess.split import Split
from tests.preprocess.manifests import Rows, make_crop, make_manifests, make_pair, make_scan

SPLITS = {
    "ppmsc.00001": Split.TRAIN,
    "ppmsc.00002": Split.TRAIN,
    "ppmsc.00003": Split.TRAIN,
    "ppmsc.00004": Split.VAL,
    "ppmsc.00005": Split.TEST,
}
"""The prints, each a view of its own, and where a release put them."""

NEGATIVE = "cph.3b00001"
"""A film negative of the first print."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of shards, and what is in it."""

    path: Path
    plan: Plan
    index: Index
    samples: dict[str, Sample]
    """By key, as they were before they were written."""


def make_folder(
    data: Path, *, size: int, fit: Literal["pad", "crop"] = "pad", source: str = "sample"
) -> Folder:
    """Draw prints below `data`, and write their shards."""
    manifests = _draw_prints(data)
    two = 2 * to_layout(size, paired=False).stride / 1e6
    settings = Settings(size=size, fit=fit, inset=0.0, caption="keep", shard_mb=two)
    released = {scan_id: (scan_id, split) for scan_id, split in SPLITS.items()}
    plan = plan_shards(manifests, settings, released=released)
    out = data / "shards" / str(size)
    reports = [write_shard(shard, data=data, out=out) for shard in plan.shards]
    made = count_composition(manifests, source=source, splits=plan.split_of)
    index = finish_shards(plan, reports, out=out, made=made)
    jobs = [job for shard in plan.shards for job in shard.jobs]
    samples = {job.info.key: make_sample(job, data=data) for job in jobs}
    return Folder(out, plan, index, samples)


def _draw_prints(data: Path) -> Manifests:
    """Draw a print for each split and a negative, without a mount, wider than high or higher."""
    crops = []
    for number, scan_id in enumerate([*SPLITS, NEGATIVE]):
        width, height = (150, 200) if number == 2 else (200, 140)
        colours = np.random.default_rng(number).integers(20, 236, (height // 10, width // 10, 3))
        _store(data / f"scans/{scan_id}.png", np.kron(colours, np.ones((10, 10, 1))))
        edges = [0.0, 0.0, width, 0.0, width, height, 0.0, height]
        crops.append(make_crop(scan_id, corners=edges, width=width, height=height, mount="none"))
    crops[-1] |= {"role": "negative", "view_id": "ppmsc.00001"}
    upright = [1.0, 0, 0, 0, 1, 0, 0, 0, 1]
    pair = make_pair(NEGATIVE, "ppmsc.00001", homography=upright)
    manifests = make_manifests(crops, [pair])
    return replace(manifests, scans=[_make_scan(data, crop) for crop in crops])


def _store(path: Path, picture: NDArray[np.floating]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture.astype(np.uint8)).save(path)


def _make_scan(data: Path, crop: Rows) -> Rows:
    path = f"scans/{crop['scan_id']}.png"
    sha256 = hashlib.sha256((data / path).read_bytes()).hexdigest()
    return make_scan(crop["scan_id"], path=path, sha256=sha256)
