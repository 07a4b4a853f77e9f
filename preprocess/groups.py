"""Pure: from compared scans to groups and views.

A group is the closure of "same scan" and "same print", a view that of all outcomes but
"different": what is joined through a third scan is joined. Both are named after their smallest
scan id. Links are followed from the surest to the least sure. One is not followed that would join
what must stay apart: scans that a person parted; in a group, prints of different numbers; nor one
between two groups of whose scans, as far as they were compared, most speak against it. It stays in
the evidence, where a page can show it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from harvest.records import Role
from preprocess.closures import Closures
from preprocess.likeness import Comparison, ScanHash, choose_colour, find_copies
from preprocess.overrides import PairOverride
from preprocess.records import GroupRow, GroupState, Link, Outcome
from preprocess.verdicts import SAME_INKS

UNREADABLE = "unreadable"
"""The only reason a row of groups gives."""

Overrides = Mapping[tuple[str, str], PairOverride]
Links = dict[tuple[str, str], Comparison]

_ONE_PRINT: Final = (Outcome.SAME_SCAN, Outcome.SAME_PRINT)

_AGAINST: Final = 1.25
"""What a pair weighs at least that was compared and is not one print; 1 would be undecided."""

_NEAR: Final = 0.35
"""Correlation from which a different pair is worth a look."""

_AS_LARGE: Final = 0.9
"""Share of the largest copy's pixels from which a copy counts as large."""

PERSON: Final = "person"


def group_scans(
    scans: Sequence[ScanHash], comparisons: Sequence[Comparison], overrides: Overrides
) -> list[GroupRow]:
    """Group all scans.

    The copy kept of a group is, among those with at least 0.9 of the pixels inside the mount that
    the largest has, the one stored in most bytes: a master beats an access copy by its pixels, and
    of two copies of one size the one packed harder or blurred has fewer bytes. Then more pixels,
    then the smaller id. A negative takes the view of its item's colour scans, its own where there
    is none; it is never merged and never dropped.

    Args:
        scans: All stored scans.
        comparisons: All comparisons of colour scans.
        overrides: What a person decided, by the two ids, the smaller first. One that names a scan
            that is not here, cannot be read or is a negative has no effect.

    Returns:
        One row for each scan, sorted by id.

    Raises:
        ValueError: If two scans have one id.
    """
    by_id = {scan.job.scan_id: scan for scan in scans}
    if len(by_id) != len(scans):
        raise ValueError(f"expected distinct scan ids, got {len(by_id)} in {len(scans)} scans")
    colour = choose_colour(scans)
    links = _correct([*comparisons, *find_copies(scans)], overrides, colour)
    group_of, view_of = _find_closures(by_id, links)
    kept = _choose_kept(colour, group_of)
    evidence = _find_evidence(links)
    shown = _find_shown(colour, view_of)
    rows = []
    for scan_id, scan in sorted(by_id.items()):
        view_id, told = view_of[scan_id], evidence.get(scan_id, [])
        if scan.found is not None and scan.job.role is Role.NEGATIVE:
            item = shown.get(scan.job.item_id)
            view_id = view_of[item.job.scan_id] if item else scan_id
            told = [_link_negative(scan, item)] if item else []
        rows.append(
            GroupRow(
                scan_id=scan_id,
                group_id=group_of[scan_id],
                view_id=view_id,
                kept=scan_id in kept,
                role=scan.job.role,
                phash=_to_hex(scan)[0] if scan.found else "",
                hashes=_to_hex(scan),
                links=tuple(sorted(told, key=lambda link: link.other_id)),
                state=_find_state(scan, kept),
                reason="" if scan.found else UNREADABLE,
            )
        )
    return rows


def find_idle(scans: Sequence[ScanHash], overrides: Overrides) -> list[PairOverride]:
    """Find the corrections that have no effect, because a scan of theirs is not compared.

    Args:
        scans: All stored scans.
        overrides: As `group_scans` takes them.

    Returns:
        Those that name a scan that is not here, cannot be read or is a negative; sorted.
    """
    compared = {scan.job.scan_id for scan in choose_colour(scans)}
    return [one for pair, one in sorted(overrides.items()) if not set(pair) <= compared]


def _correct(
    comparisons: Sequence[Comparison], overrides: Overrides, colour: Sequence[ScanHash]
) -> Links:
    """Put what a person decided in place of what the machine did."""
    links = {(one.scan_id, one.other_id): one for one in comparisons}
    compared = {scan.job.scan_id for scan in colour}
    for pair, override in sorted(overrides.items()):
        if set(pair) <= compared:
            known = links.get(pair, Comparison(*pair, override.outcome))
            links[pair] = replace(known, outcome=override.outcome, differs=(), by=PERSON)
    return links


