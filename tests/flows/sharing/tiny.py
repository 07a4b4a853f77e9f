"""A pipeline of two stages, for tests: items.json to manifests and scans, and these to shards.

`lay_checkout` copies this file into a project of the test's own, whose dvc.yaml runs it.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from PIL import Image

from harvest.manifest import CATALOG_SCHEMA, SCANS_SCHEMA, of_source, read_manifest, write_manifest
from preprocess.composition import Manifests, count_composition
from preprocess.manifest import CROPS_SCHEMA, GROUPS_SCHEMA, PAIRS_SCHEMA
from preprocess.planning import Settings, plan_shards
from preprocess.released import read_released
from preprocess.shards import finish_shards, write_shard

SIZE = 32
SHARDS = f"data/shards/{SIZE}"
SCHEMAS = {
    "catalog": CATALOG_SCHEMA,
    "scans": SCANS_SCHEMA,
    "groups": GROUPS_SCHEMA,
    "crops": CROPS_SCHEMA,
    "pairs": PAIRS_SCHEMA,
}
PIPELINE = {
    "stages": {
        "data": {
            "cmd": "python tiny.py data",
            "deps": ["items.json", "tiny.py"],
            "outs": [
                *(f"data/{name}.parquet" for name in SCHEMAS),
                {"data/scans/sample": {"persist": True}},
            ],
        },
        "shards": {
            "cmd": "python tiny.py shards",
            "deps": [*(f"data/{name}.parquet" for name in SCHEMAS), "data/scans/sample", "splits"],
            "outs": [SHARDS],
        },
    }
}

Item = dict[str, Any]


def make_item(number: int, **change: Any) -> Item:
    scan_id = f"s.{number:03d}"
    return {"scan_id": scan_id, "view_id": scan_id, "seed": number} | change


def lay_items(root: Path, items: Sequence[Item]) -> None:
    (root / "items.json").write_text(json.dumps(list(items)))


def lay_checkout(root: Path, source_root: Path) -> None:
    """Make a Git checkout with a DVC project in it; nothing has run yet."""
    root.mkdir()
    shutil.copy(__file__, root / "tiny.py")
    params = yaml.safe_load((source_root / "params.yaml").read_text())
    params["preprocess"]["size"] = SIZE
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    (root / "dvc.yaml").write_text(yaml.safe_dump(PIPELINE))
    (root / ".gitignore").write_text(".photochrom/\n__pycache__/\n")
    for folder in ("splits", "releases", "data"):
        (root / folder).mkdir()
        (root / folder / "README.md").write_text("")
    (root / "data" / ".gitignore").write_text("*\n!.gitignore\n!README.md\n")
    call(root, "git", "init", "--quiet", "--initial-branch", "main")
    call(root, "git", "config", "user.name", "tester")
    call(root, "git", "config", "user.email", "tester@localhost")
    call(root, sys.executable, "-m", "dvc", "init", "--quiet")
    call(root, sys.executable, "-m", "dvc", "config", "core.analytics", "false")


def rebuild(root: Path, items: Sequence[Item]) -> None:
    """Make the data of other items, and commit what Git holds of it."""
    lay_items(root, items)
    call(root, sys.executable, "-m", "dvc", "repro", "--quiet")
    call(root, "git", "add", "-A")
    call(root, "git", "commit", "--quiet", "--message", f"{len(items)} items")


def call(root: Path, *words: str) -> str:
    """Run a program that must succeed, and return what it printed."""
    here = Path(sys.executable).parent
    env = {**os.environ, "PATH": f"{here}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(words, cwd=root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def fill(schema: pa.Schema, **values: Any) -> dict[str, Any]:
    """Make a row in which all is empty but some values."""

    def empty(field: pa.Field) -> Any:
        if pa.types.is_list(field.type):
            return []
        if field.nullable:
            return None
        if pa.types.is_string(field.type):
            return ""
        return False if pa.types.is_boolean(field.type) else 0

    return {field.name: empty(field) for field in schema} | values


def make_data(root: Path) -> None:
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in SCHEMAS}
    scans = root / "data/scans/sample"
    shutil.rmtree(scans, ignore_errors=True)
    scans.mkdir(parents=True)
    for number, item in enumerate(json.loads((root / "items.json").read_text()), 1):
        ids = {"scan_id": item["scan_id"], "role": "colour"}
        path = scans / f"{item['scan_id']}.png"
        pixels = np.random.default_rng(item["seed"]).integers(0, 256, (4, 4, 3), np.uint8)
        Image.fromarray(pixels.repeat(10, 0).repeat(10, 1)).save(path)
        content = path.read_bytes()
        named = {"item_id": item["scan_id"], "title": f"Title of <{item['scan_id']}>"}
        listed = {"row": number, "resource_id": item["scan_id"], "role": "colour"}
        rows["catalog"].append(fill(CATALOG_SCHEMA, **named, **listed, state="listed"))
        stored = {
            "path": f"scans/sample/{path.name}",
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_bytes": len(content),
            "state": "stored",
        }
        rows["scans"].append(fill(SCANS_SCHEMA, **ids, **named, **stored, width=40, height=40))
        views = {"view_id": item["view_id"], "group_id": item["scan_id"]}
        rows["groups"].append(fill(GROUPS_SCHEMA, **ids, **views, kept=True, state="kept"))
        corners = {"corners": [0.0, 0, 40, 0, 40, 40, 0, 40], "width": 40, "height": 40}
        rows["crops"].append(
            fill(CROPS_SCHEMA, **ids, **views, **corners, mount="none", state="cropped")
        )
    for name, schema in SCHEMAS.items():
        write_manifest(root / f"data/{name}.parquet", rows[name], of_source(schema, "sample"))


def make_shards(root: Path) -> None:
    read = {name: read_manifest(root / f"data/{name}.parquet", SCHEMAS[name]) for name in SCHEMAS}
    manifests = Manifests(**read)
    plan = plan_shards(
        manifests,
        Settings(size=SIZE, fit="pad", inset=0.0, caption="keep", shard_mb=0.08),
        released=read_released(root / "splits/sample.parquet"),
    )
    reports = [write_shard(one, data=root / "data", out=root / SHARDS) for one in plan.shards]
    made = count_composition(manifests, source="sample", splits=plan.split_of)
    finish_shards(plan, reports, out=root / SHARDS, made=made)


if __name__ == "__main__":
    {"data": make_data, "shards": make_shards}[sys.argv[1]](Path.cwd())
