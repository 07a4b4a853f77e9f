"""What the pages for a person's eye share: what they say of a scan, and how they are drawn.

A page is one file with its style and script in it; its pictures lie beside it. It asks nothing of
the network, and works from the disk as well as from `photochrom review`.
"""

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from harvest.files import write_bytes

T = TypeVar("T")
R = TypeVar("R")

_WEIGHT = "(weight of the page)"


@dataclass(frozen=True, slots=True)
class Card:
    """What a page says of a scan beside what the stage found."""

    title: str
    path: str
    """Where the file lies, below data/."""
    sha256: str


class Each(Protocol):
    """Does a list of jobs: `map`, or that of a pool of processes."""

    def __call__(self, function: Callable[[T], R], jobs: Iterable[T], /) -> Iterable[R]:
        """Return what `function` makes of each job, in order."""


def to_cards(scans: Sequence[Mapping[str, Any]]) -> dict[str, Card]:
    """Choose what the pages say of each stored scan.

    Args:
        scans: Rows of the scans manifest.

    Returns:
        A card for each stored scan, by its id; one without a title bears the id.
    """
    return {
        row["scan_id"]: Card(row["title"] or row["scan_id"], row["path"], row["sha256"])
        for row in scans
        if row["state"] == "stored"
    }


def to_link(path: str) -> str:
    """Give the address of a scan as seen from a page two folders below the project.

    Args:
        path: Below data/, such as "scans/loc/ppmsc/06712v.jpg".
    """
    return f"../{quote(path)}"


def write_page(path: Path, template: str, *, about: Mapping[str, Any], data: Any) -> None:
    """Draw a page and write it.

    Args:
        path: Where it stands afterwards.
        template: Its name among this package's templates.
        about: What the template is given.
        data: What the page's script is given; anything that JSON can say.

    Raises:
        OSError: If the disk refuses.
    """
    environment = Environment(
        loader=PackageLoader("preprocess"), autoescape=True, undefined=StrictUndefined
    )
    # In a script element nothing is escaped, and only "<" can end it or open a comment.
    script = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    text = environment.get_template(template).render(about, data=script, weight=_WEIGHT)
    content = text.encode()
    write_bytes(path, content.replace(_WEIGHT.encode(), say_size(len(content)).encode()))


def write_jpeg(path: Path, picture: Image.Image, *, quality: int) -> None:
    """Write a picture of a page, whole or not at all.

    It is packed in memory first: on a full disk Pillow's own writing stops short and says nothing.

    Args:
        path: Where it stands afterwards.
        picture: RGB.
        quality: Of the JPEG, 1..100; colours are kept at full size.

    Raises:
        OSError: If the disk refuses.
    """
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=quality, subsampling=0)
    write_bytes(path, packed.getvalue())


def say_size(count: float) -> str:
    """Write a number of bytes for people, such as "1.2 MB"."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
