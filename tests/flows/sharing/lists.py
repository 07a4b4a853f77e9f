"""Entries of samples that the tests of sharing make up."""

from typing import Any

from flows.sharing.entries import Entry


def make_entry(key: str, split: str = "train", **change: Any) -> Entry:
    fields = {
        "key": key,
        "scan_id": key,
        "view_id": key,
        "split": split,
        "view_split": split,
        "title": f"Title of {key}",
        "shard": f"{split}-000000.tar",
        "index": 0,
        "sha256": "0" * 64,
    }
    return Entry(**fields | change)  # type: ignore[arg-type]
