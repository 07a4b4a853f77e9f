"""The replica's records: what is listed, and what stands behind each picture."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

RENDITION_LONG_EDGE = {"_150px.jpg": 150, "t.gif": 150, "r.jpg": 640, "v.jpg": 1024}


class RowKind(StrEnum):
    """What a row of the listing is."""

    ITEM = "item"
    NO_IMAGE = "no image"
    COLLECTION = "collection"
    WEB_PAGE = "web page"
    GROUP = "group record"


class Role(StrEnum):
    """What a resource shows: the colour print, or a black-and-white copy of it."""

    COLOUR = "colour"
    NEGATIVE = "negative"


@dataclass(frozen=True, slots=True)
class View:
    """One picture as it was photographed: what stands where, before any ink.

    Attributes:
        view_id: Its name, such as "view-00012".
        kind: Kind of scene, a key of `scene.KINDS`.
        layout: Key of what a glance sees: horizon, masses, light.
        detail: Key of all the rest; two views that look alike share the layout only.
        portrait: Whether the picture stands upright.
        aspect: Short side over long side.
        place: Where it was taken, as the caption names it.
    """

    view_id: str
    kind: str
    layout: str
    detail: str
    portrait: bool
    aspect: float
    place: str


@dataclass(frozen=True, slots=True)
class Print:
    """One sheet: a view in one set of inks.

    Attributes:
        print_id: Its name; two scans with one `print_id` show the same sheet (a group).
        view: The picture.
        inks: Key of the palette; the same view may come in other inks.
        monochrome: Printed in one brown ink, as a few were.
        number: The printer's number.
        trim: Part of the view left out at left, top, right, bottom, as fractions.
    """

    print_id: str
    view: View
    inks: str
    monochrome: bool
    number: int
    trim: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class DrawnScan:
    """A scan that is drawn when it is asked for.

    Attributes:
        sheet: The print that lies on the glass.
        role: Colour print, or black-and-white copy of it.
        key: Key of mount, tilt, exposure and wear of this very scan.
        rescan: Whether the print was scanned before as another item.
    """

    sheet: Print
    role: Role
    key: str
    rescan: bool


@dataclass(frozen=True, slots=True)
class FileScan:
    """A scan that is a file of the folder `replica.images`.

    Attributes:
        path: The file.
        width: Pixels, or 0 when the file cannot be read as a picture.
        height: Pixels, or 0.
        size_bytes: Size of the file.
        format: Pillow's name of the format, "" when unreadable.
    """

    path: Path
    width: int
    height: int
    size_bytes: int
    format: str


@dataclass(frozen=True, slots=True)
class Resource:
    """One digitised object of an item.

    Attributes:
        digital_id: Such as "ppmsc.06712".
        caption: Such as "digital file from original".
        reproduction_number: Such as "LC-DIG-ppmsc-06712".
        role: Colour or negative.
        scan: What is shown.
        has_v: Whether the 1,024 px service file exists.
        revision: How often its files were made anew.
    """

    digital_id: str
    caption: str
    reproduction_number: str
    role: Role
    scan: DrawnScan | FileScan
    has_v: bool
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the listing.

    Attributes:
        kind: What it is.
        item_id: LCCN, or the slug of a row that is no item.
        title: As catalogued.
        place: Heading such as "Switzerland--Lucerne", "" when there is none.
        number: The printer's number, 0 when there is none.
        date: As stated, "[between ca. 1890 and ca. 1900]".
        resources: In catalogue order; empty when there is no image.
        quirks: Key that decides which of the source's oddities the record has.
        revision: How often the record was changed since it was made.
    """

    kind: RowKind
    item_id: str
    title: str
    place: str
    number: int
    date: str
    resources: tuple[Resource, ...]
    quirks: str
    revision: int = 0
