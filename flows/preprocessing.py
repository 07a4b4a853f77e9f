"""Flows: scans to groups, crops, pairs and shards."""

from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger

from flows.artifacts import publish_account, publish_pictures
from flows.batches import cut, run_batches, spread, worker_processes
from flows.params import Params
from flows.project import Project
from harvest.manifest import CATALOG_SCHEMA, SCANS_SCHEMA, read_manifest, write_manifest
from preprocess.composition import Manifests, count_composition
from preprocess.crop import crop_scans, plan_crops
from preprocess.crop_page import write_crop_page
from preprocess.dedupe import compare_scans, hash_scans
from preprocess.dedupe_page import Thresholds, write_dedupe_page
from preprocess.groups import find_idle, group_scans
from preprocess.likeness import plan_hashes, propose_pairs
from preprocess.manifest import CROPS_SCHEMA, GROUPS_SCHEMA, PAIRS_SCHEMA
from preprocess.overrides import read_crop_overrides, read_pair_overrides
from preprocess.pages import to_cards
from preprocess.pairs import align_pairs, plan_pairs
from preprocess.planning import Settings, ShardPlan, plan_shards
from preprocess.released import read_released
from preprocess.shards import ShardReport, finish_shards, write_shard
from preprocess.verdicts import SAME_INKS


@flow(name="dedupe", flow_run_name="dedupe")
def dedupe(root: str, settings: dict[str, Any]) -> str:
    """Find scans of one print and of one view."""
    project, params = Project(Path(root)), Params.model_validate(settings)
    preprocess, source = params.preprocess, params.harvest.source
    stored = read_manifest(project.data / "scans.parquet", SCANS_SCHEMA)
    catalog = read_manifest(project.data / "catalog.parquet", CATALOG_SCHEMA)
    overrides = read_pair_overrides(project.overrides(source) / "pairs.csv")
    with worker_processes(preprocess.workers, preload="preprocess.dedupe") as pool:
        run = partial(run_batches, workers=preprocess.workers, executor=pool)
        jobs = spread(plan_hashes(stored, catalog), preprocess.workers)
        hashed = run(partial(hash_scans, data=project.data), jobs, stage="dedupe")
        scans = list(chain.from_iterable(hashed))
        near = propose_pairs(scans, radius=preprocess.hash_radius)
        compare = partial(compare_scans, data=project.data, same_view=preprocess.same_view)
        compared = run(compare, spread(near, preprocess.workers), stage="compare")
        for idle in find_idle(scans, overrides):
            get_run_logger().warning(
                "pairs.csv: %s and %s are not both colour scans here", idle.scan_id, idle.other_id
            )
        rows = group_scans(scans, list(chain.from_iterable(compared)), overrides)
        shown = write_dedupe_page(
            [asdict(row) for row in rows],
            cards=to_cards(stored),
            overrides=overrides,
            thresholds=Thresholds(preprocess.same_view, SAME_INKS),
            source=source,
            data=project.data,
            out=project.data / "dedupe",
            each=pool.map,
        )
    write_manifest(project.data / "groups.parquet", rows, GROUPS_SCHEMA)
    line = publish_account(project, "dedupe", size=preprocess.size)
    views = len({row.view_id for row in rows})
    said = f"{line.seen} scans of {views} views; {line.held_text or 'no duplicate'}"
    return f"{said}; {shown} pairs to look at"


@flow(name="crop", flow_run_name="crop")
def crop(root: str, settings: dict[str, Any]) -> str:
    """Find the print within its mount."""
    project, params = Project(Path(root)), Params.model_validate(settings)
    preprocess, source = params.preprocess, params.harvest.source
    stored = read_manifest(project.data / "scans.parquet", SCANS_SCHEMA)
    groups = read_manifest(project.data / "groups.parquet", GROUPS_SCHEMA)
    overrides = read_crop_overrides(project.overrides(source) / "crops.csv")
    jobs = plan_crops(groups, stored, overrides)
    with worker_processes(preprocess.workers, preload="preprocess.crop") as pool:
        batches = run_batches(
            partial(crop_scans, data=project.data, min_confidence=preprocess.min_confidence),
            spread(jobs, preprocess.workers),
            stage="crop",
            workers=preprocess.workers,
            executor=pool,
        )
        rows = list(chain.from_iterable(batches))
        sheets = write_crop_page(
            rows,
            cards=to_cards(stored),
            overrides=overrides,
            source=source,
            data=project.data,
            out=project.data / "crops",
            each=pool.map,
        )
    write_manifest(project.data / "crops.parquet", rows, CROPS_SCHEMA)
    line = publish_account(project, "crop", size=preprocess.size)
    publish_pictures("crop-sheets", sheets)
    flagged = sum(row.flagged for row in rows)
    corrected = f", {len(overrides)} corrections" if overrides else ""
    return f"{line.passed} of {line.seen} cropped, {flagged} flagged{corrected}"


@flow(name="pairs", flow_run_name="pairs")
def pairs(root: str, settings: dict[str, Any]) -> str:
    """Lay copy negatives over their colour prints."""
    project, params = Project(Path(root)), Params.model_validate(settings).preprocess
    jobs = plan_pairs(
        read_manifest(project.data / "crops.parquet", CROPS_SCHEMA),
        read_manifest(project.data / "scans.parquet", SCANS_SCHEMA),
    )
    with worker_processes(params.workers, preload="preprocess.pairs") as pool:
        batches = run_batches(
            partial(align_pairs, data=project.data),
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
    project, params = Project(Path(root)), Params.model_validate(settings)
    preprocess, source = params.preprocess, params.harvest.source
    out, manifests = project.shards(preprocess.size), _read_manifests(project)
    layout = Settings(
        size=preprocess.size,
        fit=preprocess.fit,
        inset=preprocess.inset,
        caption=preprocess.caption,
        shard_mb=preprocess.shard_mb,
    )
    plan = plan_shards(manifests, layout, released=read_released(project.splits(source)))
    with worker_processes(preprocess.workers, preload="preprocess.shards") as pool:
        batches = run_batches(
            partial(_write_each, data=project.data, out=out),
            cut(plan.shards, size=1),
            stage="shards",
            workers=preprocess.workers,
            executor=pool,
        )
    made = count_composition(manifests, source=source, splits=plan.split_of)
    finish_shards(plan, list(chain.from_iterable(batches)), out=out, made=made)
    line = publish_account(project, "shards", size=preprocess.size)
    said = f"{line.passed} samples in {len(plan.shards)} shards of {preprocess.size} px"
    moved = ", ".join(one.view_id for one in plan.moved)
    return f"{said}; released views that moved into train: {moved}" if moved else said


def _read_manifests(project: Project) -> Manifests:
    """Read all manifests before the shards."""
    return Manifests(
        catalog=read_manifest(project.data / "catalog.parquet", CATALOG_SCHEMA),
        scans=read_manifest(project.data / "scans.parquet", SCANS_SCHEMA),
        groups=read_manifest(project.data / "groups.parquet", GROUPS_SCHEMA),
        crops=read_manifest(project.data / "crops.parquet", CROPS_SCHEMA),
        pairs=read_manifest(project.data / "pairs.parquet", PAIRS_SCHEMA),
    )


def _write_each(plans: list[ShardPlan], *, data: Path, out: Path) -> list[ShardReport]:
    return [write_shard(plan, data=data, out=out) for plan in plans]
