"""Fills the tables of docs/streaming.md from the records: `python bench/_stream_docs.py`.

A table stands between `<!-- name -->` and `<!-- /name -->`; the rest of the page is by hand.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import _stream_nodes
import _stream_table
import stream_growth
from _record import RESULTS

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "streaming.md"


def say_machine(record: Mapping[str, Any]) -> str:
    """Name the machine, the day and the data of a record."""
    machine = record["machine"]
    said = f"{record['data']}. {machine['processor']}, {machine['cores']} cores, "
    said += f"Python {machine['python']}, torch {machine['torch']}, {record['date']}; "
    rounds = len(next(iter(record["runs"].values())))
    return said + (f"medians of {rounds} rounds." if rounds > 1 else "one round.")


def say_peers(record: Mapping[str, Any]) -> str:
    """Name the peers' versions, and what was skipped and why."""
    names = {"torch": "torch", "webdataset": "webdataset", "litdata": "litdata"}
    names |= {"mosaicml": "mosaicml-streaming", "datasets": "datasets", "ffcv": "ffcv"}
    there = [
        f"{names[peer]} {versions[names[peer]]}"
        for peer, versions in record["peers"].items()
        if names[peer] in versions
    ]
    said = f"Peers: {', '.join(there)}."
    if record["skipped"]:
        said += " Not measured: " + "; ".join(record["skipped"]) + "."
    return said


def say_checked(record: Mapping[str, Any]) -> str:
    """Say how exact an epoch of each way was, as a table."""
    lines = ["| an epoch, every picture compared bit for bit | |", "|---|---|"]
    lines += [f"| {name} | {said} |" for name, said in record["checked"].items()]
    return "\n".join(lines)


STREAMING: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {
    "machine": say_machine,
    "peers": say_peers,
    "streaming": _stream_table.to_markdown,
    "checked": say_checked,
    "nodes": _stream_nodes.to_markdown,
    "core": _stream_nodes.to_sentence,
}


def main() -> None:
    """Fill what there is a record for."""
    text = PAGE.read_text("utf-8")
    record = RESULTS / "streaming.json"
    if record.exists():
        content = json.loads(record.read_bytes())
        for name, say in STREAMING.items():
            text = fill(text, name, say(content))
    grown = RESULTS / "stream_growth.json"
    if grown.exists():
        rows = json.loads(grown.read_bytes())["rows"]
        text = fill(text, "growth", stream_growth.to_markdown(rows))
    PAGE.write_text(text, "utf-8")
    print(PAGE)


def fill(text: str, name: str, content: str) -> str:
    """Put content between the marks of a name.

    Raises:
        ValueError: If the page has no such marks.
    """
    pattern = rf"(<!-- {name} -->\n).*?(\n?<!-- /{name} -->)"
    filled, count = re.subn(
        pattern, lambda found: f"{found[1]}{content}\n<!-- /{name} -->", text, flags=re.S
    )
    if count != 1:
        raise ValueError(f"{PAGE}: expected marks of {name} once, found {count}")
    return filled


if __name__ == "__main__":
    main()
