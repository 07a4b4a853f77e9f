"""Flows: scans to groups, crops, pairs and shards."""

from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from prefect import flow

from flows.artifacts import publish_account, publish_pictures
from flows.batches import cut, run_batches, spread, worker_processes
from flows.params import Params
from flows.project import Project
from harvest.manifest import CATALOG_SCHEMA, SCANS_SCHEMA, read_manifest, write_manifest
from preprocess.crop import crop_scans, plan_crops
from preprocess.dedupe import compare_scans, hash_scans
from preprocess.groups import group_scans
from preprocess.likeness import plan_hashes, propose_pairs
from preprocess.manifest import CROPS_SCHEMA, GROUPS_SCHEMA, PAIRS_SCHEMA
from preprocess.pairs import align_pairs, plan_pairs
from preprocess.planning import Settings, ShardPlan, plan_shards
from preprocess.shards import ShardReport, finish_shards, write_shard
from preprocess.sheets import write_contact_sheets


@flow(name="dedupe", flow_run_name="dedupe")
def dedupe(root: str, settings: dict[str, Any]) -> str:
    """Find scans of one print and of one view."""
    project, params = Project(Path(root)), Params.model_validate(settings).preprocess
    jobs = plan_hashes(read_manifest(project.data / "scans.parquet", SCANS_SCHEMA))
    with worker_processes(params.workers, preload="preprocess.dedupe") as pool:
        hash_batch = partial(hash_scans, data=project.data)
        batches = run_batches(
            hash_batch,
            spread(jobs, params.workers),
            stage="dedupe",
            workers=params.workers,
            executor=pool,
        )
        scans = list(chain.from_iterable(batches))
        near = propose_pairs(scans, radius=params.hash_radius)
        compare_batch = partial(compare_scans, data=project.data, same_view=params.same_view)
        compared = run_batches(
            compare_batch,
            spread(near, params.workers),
            stage="compare",
            workers=params.workers,
            executor=pool,
        )
    rows = group_scans(scans, list(chain.from_iterable(compared)))
    write_manifest(project.data / "groups.parquet", rows, GROUPS_SCHEMA)
    line = publish_account(project, "dedupe", size=params.size)
    views = len({row.view_id for row in rows})
    return f"{line.seen} scans of {views} views; {line.held_text or 'no duplicate'}"


@flow(name="crop", flow_run_name="crop")
def crop(root: str, settings: dict[str, Any]) -> str:
    """Find the print within its mount."""
    project, params = Project(Path(root)), Params.model_validate(settings).preprocess
    scans = read_manifest(project.data / "scans.parquet", SCANS_SCHEMA)
    jobs = plan_crops(read_manifest(project.data / "groups.parquet", GROUPS_SCHEMA), scans)
    with worker_processes(params.workers, preload="preprocess.crop") as pool:
        crop_batch = partial(crop_scans, data=project.data, min_confidence=params.min_confidence)
        batches = run_batches(
            crop_batch,
            spread(jobs, params.workers),
            stage="crop",
            workers=params.workers,
            executor=pool,
        )
    rows = list(chain.from_iterable(batches))
    paths = {job.scan_id: job.path for job in jobs}
    sheets = write_contact_sheets(rows, paths=paths, data=project.data, out=project.data / "crops")
    write_manifest(project.data / "crops.parquet", rows, CROPS_SCHEMA)
    line = publish_account(project, "crop", size=params.size)
    publish_pictures("crop-sheets", sheets)
    flagged = sum(row.flagged for row in rows)
    return f"{line.passed} of {line.seen} cropped, {flagged} flagged; {len(sheets)} contact sheets"


@flow(name="pairs", flow_run_name="pairs")
def pairs(root: str, settings: dict[str, Any]) -> str:
    """Lay copy negatives over their colour prints."""
    project, params = Project(Path(root)), Params.model_validate(settings).preprocess
    jobs = plan_pairs(
        read_manifest(project.data / "crops.parquet", CROPS_SCHEMA),
        read_manifest(project.data / "scans.parquet", SCANS_SCHEMA),
    )
    with worker_processes(params.workers, preload="preprocess.pairs") as pool:
        align_batch = partial(align_pairs, data=project.data)
        batches = run_batches(
            align_batch,
            spread(jobs, params.workers),
            stage="pairs",
            workers=params.workers,
            executor=pool,
        )
    rows = list(chain.from_iterable(batches))
    write_manifest(project.data / "pairs.parquet", rows, PAIRS_SCHEMA)
    line = publish_account(project, "pairs", size=params.size)
    return f"{line.passed} of {line.seen} negatives aligned"


@flow(name="shards", flow_run_name="shards-{settings[preprocess][size]}")
def shards(root: str, settings: dict[str, Any]) -> str:
    """Write LAB samples into WebDataset shards."""
    project, params = Project(Path(root)), Params.model_validate(settings).preprocess
    out = project.shards(params.size)
    plan = plan_shards(
        read_manifest(project.data / "crops.parquet", CROPS_SCHEMA),
        read_manifest(project.data / "pairs.parquet", PAIRS_SCHEMA),
        scans=read_manifest(project.data / "scans.parquet", SCANS_SCHEMA),
        catalog=read_manifest(project.data / "catalog.parquet", CATALOG_SCHEMA),
        settings=Settings(
            size=params.size, fit=params.fit, inset=params.inset, shard_bits=params.shard_bits
        ),
    )
    with worker_processes(params.workers, preload="preprocess.shards") as pool:
        write_batch = partial(_write_each, data=project.data, out=out)
        batches = run_batches(
            write_batch,
            cut(plan.shards, size=1),
            stage="shards",
            workers=params.workers,
            executor=pool,
        )
    finish_shards(plan, list(chain.from_iterable(batches)), out=out, size=params.size)
    line = publish_account(project, "shards", size=params.size)
    return f"{line.passed} samples in {len(plan.shards)} shards of {params.size} px"


def _write_each(plans: list[ShardPlan], *, data: Path, out: Path) -> list[ShardReport]:
    return [write_shard(plan, data=data, out=out) for plan in plans]
