"""Edge: what was found of each file, kept so that an unchanged folder is not read again.

It is a help and no source: whatever is wrong with it, the files are read again.
"""

import json
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

from harvest.files import disk_explained, write_bytes
from harvest.folder import Stamp
from harvest.found import Found
from harvest.records import CatalogReason

SETTLED_NS = 2_000_000_000
"""A file that was changed less than this before it was read may be changed again under the same
time: FAT stamps by 2 s, the coarsest that we know of."""

_VERSION = 1

Known = dict[str, tuple[Stamp, Found]]
"""Stamps of files, and what was found of each, by path."""


def read_known(path: Path) -> Known:
    """Read what is known of a folder's files, by path.

    Args:
        path: Such as .photochrom/folder.json; nothing is known where it is missing or torn.
    """
    try:
        data: Any = json.loads(path.read_bytes())
        if data["version"] != _VERSION:
            return {}
        return {name: _read_one(*one) for name, one in data["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # it is written anew, after the files have been read


def write_known(path: Path, known: Known, *, began_ns: int) -> None:
    """Keep what was found, but of files that may have changed while they were read.

    Args:
        path: Such as .photochrom/folder.json; it appears whole or not at all.
        known: Stamps, from before the reading, and what was found.
        began_ns: When the walk began, by `time.time_ns`.

    Raises:
        HarvestError: If the disk refuses.
    """
    files = {
        name: [list(astuple(stamp)), asdict(found)]
        for name, (stamp, found) in sorted(known.items())
        if stamp.changed_ns < began_ns - SETTLED_NS and found.reason is not CatalogReason.UNREADABLE
    }
    with disk_explained(path):
        write_bytes(path, json.dumps({"version": _VERSION, "files": files}).encode())


def _read_one(stamp: list[int], found: dict[str, Any]) -> tuple[Stamp, Found]:
    return Stamp(*stamp), Found(**{**found, "reason": CatalogReason(found["reason"])})
