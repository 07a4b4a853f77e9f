"""Pure: honest answers made wrong."""

import functools
import io
import json
import warnings
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from replica.answers import Answer
from replica.faults import FaultRule
from replica.kinds import Kind, amount_for

GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
BOMB_STEP_MIB = 16
_VALIDATORS = ("etag", "last-modified", "accept-ranges")


def spoil(rule: FaultRule, honest: Answer) -> Answer | None:
    """Make an honest answer wrong.

    Args:
        rule: The fault.
        honest: What would be served.

    Returns:
        What is served; None when this fault cannot be done to this answer.
    """
    spoiler = _SPOILERS.get(rule.kind)
    if spoiler is None or honest.status != 200:
        return None
    return spoiler(honest, rule.amount or amount_for(rule.kind) or 0)


def can_spoil(kind: Kind) -> bool:
    """Say whether a fault is of this sort."""
    return kind in _SPOILERS


def bomb(mebibytes: int) -> Iterator[bytes]:
    """Give a gzip-coded body that unpacks to so many MiB of zeros.

    Its end is left out, which nobody should live to see.
    """
    first, again = pack_zeros()
    yield GZIP_HEADER + first
    for _ in range(mebibytes // BOMB_STEP_MIB - 1):
        yield again


@functools.cache
def pack_zeros() -> tuple[bytes, bytes]:
    """Pack a step of zeros: as a body begins, and as it goes on, again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    zeros = bytes(BOMB_STEP_MIB * 2**20)
    first, again = (packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first, again


def _with_body(honest: Answer, body: bytes, **changed: str) -> Answer:
    """Change the body and some headers; what validated the honest body goes."""
    new = {name.replace("_", "-"): value for name, value in changed.items()}
    kept = [(k, v) for k, v in honest.headers if k not in _VALIDATORS and k not in new]
    return Answer(honest.status, (*kept, *new.items()), body)


def _garbage(honest: Answer, _: int) -> Answer | None:
    rng = np.random.default_rng(zlib.crc32(honest.body))
    return _with_body(honest, rng.bytes(len(honest.body)))


def _truncated(honest: Answer, _: int) -> Answer | None:
    return _with_body(honest, honest.body[: len(honest.body) // 2])


def _wrong_size(honest: Answer, _: int) -> Answer | None:
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(honest.body)) as image:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            kind = image.format
            small = image.resize((max(1, image.width // 2), max(1, image.height // 2)))
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError):
        return None
    stream = io.BytesIO()
    small.save(stream, kind)
    return _with_body(honest, stream.getvalue())


def _broken_json(honest: Answer, _: int) -> Answer | None:
    if not _is_json(honest):
        return None
    return _with_body(honest, honest.body[: len(honest.body) * 2 // 3])


def _deep_json(honest: Answer, levels: int) -> Answer | None:
    if not _is_json(honest):
        return None
    return _with_body(honest, b'{"results": ' + b"[" * levels + b"]" * levels + b"}")


def _wrong_charset(honest: Answer, _: int) -> Answer | None:
    body = honest.body.decode().encode("latin-1", "replace")
    if body.isascii():
        return None
    kind = dict(honest.headers).get("content-type", "").partition(";")[0]
    return _with_body(honest, body, content_type=f"{kind}; charset=utf-8")


def _empty_page(honest: Answer, _: int) -> Answer | None:
    if not _is_json(honest):
        return None
    page = json.loads(honest.body)
    page["results"] = []
    if isinstance(page.get("pagination"), dict):
        page["pagination"] |= {"of": 0, "from": 0, "to": 0, "results": "0 - 0", "total": 1}
        page["pagination"] |= {"next": None, "last": None, "page_list": []}
    if isinstance(page.get("content"), dict):
        page["content"] |= {"results": [], "pagination": page.get("pagination")}
    if isinstance(page.get("search"), dict):
        page["search"] |= {"hits": 0}
    if isinstance(page.get("pages"), dict):
        page["pages"] |= {"total": 0, "next": None, "last": None}
    return _with_body(honest, _dump(page), cache_control="no-cache, max-age=0")


def _rows_missing(honest: Answer, _: int) -> Answer | None:
    return _with_rows(honest, lambda rows: rows[:-1])


def _rows_repeated(honest: Answer, _: int) -> Answer | None:
    return _with_rows(honest, lambda rows: [*rows[:-1], rows[0]])


def _with_rows(honest: Answer, change: Callable[[list[Any]], list[Any]]) -> Answer | None:
    page = json.loads(honest.body) if _is_json(honest) else {}
    if not page.get("results"):
        return None
    page["results"] = change(page["results"])
    return _with_body(honest, _dump(page))


def _is_json(answer: Answer) -> bool:
    return dict(answer.headers).get("content-type", "").startswith("application/json")


def _dump(page: Any) -> bytes:
    return json.dumps(page, ensure_ascii=False).encode()


_SPOILERS: dict[Kind, Callable[[Answer, int], Answer | None]] = {
    Kind.GARBAGE: _garbage,
    Kind.TRUNCATED: _truncated,
    Kind.WRONG_SIZE: _wrong_size,
    Kind.BROKEN_JSON: _broken_json,
    Kind.DEEP_JSON: _deep_json,
    Kind.WRONG_CHARSET: _wrong_charset,
    Kind.EMPTY_PAGE: _empty_page,
    Kind.ROWS_MISSING: _rows_missing,
    Kind.ROWS_REPEATED: _rows_repeated,
}
