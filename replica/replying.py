"""What the services of www.loc.gov have in common: reading queries, writing JSON."""

import json
from typing import Any

from starlette.responses import Response

from replica.replies import NOT_FOUND


def to_number(text: str | None, default: int) -> int:
    """Read a positive number of the query; anything else counts as not given."""
    good = text and len(text) < 10 and text.isascii() and text.isdigit() and int(text) > 0
    return int(text) if text and good else default


def to_json(reply: dict[str, Any], status: int = 200) -> Response:
    """Answer in JSON that may be kept for a day."""
    body = json.dumps(reply, ensure_ascii=False).encode()
    headers = {"cache-control": "public, max-age=86400"}
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def not_found() -> Response:
    """Answer that there is no such thing."""
    return to_json(NOT_FOUND, status=404)
