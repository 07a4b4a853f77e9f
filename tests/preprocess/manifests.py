"""Rows of manifests that the tests of this room make up, as the stages before leave them."""

from collections.abc import Sequence
from typing import Any

from preprocess.composition import Manifests

Rows = dict[str, Any]

ALIGNED = [1.0, 0, 10, 0, 1, 20, 0, 0, 1]
"""The print lies 10 px to the right and 20 px lower in the negative's scan."""


def make_crop(scan_id: str, **change: Any) -> Rows:
    return {
        "scan_id": scan_id,
        "role": "colour",
        "view_id": scan_id,
        "group_id": scan_id,
        "corners": [10.0, 5.0, 110.0, 5.0, 110.0, 65.0, 10.0, 65.0],
        "width": 120,
        "height": 70,
        "mount": "black",
        "confidence": 1.0,
        "flagged": False,
        "caption": [],
        "state": "cropped",
        "reason": "",
    } | change


def make_pair(scan_id: str, colour: str | None, **change: Any) -> Rows:
    return {
        "scan_id": scan_id,
        "colour_scan_id": colour,
        "homography": ALIGNED,
        "state": "aligned",
        "reason": "",
    } | change


def make_group(scan_id: str, view_id: str, **change: Any) -> Rows:
    return {
        "scan_id": scan_id,
        "view_id": view_id,
        "role": "colour",
        "links": [],
        "state": "kept",
        "reason": "",
    } | change


def make_link(other_id: str, **change: Any) -> Rows:
    return {"other_id": other_id, "outcome": "different", "score": 0.5, "by": "machine"} | change


def make_scan(scan_id: str, **change: Any) -> Rows:
    return {
        "scan_id": scan_id,
        "item_id": f"item-{scan_id}",
        "path": f"scans/{scan_id}.jpg",
        "sha256": "0" * 64,
        "title": f"Title of {scan_id}",
        "state": "stored",
    } | change


def make_record(scan_id: str, **change: Any) -> Rows:
    return {
        "resource_id": scan_id,
        "rights": "none known",
        "modified": "2016-04-21T06:01:14Z",
        "date_from": 1890,
        "date_to": 1900,
        "state": "listed",
    } | change


def make_manifests(
    crops: Sequence[Rows], pairs: Sequence[Rows] = (), *, duplicates: Sequence[Rows] = ()
) -> Manifests:
    """Make all rows that go with some crops; duplicates are rows of groups without a crop."""
    states = {"colour": "kept", "negative": "negative"}
    groups = [
        make_group(crop["scan_id"], crop["view_id"], role=crop["role"], state=states[crop["role"]])
        for crop in crops
    ]
    ids = [row["scan_id"] for row in [*groups, *duplicates]]
    return Manifests(
        catalog=[make_record(scan_id) for scan_id in ids],
        scans=[make_scan(scan_id) for scan_id in ids],
        groups=[*groups, *duplicates],
        crops=crops,
        pairs=pairs,
    )
