"""The harvest's records: what the catalogue lists, and what came of each scan."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """Which file of a resource a rendition is."""

    SQUARE = "square"
    THUMB = "t"
    R = "r"
    V = "v"
    IIIF = "iiif"
    MASTER = "u"


class Role(StrEnum):
    """What a scan shows."""

    COLOUR = "colour"
    NEGATIVE = "negative"


class CatalogState(StrEnum):
    """Whether a catalogue row is asked for."""

    LISTED = "listed"
    SKIPPED = "skipped"


class CatalogReason(StrEnum):
    """Why a catalogue row is skipped."""

    NONE = ""
    NOT_AN_ITEM = "not_an_item"
    GROUP_RECORD = "group_record"
    NO_IMAGE = "no_image"
    NO_RESOURCE_ID = "no_resource_id"
    BAD_ID = "bad_id"
    FOREIGN_ADDRESS = "foreign_address"
    UNREADABLE = "unreadable"
    REPEATED = "repeated"


class ScanState(StrEnum):
    """What came of a scan: `failed` may succeed another time, `rejected` is no use."""

    STORED = "stored"
    REJECTED = "rejected"
    FAILED = "failed"


class ScanReason(StrEnum):
    """Why a scan is not stored, or is another rendition than the wanted one."""

    NONE = ""
    WANTED_V_GOT_R = "wanted_v_got_r"
    WANTED_V_GOT_U = "wanted_v_got_u"
    WANTED_R_GOT_V = "wanted_r_got_v"
    WANTED_R_GOT_U = "wanted_r_got_u"
    WANTED_U_GOT_V = "wanted_u_got_v"
    WANTED_U_GOT_R = "wanted_u_got_r"
    WANTED_IIIF_GOT_R = "wanted_iiif_got_r"
    WANTED_IIIF_GOT_U = "wanted_iiif_got_u"
    WANTED_IIIF_GOT_V = "wanted_iiif_got_v"
    BAD_ID = "bad_id"
    EMPTY_FILE = "empty_file"
    NOT_AN_IMAGE = "not_an_image"
    TRUNCATED = "truncated"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    WRONG_SIZE = "wrong_size"
    NO_RENDITION = "no_rendition"
    NOT_FOUND = "not_found"
    FORBIDDEN = "forbidden"
    DISALLOWED = "disallowed"
    LED_ASTRAY = "led_astray"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Rendition:
    """One file of a resource.

    Attributes:
        url: Canonical, without fragment.
        width: Pixels; None where the catalogue does not say.
        height: Pixels, or None.
        bytes: Size of the file, or None.
        kind: Which file it is.
    """

    url: str
    width: int | None
    height: int | None
    bytes: int | None
    kind: Kind


@dataclass(frozen=True, slots=True)
class CatalogRow:
    """One resource of one row of the listing, or a row that has none.

    Attributes:
        row: Place in the listing, from 1.
        item_id: LCCN; of a row that is no item, its URL or "".
        resource_id: Digital id such as "ppmsc.06712"; None where there is none.
        title: Normalised: Unicode NFC, white space single, without the slash that older records
            end with and without the brackets of a title that the Library devised.
        title_given: As given.
        caption: What the resource is, such as "digital file from original".
        role: Colour print or black-and-white copy; None for a skipped row.
        date: As stated, such as "[between ca. 1890 and ca. 1900]".
        date_from: First year that the statement admits, by the rules of `harvest.dates`; None
            where it is open or names none.
        date_to: Last year, inclusive, or None.
        place: Headings, separated by "; ".
        latitude: Degrees north, -90 to 90; None where the record has no numbers.
        longitude: Degrees east, -180 to 180, or None.
        subjects: Subject headings.
        publisher: Who made the print, such as "Photoglob Co., Zürich"; "" where not said.
        print_number: The publisher's number, such as "8335"; "" where not said.
        collection_part: Such as "Views of Italy in the Photochrom print collection", or "".
        rights: The rights advisory.
        call_number: Shelf mark.
        reproduction_number: All numbers of the item, one a line.
        notes: Notes of the record, the print number among them.
        modified: When the Library last changed the record, such as "2016-04-21T06:01:14Z"; of
            one's own pictures the checksum, "sha256:..."; a
            day at midnight by the older site's search; "" where not said.
        renditions: What may be downloaded, smallest kind first.
        state: Whether it is asked for.
        reason: Why not.
    """

    row: int
    item_id: str
    resource_id: str | None
    title: str
    title_given: str
    caption: str
    role: Role | None
    date: str
    date_from: int | None
    date_to: int | None
    place: str
    latitude: float | None
    longitude: float | None
    subjects: tuple[str, ...]
    publisher: str
    print_number: str
    collection_part: str
    rights: str
    call_number: str
    reproduction_number: str
    notes: tuple[str, ...]
    modified: str
    renditions: tuple[Rendition, ...]
    state: CatalogState
    reason: CatalogReason


def to_catalog_row(fields: Mapping[str, Any]) -> CatalogRow:
    """Make a catalogue row of what the manifest holds.

    Args:
        fields: A row of data/catalog.parquet.

    Raises:
        ValueError: If a value is not from its closed list.
    """
    read = {
        "role": None if fields["role"] is None else Role(fields["role"]),
        "subjects": tuple(fields["subjects"]),
        "notes": tuple(fields["notes"]),
        "renditions": tuple(
            Rendition(**{**rendition, "kind": Kind(rendition["kind"])})
            for rendition in fields["renditions"]
        ),
        "state": CatalogState(fields["state"]),
        "reason": CatalogReason(fields["reason"]),
    }
    return CatalogRow(**{**fields, **read})


@dataclass(frozen=True, slots=True)
class Scan:
    """What came of one listed resource.

    Attributes:
        scan_id: The resource's digital id.
        item_id: LCCN of its item.
        role: Colour print or black-and-white copy.
        title: The item's title.
        url: Canonical address of the file that came, or was asked for last.
        path: The file below data/, such as "scans/loc/ppmsc/06712v.jpg"; None unless stored.
        rendition: Kind of the file under `url`.
        sha256: Of the file that came, also when it was rejected.
        size_bytes: Its size.
        width: Pixels, as decoded.
        height: Pixels, as decoded.
        state: What came of it.
        reason: Why it is not stored, or not as wanted.
    """

    scan_id: str
    item_id: str
    role: Role | None
    title: str
    url: str | None
    path: str | None
    rendition: Kind | None
    sha256: str | None
    size_bytes: int | None
    width: int | None
    height: int | None
    state: ScanState
    reason: ScanReason
