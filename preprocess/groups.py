"""Pure: from compared scans to groups and views.

A group is the closure of "same print", a view that of "same view": what is joined through a third
scan is joined. Both are named after their smallest scan id.
"""

from collections.abc import Iterable, Sequence

from harvest.records import Role
from preprocess.likeness import Comparison, Outcome, ScanHash
from preprocess.records import GroupRow, GroupState

UNREADABLE = "unreadable"
"""The only reason a row of groups gives."""


def group_scans(scans: Sequence[ScanHash], comparisons: Sequence[Comparison]) -> list[GroupRow]:
    """Group all scans.

    The copy kept of a group is the one with the most pixels inside the mount, the smaller id
    where they tie. A negative takes the view of its item's colour scans, its own where there is
    none; it is never merged and never dropped.

    Args:
        scans: All stored scans.
        comparisons: All comparisons of colour scans.

    Returns:
        One row for each scan, sorted by id.

    Raises:
        ValueError: If two scans have one id.
    """
    by_id = {scan.job.scan_id: scan for scan in scans}
    if len(by_id) != len(scans):
        raise ValueError(f"expected distinct scan ids, got {len(by_id)} in {len(scans)} scans")
    same_print = [c for c in comparisons if c.outcome is Outcome.SAME_PRINT]
    same_view = [c for c in comparisons if c.outcome is not Outcome.DIFFERENT]
    group_of = find_closures(by_id, [(c.scan_id, c.other_id) for c in same_print])
    view_of = find_closures(by_id, [(c.scan_id, c.other_id) for c in same_view])
    kept = _choose_kept(scans, group_of)
    evidence = _find_evidence(same_view)
    views = _find_item_views(scans, view_of)
    rows = []
    for scan_id, scan in sorted(by_id.items()):
        if scan.found is not None and scan.job.role is Role.NEGATIVE:
            view_id, told = views.get(scan.job.item_id, (scan_id, ""))
        else:
            view_id, told = view_of[scan_id], evidence.get(scan_id, "")
        rows.append(
            GroupRow(
                scan_id=scan_id,
                group_id=group_of[scan_id],
                view_id=view_id,
                kept=scan_id in kept,
                role=scan.job.role,
                phash=f"{scan.found.hashes[0]:016x}" if scan.found else "",
                evidence=told,
                state=_find_state(scan, kept),
                reason="" if scan.found else UNREADABLE,
            )
        )
    return rows


def find_closures(ids: Iterable[str], links: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Join what is linked, directly or through others.

    Args:
        ids: All ids.
        links: Pairs of them.

    Returns:
        For each id the smallest id of its closure.

    Raises:
        KeyError: If a link names an id that is not among `ids`.
    """
    parent = {one: one for one in ids}

    def find_root(one: str) -> str:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    for one, other in links:
        low, high = sorted((find_root(one), find_root(other)))
        # The smaller id becomes the root, so a root is the smallest of its closure.
        parent[high] = low
    return {one: find_root(one) for one in parent}


def _choose_kept(scans: Sequence[ScanHash], group_of: dict[str, str]) -> set[str]:
    best: dict[str, tuple[float, str]] = {}
    for scan in scans:
        if scan.found is None or scan.job.role is not Role.COLOUR:
            continue
        rank = (-scan.found.area, scan.job.scan_id)
        group_id = group_of[scan.job.scan_id]
        best[group_id] = min(best.get(group_id, rank), rank)
    return {scan_id for _, scan_id in best.values()}


def _find_evidence(links: Sequence[Comparison]) -> dict[str, str]:
    """Name for each linked scan the one it agrees with best."""
    best: dict[str, tuple[float, str]] = {}
    for link in links:
        for one, other in ((link.scan_id, link.other_id), (link.other_id, link.scan_id)):
            rank = (-link.score, other)
            best[one] = min(best.get(one, rank), rank)
    return {one: f"{other}:{-negated:.3f}" for one, (negated, other) in best.items()}


def _find_item_views(
    scans: Sequence[ScanHash], view_of: dict[str, str]
) -> dict[str, tuple[str, str]]:
    """Find for each item the first view of its colour scans, and the scan that tells it."""
    views: dict[str, tuple[str, str]] = {}
    for scan in scans:
        if scan.found is None or scan.job.role is not Role.COLOUR:
            continue
        candidate = (view_of[scan.job.scan_id], f"{scan.job.scan_id}:item")
        views[scan.job.item_id] = min(views.get(scan.job.item_id, candidate), candidate)
    return views


def _find_state(scan: ScanHash, kept: set[str]) -> GroupState:
    if scan.found is None:
        return GroupState.UNREADABLE
    if scan.job.role is Role.NEGATIVE:
        return GroupState.NEGATIVE
    return GroupState.KEPT if scan.job.scan_id in kept else GroupState.DUPLICATE
