"""Pure: an item's record in the older catalogue, which the newer replies carry along."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from replica.chance import rng_of
from replica.dates import filed_year
from replica.names import WWW, url_of
from replica.places import COORDINATES
from replica.records import FileScan, Resource, Row

Json = dict[str, Any]

RIGHTS = "No known restrictions on publication."
REPOSITORY = "Library of Congress Prints and Photographs Division Washington, D.C. 20540 USA"
PUBLISHER = "Photoglob Co., Zürich"
COLLECTION = "Photochrom Print Collection"
TITLE_SOURCE = (
    "Title from the Detroit Publishing Co., catalogue J--foreign section. Detroit, Mich. : "
    "Detroit Photographic Company, 1905."
)
"""Such a note does not make a print one of Detroit's."""

_FIRST_CHANGE = datetime(2016, 4, 21, 6, 1, 14, tzinfo=UTC)
_FIRST_REVISION = datetime(2026, 2, 1, 9, 17, tzinfo=UTC)
_DAYS = 2500


def modified_at(row: Row) -> datetime:
    """Tell when the Library last changed a record, in whole seconds."""
    rng = rng_of(f"{row.quirks}/modified")
    if row.revision:
        return _FIRST_REVISION + timedelta(days=row.revision, minutes=int(rng.integers(600)))
    return _FIRST_CHANGE + timedelta(days=int(rng.integers(_DAYS)))


def block_of(row: Row, rng: np.random.Generator) -> Json:
    """Make the record of the older catalogue, `results[].item`.

    Args:
        row: An item, or a row that looks like one.
        rng: Decides what of the record is odd.
    """
    classic = rng.random() < 0.5
    stamp = modified_at(row).strftime("%Y-%m-%d %H:%M:%S" if classic else "%Y-%m-%dT%H:%M:%SZ")
    date = row.date.removeprefix("[") if rng.random() < 0.08 else row.date
    notes = _notes(row)
    link = f"//www.loc.gov/pictures/item/{row.item_id}/"
    block: Json = {
        "call_number": "LOT 13434, no. 1 [item] [P&P]",
        "control_number": row.item_id,
        "created": stamp,
        "created_published_date": date,
        "date": date,
        "digital_id": [_digital_id(r) for r in row.resources],
        "display_offsite": True,
        "format": ["still image"],
        "genre": ["Photochrom prints--Color--1890-1900"],
        "id": row.item_id,
        "link": link if classic else f"https:{link}",
        "medium": ["1 photomechanical print : photochrom, color."],
        "medium_brief": "1 photomechanical print :",
        "modified": stamp,
        "notes": notes if rng.random() > 0.1 else " ".join(notes),
        "repository": REPOSITORY,
        "reproduction_number": "\n".join(
            f"{r.reproduction_number} ({r.caption})" for r in row.resources
        ),
        "rights_advisory": [RIGHTS] if rng.random() < 0.3 else RIGHTS,
        "rights_information": RIGHTS,
        "sort_date": filed_year(row.date),
        "source_modified": stamp,
        "subjects": [row.place] if row.place else [],
        "title": row.title,
    }
    return {**block, **_more(row)}


def _notes(row: Row) -> list[str]:
    """Give the notes of a record: which part of the collection, whose title, which number."""
    rng = rng_of(f"{row.quirks}/notes")
    country = row.place.partition("--")[0]
    part = f"Views of {country} in the Photochrom print collection"
    notes = [f"Forms part of: {part if country and rng.random() < 0.8 else COLLECTION}."]
    if country and rng.random() < 0.3:
        notes.insert(0, TITLE_SOURCE)
    if row.number:
        quoted = rng.random() < 0.75
        notes.append(f'Print no. "{row.number}".' if quoted else f"Print no. {row.number}.")
    return notes


def _more(row: Row) -> Json:
    """Give what only some records have."""
    rng = rng_of(f"{row.quirks}/more")
    more: Json = {}
    generated = not any(isinstance(r.scan, FileScan) for r in row.resources)
    if generated and rng.random() < 0.85:
        role = "publisher" if rng.random() < 0.7 else ""
        link = f"{WWW}/pictures/related/?fi=name&q=Photoglob"
        more["creators"] = [{"link": link, "role": role, "title": PUBLISHER}]
        more["contributor_names"] = [PUBLISHER]
        more["created_published"] = f"[Zürich] : Photoglob Co., {row.date}"
    if rng.random() < 0.4:
        more["part_of"] = [COLLECTION] if rng.random() < 0.5 else COLLECTION
    if rng.random() < 0.3:
        more["source_collection"] = COLLECTION
    if row.place:
        more["place"] = [_place(row.place, rng)]
    if row.resources:
        first = row.resources[0].digital_id
        more["service_low"] = more["thumb_gallery"] = url_of(first, "_150px.jpg")
        more["service_medium"] = url_of(first, "r.jpg")
    return more


def _place(heading: str, rng: np.random.Generator) -> Json:
    """Give a heading with its coordinates, which most records leave blank."""
    at = COORDINATES.get(heading.partition("--")[2])
    chance = rng.random()
    latitude, longitude = "", ""
    if at is not None and chance < 0.4:
        latitude, longitude = (f"{degrees:.4f}" for degrees in at)
    elif chance < 0.45:
        latitude, longitude = "latitude", "longitude"
    return {"latitude": latitude, "link": "", "longitude": longitude, "title": heading}


def _digital_id(resource: Resource) -> str:
    bucket, _, name = resource.digital_id.partition(".")
    return f"{bucket} {name} //hdl.loc.gov/loc.pnp/{resource.digital_id}"
