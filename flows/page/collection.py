"""What the report shows of the collection itself: its pictures, places and inks."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.page.chart import draw_maps
from flows.page.curation import sample_uri
from flows.page.figures import draw_chroma
from flows.page.palette import Ink, count_chroma, find_inks, take_pixels
from flows.page.places import How, Places, find_places
from flows.page.projection import read_land
from preprocess.samples import Sample
from train.evaluation import read_split

Row = Mapping[str, Any]
Pixels = NDArray[np.uint8]

GALLERY = 24
FRONT = 6
"""Of these, in the row at the head of the page."""
SAMPLED = 300
"""Samples whose inks are looked at."""
INKS = 12
STRIP = 6
"""Inks of a part of the collection, and the most parts shown by publisher or by date."""
FEWEST = 8
"""Samples that a part must have to be shown."""


def gather_places(catalog: Sequence[Row]) -> dict[str, Any]:
    """Gather what the template shows of where the prints were taken.

    Args:
        catalog: Rows of catalog.parquet.
    """
    places = find_places(catalog)
    return {
        "places_text": say_places(places),
        "maps": draw_maps(places.spots, read_land()),
        "places": places.spots,
    }


def say_places(places: Places) -> str:
    """Say how many prints could be placed, and how."""
    if not places.prints:
        return "The catalogue lists no colour print."
    said = {
        How.RECORD: "placed by the record’s own coordinates",
        How.NAMESAKE: "by those of another record of the same place",
        How.COUNTRY: "in the middle of the country, which is all that is known (hollow rings)",
        How.NOWHERE: "that could not be placed",
    }
    parts = [f"{places.counts[how]:,} {text}" for how, text in said.items() if how in places.counts]
    plural = "" if places.prints == 1 else "s"
    drawn = any(spot.latitude is not None for spot in places.spots)
    dots = " The area of a dot goes with the number of prints." if drawn else ""
    return f"{places.prints:,} colour print{plural}: {', '.join(parts)}.{dots}"


def gather_samples(
    shards: Path, written: Sequence[Row], catalog: Sequence[Row], titles: Mapping[str, str]
) -> dict[str, Any]:
    """Gather the gallery and the inks, from one reading of the training split.

    Args:
        shards: Folder of the shards.
        written: Rows of their samples.parquet that were written.
        catalog: Rows of catalog.parquet; they name publisher and date.
        titles: Title of each sample, by key.
    """
    # Chosen by key before anything is read: the split may be far larger than memory.
    keys = sorted((row["key"] for row in written if row["split"] == "train"), key=_to_hash)
    chosen = {key: rank for rank, key in enumerate(keys[:SAMPLED])}
    pictures: dict[int, dict[str, str]] = {}
    pixels: dict[str, Pixels] = {}
    for sample in read_split(shards, "train"):
        rank = chosen.get(sample.info.key)
        if rank is not None:
            pixels[sample.info.scan_id] = take_pixels(sample)
        if rank is not None and rank < GALLERY:
            pictures[rank] = _show(sample, titles)
    gallery = [pictures[rank] for rank in sorted(pictures)]
    return {"front": gallery[:FRONT], "gallery": gallery[FRONT:]} | gather_inks(
        pixels, catalog, of=len(keys)
    )


def gather_inks(pixels: Mapping[str, Pixels], catalog: Sequence[Row], *, of: int) -> dict[str, Any]:
    """Gather what the template shows of the inks.

    Args:
        pixels: Of each sample that is looked at, by its scan.
        catalog: Rows of catalog.parquet; they name publisher and date.
        of: Number of all samples that might have been looked at.
    """
    taken = list(pixels.values())
    which = f"the first {len(taken)} of {of:,}" if len(taken) < of else f"all {of:,}"
    return {
        "inks_text": f"{which} training samples" + ", by hash" * (len(taken) < of),
        "inks": _say_inks(find_inks(taken, count=INKS)),
        "ink_parts": _find_parts(pixels, catalog),
        "chroma": draw_chroma(count_chroma(taken)),
    }


def _to_hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _show(sample: Sample, titles: Mapping[str, str]) -> dict[str, str]:
    label = titles.get(sample.info.key) or sample.info.key
    return {"src": sample_uri(sample, sample.lab), "label": label}


def _find_parts(pixels: Mapping[str, Pixels], catalog: Sequence[Row]) -> list[dict[str, Any]]:
    """Find the inks of each publisher and of each span of years, where there is more than one."""
    by_publisher: defaultdict[str, list[Pixels]] = defaultdict(list)
    by_years: defaultdict[str, list[Pixels]] = defaultdict(list)
    for row in catalog:
        if row["resource_id"] in pixels:
            one = pixels[row["resource_id"]]
            by_publisher[row["publisher"] or "publisher not said"].append(one)
            by_years[say_years(row["date_from"], row["date_to"])].append(one)
    return [
        _say_part(name, part)
        for parts in (by_publisher, by_years)
        if len(parts) > 1
        for name, part in sorted(parts.items(), key=lambda item: (-len(item[1]), item[0]))[:STRIP]
        if len(part) >= FEWEST
    ]


def _say_part(name: str, pixels: Sequence[Pixels]) -> dict[str, Any]:
    inks = find_inks(pixels, count=STRIP)
    label = "; ".join(f"{ink.hex} {ink.share:.0%}" for ink in inks)
    return {"name": name, "samples": len(pixels), "inks": _say_inks(inks), "label": label}


def _say_inks(inks: Sequence[Ink]) -> list[dict[str, Any]]:
    return [{"hex": ink.hex, "share": ink.share, "lab_text": say_ink(ink)} for ink in inks]


def say_years(first: int | None, last: int | None) -> str:
    """Say the years that a date admits, such as "1890 to 1900"."""
    if first is None and last is None:
        return "date not said"
    if first is None or last is None:
        return f"from {first}" if last is None else f"to {last}"
    return str(first) if first == last else f"{first} to {last}"


def say_ink(ink: Ink) -> str:
    """Say a colour in numbers, such as "L 62, a 4, b 18"."""
    lightness, a, b = (round(value) for value in ink.lab)
    return f"L {lightness}, a {a}, b {b}".replace("-", "−")
