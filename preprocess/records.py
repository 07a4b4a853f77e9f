"""Rows of the manifests that this room writes, and the closed lists they draw from."""

from dataclasses import dataclass
from enum import StrEnum


class GroupState(StrEnum):
    """What dedupe made of a scan."""

    KEPT = "kept"
    DUPLICATE = "duplicate"
    NEGATIVE = "negative"
    UNREADABLE = "unreadable"


class Mount(StrEnum):
    """What lies around the print."""

    BLACK = "black"
    WHITE = "white"
    GREY = "grey"
    PAPER = "paper"
    NONE = "none"


class CropState(StrEnum):
    """Whether a scan could be cropped."""

    CROPPED = "cropped"
    UNREADABLE = "unreadable"


class CropReason(StrEnum):
    """Why the corners are what they are, where that needs saying."""

    NOTHING = ""
    NO_MOUNT = "no_mount"
    LOW_CONFIDENCE = "low_confidence"
    CORRECTED = "corrected"
    STALE_CORRECTION = "stale_correction"
    UNREADABLE = "unreadable"
    TOO_SMALL = "too_small"


class PairState(StrEnum):
    """Whether a negative was laid over its print."""

    ALIGNED = "aligned"
    REJECTED = "rejected"


class SampleState(StrEnum):
    """Whether a sample is in a shard."""

    WRITTEN = "written"
    REJECTED = "rejected"


class Outcome(StrEnum):
    """What two scans are to each other."""

    SAME_SCAN = "same_scan"
    """One scan stored twice, perhaps in another size or quality."""
    SAME_PRINT = "same_print"
    """One print, scanned twice."""
    SAME_VIEW = "same_view"
    """One view, printed otherwise: in other inks, cut otherwise, under another number."""
    MIRRORED = "mirrored"
    """One view, one of the two turned over."""
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Link:
    """What comparing a scan with another one found."""

    other_id: str
    outcome: str
    score: float
    """Correlation of the registered lightness, -1..1; 0 where nothing registers."""
    inks: float
    """As `measure_inks`; 0 where it was not measured."""
    distance: int
    """Least Hamming distance of the hashes of the two, in bits."""
    matches: int
    """Local features that agree with the homography."""
    differs: str
    """Of a view printed otherwise, in what: of `inks`, `crop`, `number`, joined by commas."""
    by: str
    """`machine`, or `person` where a correction decided."""


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One stored scan: the print and the view it shows."""

    scan_id: str
    group_id: str
    view_id: str
    kept: bool
    role: str
    phash: str
    """Hash of the lightness inside the mount, hexadecimal; "" for an unreadable scan."""
    hashes: tuple[str, ...]
    """All hashes that dedupe compares: of the whole print and its cuts, then of the same mirrored;
    the first is `phash`."""
    links: tuple[Link, ...]
    """The comparisons of this scan that are worth a look: all that are not `different`, and those
    that came near; sorted by the other's id. A negative's names the colour scan of its view."""
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class CropRow:
    """One kept scan or negative: where the print lies in it."""

    scan_id: str
    role: str
    view_id: str
    group_id: str
    corners: tuple[float, ...]
    """Eight floats, x and y of top-left, top-right, bottom-right, bottom-left of the print, in
    pixels of the decoded scan; x runs from 0 at the left edge to `width` at the right one.
    Empty for an unreadable scan."""
    width: int
    height: int
    mount: str
    confidence: float
    flagged: bool
    caption: tuple[float, ...]
    """Four floats: left, top, right and bottom of the printed caption, as shares of the rectified
    print's width and height. Empty where none was found."""
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class PairRow:
    """One cropped negative: how its colour scan lies over it."""

    scan_id: str
    colour_scan_id: str | None
    view_id: str
    homography: tuple[float, ...]
    """Nine floats, row by row: pixels of the colour scan to pixels of the negative's scan.
    Empty where there is none."""
    residual: float
    score: float
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One training example, or why there is none."""

    key: str
    scan_id: str
    view_id: str
    item_id: str
    title: str
    rights: str
    split: str
    view_split: str
    shard: str | None
    index: int | None
    width: int
    height: int
    """Size in pixels of the print as rectified."""
    valid: tuple[int, ...]
    """Top, left, bottom, right (exclusive) of the picture within the sample."""
    state: str
    reason: str
