"""Pure: what a data set is made of, counted from the manifests, for its card."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harvest.records import CatalogState, Role, ScanState
from preprocess.records import CropReason, CropState, GroupState, Outcome, PairState
from preprocess.split import Split

Row = Mapping[str, Any]
"""A row of a manifest, as `harvest.manifest.read_manifest` gives it."""

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
"""What a record's `modified` begins with where it is a time; of one's own pictures it is none."""


@dataclass(frozen=True, slots=True)
class Manifests:
    """Rows of all manifests before the shards."""

    catalog: Sequence[Row]
    scans: Sequence[Row]
    groups: Sequence[Row]
    crops: Sequence[Row]
    pairs: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Composition:
    """Figures of a data set; those that count nothing are 0."""

    source: str = ""
    """`harvest.source` of the catalogue: `sample`, `loc` or `folder`."""
    newest: str = ""
    """Day of the last change to a catalogue record that the scans come from, as 2026-11-20."""
    first_year: int = 0
    last_year: int = 0
    """When the prints were made, as far as the catalogue dates them."""
    colour: int = 0
    negatives: int = 0
    """Scans that could be read."""
    unreadable: int = 0
    prints: int = 0
    """Different prints among the colour scans."""
    duplicates: int = 0
    """Colour scans of a print of which another scan is kept."""
    views: int = 0
    largest_view: int = 0
    """Scans of the view that has most."""
    by_person: int = 0
    """Comparisons of two scans, decided by a person."""
    near: int = 0
    """Comparisons that came near and were judged different, with a scan in each of two splits."""
    nearest: float = 0.0
    """The highest correlation among them, 0..1."""
    mounts: tuple[tuple[str, int], ...] = ()
    """Cropped scans by what lies around the print, the commonest first."""
    captions: int = 0
    """Cropped scans on which a printed caption was found."""
    flagged: int = 0
    """Crops of which the machine is not sure."""
    corrected: int = 0
    """Crops by a person."""
    aligned: int = 0
    """Negatives laid over their print."""
    not_aligned: tuple[tuple[str, int], ...] = ()
    """Negatives that could not be, by reason."""


def group_views(groups: Sequence[Row]) -> dict[str, list[str]]:
    """List the scans of each view.

    Args:
        groups: Rows of the groups manifest.

    Returns:
        For each view the ids of all its scans, kept or not, in the order of the rows.
    """
    members: dict[str, list[str]] = {}
    for row in groups:
        members.setdefault(row["view_id"], []).append(row["scan_id"])
    return members


def count_composition(
    manifests: Manifests, *, source: str, splits: Mapping[str, Split]
) -> Composition:
    """Count what a data set is made of.

    Args:
        manifests: All rows.
        source: `harvest.source` of the catalogue, "" where it does not say.
        splits: The split of each view.

    Returns:
        The figures; the same rows give the same ones, in whatever order.
    """
    groups = manifests.groups
    states = Counter(row["state"] for row in groups)
    readable = [row for row in groups if row["state"] != GroupState.UNREADABLE]
    cropped = [row for row in manifests.crops if row["state"] == CropState.CROPPED]
    pairs = manifests.pairs
    refused = [row["reason"] for row in pairs if row["state"] != PairState.ALIGNED]
    newest, first, last = _find_dates(manifests)
    near, nearest = _find_near(groups, splits)
    return Composition(
        source=source,
        newest=newest,
        first_year=first,
        last_year=last,
        colour=sum(row["role"] == Role.COLOUR for row in readable),
        negatives=sum(row["role"] == Role.NEGATIVE for row in readable),
        unreadable=states[GroupState.UNREADABLE],
        prints=states[GroupState.KEPT],
        duplicates=states[GroupState.DUPLICATE],
        views=len(group_views(readable)),
        largest_view=max(map(len, group_views(readable).values()), default=0),
        by_person=sum(link["by"] == "person" for link in _list_links(groups).values()),
        near=near,
        nearest=nearest,
        mounts=_rank(row["mount"] for row in cropped),
        captions=sum(bool(row["caption"]) for row in cropped),
        flagged=sum(row["flagged"] for row in cropped),
        corrected=sum(row["reason"] == CropReason.CORRECTED for row in cropped),
        aligned=len(pairs) - len(refused),
        not_aligned=_rank(refused),
    )


def _rank(names: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Count names, the commonest first."""
    counts = Counter(str(name) for name in names)
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _find_dates(manifests: Manifests) -> tuple[str, int, int]:
    """Find the newest record of the stored scans, and the years between which prints were made."""
    stored = {row["scan_id"] for row in manifests.scans if row["state"] == ScanState.STORED}
    records = [
        row
        for row in manifests.catalog
        if row["state"] == CatalogState.LISTED and row["resource_id"] in stored
    ]
    days = [day[0] for row in records if (day := _DAY.match(row["modified"]))]
    first = [row["date_from"] for row in records if row["date_from"] is not None]
    last = [row["date_to"] for row in records if row["date_to"] is not None]
    return max(days, default=""), min(first, default=0), max(last, default=0)


def _list_links(groups: Sequence[Row]) -> dict[tuple[str, str], Row]:
    """List each comparison once, for both scans hold it."""
    links: dict[tuple[str, str], Row] = {}
    for row in groups:
        for link in row["links"]:
            one, other = sorted((row["scan_id"], link["other_id"]))
            links[one, other] = link
    return links


def _find_near(groups: Sequence[Row], splits: Mapping[str, Split]) -> tuple[int, float]:
    """Count the comparisons across splits that came near, and find the nearest."""
    split_of = {row["scan_id"]: splits[row["view_id"]] for row in groups}
    scores = [
        float(link["score"])
        for (one, other), link in _list_links(groups).items()
        if link["outcome"] == Outcome.DIFFERENT and split_of[one] is not split_of[other]
    ]
    return len(scores), round(max(scores, default=0.0), 3)
