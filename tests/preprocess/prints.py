"""A small set of prints that the tests of shards write and read."""

import hashlib
import tarfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from preprocess.composition import Composition
from preprocess.index import Index
from preprocess.planning import Plan, Settings, plan_shards
from preprocess.shards import finish_shards, write_shard
from tests.preprocess.manifests import Rows, make_crop, make_manifests, make_pair, make_scan

Scene = Callable[..., np.ndarray]
Store = Callable[[str, np.ndarray], str]

SIZE = 64
SETTINGS = Settings(size=SIZE, fit="pad", inset=0.0, caption="keep", shard_mb=0.07)
WIDTH, HEIGHT = 120, 90


class Prints:
    """A small set of prints as the stages before leave it: scans and rows of manifests."""

    def __init__(self, scene: Scene, store: Store, data: Path) -> None:
        self.data = data
        self._scene, self._store = scene, store
        self.crops: list[Rows] = []
        self.scans: list[Rows] = []
        self.pairs: list[Rows] = []

    def add(self, scan_id: str, *, role: str = "colour", view_id: str = "") -> np.ndarray:
        picture = self._scene(len(self.crops), width=WIDTH, height=HEIGHT)
        self.add_stored(scan_id, self._store(scan_id, picture), role=role, view_id=view_id)
        return picture

    def add_stored(self, scan_id: str, path: str, **change: str) -> None:
        with Image.open(self.data / path) as image:
            width, height = image.size
        edges = [0.0, 0.0, width, 0.0, width, height, 0.0, height]
        view_id = change.pop("view_id", "") or scan_id
        self.crops.append(
            make_crop(scan_id, corners=edges, width=width, height=height, view_id=view_id, **change)
        )
        sha256 = hashlib.sha256((self.data / path).read_bytes()).hexdigest()
        self.scans.append(make_scan(scan_id, path=path, sha256=sha256))

    def add_pair(self, scan_id: str, colour: str) -> np.ndarray:
        picture = self.add(scan_id, role="negative", view_id=colour)
        upright = [1.0, 0, 0, 0, 1, 0, 0, 0, 1]
        self.pairs.append(make_pair(scan_id, colour, homography=upright))
        return picture

    def plan(self, layout: Settings = SETTINGS) -> Plan:
        manifests = replace(make_manifests(self.crops, self.pairs), scans=self.scans)
        return plan_shards(manifests, layout, released={})

    def write(self, out: Path, *, layout: Settings = SETTINGS, processes: int = 0) -> Index:
        plan = self.plan(layout)
        write = partial(write_shard, data=self.data, out=out)
        if processes:
            context = get_context("forkserver")
            context.set_forkserver_preload(["preprocess.shards", "webdataset"])
            with ProcessPoolExecutor(processes, mp_context=context) as pool:
                reports = list(pool.map(write, plan.shards))
        else:
            reports = [write(shard) for shard in plan.shards]
        return finish_shards(plan, reports, out=out, made=Composition())


def read_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def read_sample(path: Path, place: int) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        members = [(member.name, tar.extractfile(member)) for member in tar]
    keys = list(dict.fromkeys(name.split(".")[0] for name, _ in members))
    with tarfile.open(path) as tar:
        found: dict[str, bytes] = {}
        for name in tar.getnames():
            key, suffix = name.split(".", 1)
            stream = tar.extractfile(name)
            if key == keys[place] and stream is not None:
                found[suffix] = stream.read()
    return found
