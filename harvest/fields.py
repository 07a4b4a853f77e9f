"""Pure: read single fields of a record, where one value may be a string, a list or an object."""

import re
from collections.abc import Mapping
from typing import Any

from bs4 import BeautifulSoup

_REPRODUCTION = re.compile(r"\b(LC-[A-Z0-9][A-Za-z0-9-]*)\s*\(([^()]*)\)")
_MAX_SIDE_PX = 1_000_000
_MAX_BYTES = 2**53


def to_texts(value: Any, *, depth: int = 4) -> tuple[str, ...]:
    """Read a field that may be one string, a list, objects, or missing.

    Args:
        value: Anything that JSON holds. Of an object, its `title` counts, else its first
            key, as in {"alabama": "https://..."}.
        depth: Levels of lists and objects that are looked into.

    Returns:
        The texts that are not empty, stripped, in order.
    """
    if isinstance(value, str):
        text = value.encode("utf-8", "replace").decode("utf-8").strip()
        return (text,) if text else ()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (str(value),)
    if depth == 0:
        return ()
    if isinstance(value, list):
        return tuple(text for part in value for text in to_texts(part, depth=depth - 1))
    if isinstance(value, Mapping):
        inner = value["title"] if "title" in value else next(iter(value), "")
        return to_texts(inner, depth=depth - 1)
    return ()


def to_text(value: Any, *, separator: str = "; ") -> str:
    """Read a field as one text; several values are joined."""
    return separator.join(to_texts(value))


def to_mapping(value: Any) -> Mapping[str, Any]:
    """Read a field that should be an object; anything else reads as an empty one."""
    return value if isinstance(value, Mapping) else {}


def to_title(value: Any) -> str:
    """Read a title, without the slash that older records end with."""
    return to_text(value).removesuffix(" /").rstrip()


def to_date(value: Any) -> str:
    """Read a date as stated, without a bracket whose partner was cut off.

    "between 1941 and 1943]" loses its bracket, "[ca. 1916]" keeps both.
    """
    date = to_text(value)
    if date.count("[") == date.count("]"):
        return date
    return date.replace("[", "").replace("]", "").strip()


def to_side(value: Any) -> int | None:
    """Read a width or height in pixels; None when it is none."""
    return _to_count(value, limit=_MAX_SIDE_PX)


def to_size(value: Any) -> int | None:
    """Read a size in bytes; None when it is none."""
    return _to_count(value, limit=_MAX_BYTES)


def to_fragment_sides(url: str) -> tuple[int | None, int | None]:
    """Read width and height out of a fragment such as "#h=640&w=498"."""
    pairs = dict(re.findall(r"(?:^|&)([hw])=([0-9]{1,7})(?=&|$)", url.partition("#")[2]))
    return to_side(pairs.get("w")), to_side(pairs.get("h"))


def to_captions(*values: Any) -> dict[str, str]:
    """Read which reproduction number has which caption.

    Args:
        values: `reproductions` (HTML) and `reproduction_number` (text), in whatever shape.

    Returns:
        Captions by number, as in {"LC-USZ62-95830": "b&w film copy neg."}.
    """
    captions: dict[str, str] = {}
    for value in values:
        for text in to_texts(value):
            plain = BeautifulSoup(text, "html.parser").get_text(" ") if "<" in text else text
            for number, caption in _REPRODUCTION.findall(plain):
                captions.setdefault(number, " ".join(caption.split()))
    return captions


def is_negative(caption: str) -> bool:
    """Say whether a caption names a black-and-white copy negative."""
    return re.search(r"\bb\s*&\s*w\b.*\bneg", caption, re.IGNORECASE) is not None


def _to_count(value: Any, *, limit: int) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,16}", value.strip()):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 < value <= limit else None