def _find_closures(
    by_id: Mapping[str, ScanHash], links: Links
) -> tuple[dict[str, str], dict[str, str]]:
    """Join prints, then views; a group never crosses views, as its links come first there too."""
    numbers = {scan_id: scan.job.number.casefold() for scan_id, scan in by_id.items()}
    told = [(pair, link) for pair, link in links.items() if link.by == PERSON]
    not_one_print = [pair for pair, link in told if link.outcome not in _ONE_PRINT]
    not_one_view = [pair for pair, link in told if link.outcome is Outcome.DIFFERENT]
    groups = Closures(by_id, apart=not_one_print, labels=numbers)
    views = Closures(by_id, apart=not_one_view, labels={})
    in_order = sorted(links.values(), key=_rank)
    doubts = _find_doubts(in_order)
    for link in in_order:
        if link.outcome not in _ONE_PRINT:
            continue
        sure = link.by == PERSON or link.outcome is Outcome.SAME_SCAN
        pair = link.scan_id, link.other_id
        if (sure or _agree(groups, pair, doubts)) and groups.join(*pair, like_labels=not sure):
            views.join(*pair)
    for link in in_order:
        if link.outcome is not Outcome.DIFFERENT:
            views.join(link.scan_id, link.other_id)
    return groups.to_roots(), views.to_roots()


def _rank(link: Comparison) -> tuple[bool, bool, float, str, str]:
    """Sort the surest first."""
    scan = link.outcome is Outcome.SAME_SCAN
    return link.by != PERSON, not scan, _doubt(link), link.scan_id, link.other_id


def _doubt(link: Comparison) -> float:
    """Weigh what speaks against one print: up to 1 where it is one, more where it is not."""
    if link.outcome is Outcome.SAME_SCAN:
        return 0.0
    inks = (link.inks or 0.0) / SAME_INKS
    return min(inks, 1.0) if link.outcome is Outcome.SAME_PRINT else max(inks, _AGAINST)


def _find_doubts(links: Sequence[Comparison]) -> dict[str, dict[str, float]]:
    doubts: dict[str, dict[str, float]] = {}
    for link in links:
        for one, other in ((link.scan_id, link.other_id), (link.other_id, link.scan_id)):
            doubts.setdefault(one, {})[other] = _doubt(link)
    return doubts


def _agree(
    groups: Closures, pair: tuple[str, str], doubts: Mapping[str, Mapping[str, float]]
) -> bool:
    """Say whether most of what was compared between two groups speaks for one print.

    Where as much speaks against it, the average decides.
    """
    few, many = sorted(map(groups.members, pair), key=len)
    root = groups.find(many[0])
    between = [
        doubt for one in few for other, doubt in doubts[one].items() if groups.find(other) == root
    ]
    balance = 2 * sum(doubt <= 1 for doubt in between) - len(between)
    return balance > 0 or (balance == 0 and sum(between) <= len(between))


def _choose_kept(colour: Sequence[ScanHash], group_of: Mapping[str, str]) -> set[str]:
    groups: dict[str, list[tuple[float, int, str]]] = {}
    for scan in colour:
        area = scan.found.area if scan.found else 0.0
        size = (area, scan.job.size_bytes, scan.job.scan_id)
        groups.setdefault(group_of[scan.job.scan_id], []).append(size)
    kept = set()
    for copies in groups.values():
        least = _AS_LARGE * max(area for area, _, _ in copies)
        large = [(-size, -area, scan_id) for area, size, scan_id in copies if area >= least]
        kept.add(min(large)[2])
    return kept


def _find_evidence(links: Links) -> dict[str, list[Link]]:
    """Tell for each scan the comparisons that are worth a look."""
    told: dict[str, list[Link]] = {}
    for link in links.values():
        if link.outcome is Outcome.DIFFERENT and link.score < _NEAR and link.by != PERSON:
            continue
        for one, other in ((link.scan_id, link.other_id), (link.other_id, link.scan_id)):
            told.setdefault(one, []).append(
                Link(
                    other_id=other,
                    outcome=link.outcome,
                    score=link.score,
                    inks=link.inks or 0.0,
                    distance=link.distance,
                    matches=link.matches,
                    differs=",".join(link.differs),
                    by=link.by,
                )
            )
    return told


def _find_shown(colour: Sequence[ScanHash], view_of: Mapping[str, str]) -> dict[str, ScanHash]:
    """Find for each item the colour scan that tells its view: of the first view, the first."""
    shown: dict[str, ScanHash] = {}
    for scan in sorted(colour, key=lambda scan: (view_of[scan.job.scan_id], scan.job.scan_id)):
        shown.setdefault(scan.job.item_id, scan)
    return shown


def _link_negative(negative: ScanHash, shown: ScanHash) -> Link:
    """Name the colour scan whose view a negative has: the catalogue says it, nothing compared."""
    assert negative.found is not None
    assert shown.found is not None
    distance = (negative.found.hashes[0] ^ shown.found.hashes[0]).bit_count()
    return Link(shown.job.scan_id, Outcome.SAME_VIEW, 0.0, 0.0, distance, 0, "", "machine")


def _to_hex(scan: ScanHash) -> tuple[str, ...]:
    return tuple(f"{value:016x}" for value in scan.found.hashes) if scan.found else ()


def _find_state(scan: ScanHash, kept: set[str]) -> GroupState:
    if scan.found is None:
        return GroupState.UNREADABLE
    if scan.job.role is Role.NEGATIVE:
        return GroupState.NEGATIVE
    return GroupState.KEPT if scan.job.scan_id in kept else GroupState.DUPLICATE
