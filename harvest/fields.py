"""Pure: read single fields of a record, where one value may be a string, a list or an object."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from bs4 import BeautifulSoup
from bs4.exceptions import ParserRejectedMarkup

_REPRODUCTION = re.compile(r"\b(?<!-)(LC-[A-Z0-9][A-Za-z0-9-]*)\s*\(([^()]*)\)")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_UNFINISHED_TAG = re.compile(r"<[A-Za-z!?/]")
MOST_CHARACTERS = 20_000
"""Of one text; those of the Library have under 3,000. Much longer ones take hours to read."""

MOST_HTML = 2_000_000
"""Characters of a web page: the older site's grid has a hundred items on a page at most, so this
leaves 20,000 for each."""

_NEGATIVE = re.compile(r"\bneg", re.IGNORECASE)
_MAX_SIDE_PX = 1_000_000
_MAX_BYTES = 2**53


def to_texts(value: Any, *, depth: int = 4) -> tuple[str, ...]:
    """Read a field that may be one string, a list, objects, or missing.

    Args:
        value: Anything that JSON holds. Of an object, its `title` counts, else its first
            key, as in {"alabama": "https://..."}.
        depth: Levels of lists and objects that are looked into.

    Returns:
        The texts that are not empty, stripped, in order, each cut at MOST_CHARACTERS; what
        cannot be written as UTF-8 is "?", and a control character is U+FFFD.
    """
    if isinstance(value, str):
        written = value[:MOST_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
        text = _CONTROL.sub("\ufffd", written).strip()
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
    """Read a title, normalised.

    White space becomes single, letters and their accents one character each (NFC); the
    slash that older records end with goes, and so do the brackets around a whole title that
    the Library devised. "[Imatra, Russia, (i.e., Finland)]" keeps the round ones.
    """
    title = " ".join(unicodedata.normalize("NFC", to_text(value)).split())
    title = title.removesuffix(" /").rstrip()
    inner = re.fullmatch(r"\[([^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*)\]\.?", title)
    return inner[1].strip() if inner and inner[1].strip() else title


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
            for number, caption in _REPRODUCTION.findall(_to_plain(text)):
                captions.setdefault(number, " ".join(caption.split()))
    return captions


def is_negative(caption: str) -> bool:
    """Say whether a caption names a black-and-white copy negative."""
    found = re.search(r"\bb\s*&\s*w\b", caption, re.IGNORECASE)
    return found is not None and _NEGATIVE.search(caption, found.end()) is not None


def to_numbers(value: Any) -> str:
    """Read reproduction numbers, one a line, though one text may hold several in a row."""
    return re.sub(r"\)[\s;,]+(?=LC-)", ")\n", to_text(value, separator="\n"))


def to_soup(html: str) -> BeautifulSoup:
    """Read HTML, however broken.

    A tag or a comment at the end that is not closed is left out: from each place where one
    may begin, the parser looks for its end.

    Raises:
        ValueError: If it cannot be read at all, or is longer than MOST_HTML.
    """
    if len(html) > MOST_HTML:
        raise ValueError(f"expected HTML, at most {MOST_HTML} characters, got {len(html)}")
    comment = html.find("<!--", html.rfind("-->") + 1)
    html = html if comment < 0 else html[:comment]
    tag = _UNFINISHED_TAG.search(html, html.rfind(">") + 1)
    try:
        return BeautifulSoup(html[: tag.start()] if tag else html, "html.parser")
    except (ParserRejectedMarkup, RecursionError) as exc:
        raise ValueError(f"expected HTML, got {len(html)} characters unread ({exc})") from exc


def _to_plain(text: str) -> str:
    """Read the text of what may be HTML; only text that can hold a number is worth it."""
    if "<" not in text or "LC-" not in text:
        return text
    try:
        return to_soup(text).get_text(" ")
    except (ValueError, RecursionError):
        return text


def _to_count(value: Any, *, limit: int) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,16}", value.strip()):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 < value <= limit else None
