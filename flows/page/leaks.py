"""What the report shows of the leak audit: how near the splits lie to one another."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows.page.figures import draw_distances
from flows.page.thumbnails import read_data_uri
from flows.params import Params
from flows.project import Project
from harvest.manifest import SCANS_SCHEMA, read_manifest
from preprocess.audit import NEAR_BITS, Audit, audit_leaks
from preprocess.leaks import Confirmed, Verdict, confirm_leaks
from preprocess.manifest import CROPS_SCHEMA, GROUPS_SCHEMA, SAMPLES_SCHEMA
from preprocess.split import Split

WIDTH = 300
"""Of a picture, in pixels."""

SHOWN = 6
"""Pairs on the page; more where more are doubtful."""

VERDICTS = {
    Verdict.CLEAR: "two views",
    Verdict.ALIKE: "alike in most places: look at them",
    Verdict.LEAK: "one view in two splits: a leak",
    Verdict.UNREADABLE: "cannot be read any more",
}


def gather_leaks(project: Project, params: Params) -> dict[str, Any]:
    """Audit the splits, look at the nearest pairs, and gather what the template shows.

    Args:
        project: The checkout.
        params: Its settings.
    """
    data = project.data
    samples = project.shards(params.preprocess.size) / "samples.parquet"
    scans = read_manifest(data / "scans.parquet", SCANS_SCHEMA)
    audit = audit_leaks(
        read_manifest(samples, SAMPLES_SCHEMA),
        read_manifest(data / "groups.parquet", GROUPS_SCHEMA),
    )
    looked = confirm_leaks(
        audit.neighbours,
        crops=read_manifest(data / "crops.parquet", CROPS_SCHEMA),
        scans=scans,
        data=data,
        same_view=params.preprocess.same_view,
    )
    paths = {row["scan_id"]: data / row["path"] for row in scans if row["path"]}
    return {
        "leaks_text": say_audit(audit, looked),
        "leaks_alarm": say_alarm(looked),
        "leaks_distances": draw_distances(audit.histograms[Split.TEST], near=max(NEAR_BITS)),
        "leaks": [_show(one, paths) for one in choose(looked)],
    }


def choose(looked: Sequence[Confirmed]) -> list[Confirmed]:
    """Choose the pairs to show: each that is not plainly two views, then the nearest.

    Args:
        looked: The nearest pairs, laid over one another, nearest first.
    """
    doubtful = [one for one in looked if one.verdict is not Verdict.CLEAR]
    clear = [one for one in looked if one.verdict is Verdict.CLEAR]
    return doubtful + clear[: max(0, SHOWN - len(doubtful))]


def say_audit(audit: Audit, looked: Sequence[Confirmed]) -> str:
    """Say in words what the audit found.

    Args:
        audit: Of all samples.
        looked: The nearest pairs, laid over one another.
    """
    if not audit.neighbours:
        return "There is no training view, or none to judge by."
    near = " and ".join(f"{count} within {bits}" for bits, count in audit.near_pairs.items())
    clear = sum(one.verdict is Verdict.CLEAR for one in looked)
    return (
        f"Each of {len(audit.neighbours)} views of the validation and test splits, and the "
        f"training view whose hash lies nearest. Pairs of samples in two splits: {near} of 64 "
        f"bits. The {len(looked)} nearest pairs were laid over one another: {clear} are two views. "
        f"The largest view, {audit.largest_view}, has {audit.largest_scans} scans."
        + _say_unhashed(len(audit.unhashed))
    )


def _say_unhashed(count: int) -> str:
    if not count:
        return ""
    return f" {count} {'sample has' if count == 1 else 'samples have'} no hash and were not seen."


def say_alarm(looked: Sequence[Confirmed]) -> str:
    """Name the leaks and say what to do; "" where there is none."""
    leaks = [one.neighbour for one in looked if one.verdict is Verdict.LEAK]
    if not leaks:
        return ""
    named = ", ".join(f"{one.scan_id} and {one.other_id}" for one in leaks)
    return (
        f"A view lies in two splits: {named}. Join them on the page of `photochrom review`, or "
        "raise preprocess.hash_radius, and run `dvc repro`."
    )


def _show(one: Confirmed, paths: dict[str, Path]) -> dict[str, str]:
    near = one.neighbour
    turned = ", mirrored" if near.mirrored else ""
    return {
        "left": read_data_uri(paths[near.scan_id], width=WIDTH),
        "right": read_data_uri(paths[near.other_id], width=WIDTH),
        "label": f"{near.scan_id} ({near.split}) and {near.other_id} (train): {near.distance} bits"
        f"{turned}, correlation {one.score:.2f}: {VERDICTS[one.verdict]}",
    }
