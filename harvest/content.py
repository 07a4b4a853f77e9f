"""Pure: the bytes of an answer as JSON or as text, whatever they hold."""

import json
from collections.abc import Mapping
from email.message import Message
from typing import Any, NoReturn

MOST_LEVELS = 64
"""The Library's replies have about ten levels; what is nested deeper was not made by it, and
would exhaust the stack of whoever walks through it."""


def parse_json(content: bytes) -> Any:
    """Parse JSON as RFC 8259 has it: UTF-8, no NaN, no infinity, not too deep.

    Args:
        content: The whole answer.

    Raises:
        ValueError: If it is something else.
    """
    try:
        data = json.loads(content, parse_constant=_refuse)
    except RecursionError as exc:
        raise ValueError(f"nested deeper than {MOST_LEVELS} levels") from exc
    _check_depth(data)
    return data


def to_text(content: bytes, headers: Mapping[str, str]) -> str:
    """Decode a web page by the charset that its header names, else as UTF-8.

    Args:
        content: The whole answer.
        headers: By any case, as requests gives them.

    Returns:
        The text; bytes that mean nothing in the charset are replaced.
    """
    message = Message()
    message["Content-Type"] = headers.get("Content-Type", "").replace("\n", " ").replace("\r", " ")
    charset = message.get_param("charset") or ""
    try:
        return content.decode(str(charset) or "utf-8", errors="replace")
    except (LookupError, ValueError):  # no charset, or none of text
        return content.decode("utf-8", errors="replace")


def _refuse(value: str) -> NoReturn:
    raise ValueError(f"{value} is no JSON")


def _check_depth(data: Any) -> None:
    """Walk through the levels, one after the other."""
    level = [data]
    for _ in range(MOST_LEVELS):
        level = [
            member
            for node in level
            if isinstance(node, dict | list)
            for member in (node.values() if isinstance(node, dict) else node)
            if isinstance(member, dict | list)
        ]
        if not level:
            return
    raise ValueError(f"nested deeper than {MOST_LEVELS} levels")
