"""Pure: the IIIF image service, as far as whole pictures in other sizes go (Image API 2.1)."""

import re
from enum import StrEnum
from typing import Any

from replica.chance import rng_of
from replica.names import IIIF, TILE
from replica.records import Resource

_SIZE = re.compile(
    r"(?P<pct>pct:\d+(\.\d+)?)|(?P<fit>!?)(?P<width>\d*),(?P<height>\d*)|(?P<full>full|max)"
)


class ServiceState(StrEnum):
    """What the service has of a scan."""

    READY = "ready"
    TOO_LARGE = "too large"
    ABSENT = "absent"


def state_of(resource: Resource) -> ServiceState:
    """Say what the service has of a scan: 4 % of the masters are too large, 4 % not there.

    Both have been seen of the Library's (loc/FACTS.md, a6); how many there are, has not.
    """
    chance = rng_of(f"{resource.digital_id}/iiif").random()
    if chance < 0.04:
        return ServiceState.TOO_LARGE
    return ServiceState.ABSENT if chance < 0.08 else ServiceState.READY


def parse_image(rest: str) -> str:
    """Read what stands after the image's name, "full/!843,843/0/default.jpg".

    Returns:
        The size, "!843,843".

    Raises:
        ValueError: If a part, a rotation, another quality or format is asked for: the replica
            has none.
    """
    parts = rest.split("/")
    if len(parts) != 4 or (parts[0], *parts[2:]) != ("full", "0", "default.jpg"):
        raise ValueError(f"expected full/<size>/0/default.jpg, got {rest!r}")
    return parts[1]


def find_size(size: str, width: int, height: int) -> tuple[int, int]:
    """Find the pixels of a picture that is asked for; never more than there are.

    Args:
        size: "!w,h", "w,", ",h", "w,h", "pct:n", "full" or "max".
        width: Of the whole, in pixels.
        height: Of the whole.

    Returns:
        Width and height.

    Raises:
        ValueError: If `size` is of another form, or nothing would be left.
    """
    match = _SIZE.fullmatch(size)
    if match is None or size in (",", "!,") or min(width, height) < 1:
        raise ValueError(f"expected a size such as '!843,843', '843,' or 'pct:25', got {size!r}")
    if match["full"]:
        return width, height
    if match["pct"]:
        scale = float(match["pct"][4:]) / 100
        found = (width * scale, height * scale)
    else:
        found = _within(match, width, height)
    if min(found) <= 0:
        raise ValueError(f"expected a size above 0, got {size!r}")
    return min(width, max(1, round(found[0]))), min(height, max(1, round(found[1])))


def _within(match: re.Match[str], width: int, height: int) -> tuple[float, float]:
    across = int(match["width"]) / width if match["width"] else None
    down = int(match["height"]) / height if match["height"] else None
    if across is not None and down is not None:
        if not match["fit"]:
            return width * across, height * down
        across = down = min(across, down, 1.0)
    scale = across if across is not None else down
    assert scale is not None  # one of them was given
    return width * scale, height * scale


def info_of(name: str, width: int, height: int) -> dict[str, Any]:
    """Make an image's info.json, as recorded (loc/iiif_info_master_3b49078u.json).

    Args:
        name: Such as "master:pnp:ppmsc:06700:06712u".
        width: Pixels.
        height: Pixels.
    """
    sizes = ["sizeByH", "sizeByPct", "sizeByW", "sizeByWh", "sizeByWhListed", "sizeByForcedWh"]
    profile = {
        "formats": ["jpg", "txt", "jp2", "tif", "pdf", "gif", "png", "webp"],
        "qualities": ["default", "native", "color", "gray", "bitonal"],
        "supports": ["baseUriRedirect", "cors", "jsonldMediaType", *sizes],
    }
    return {
        "@context": "http://iiif.io/api/image/2/context.json",
        "@id": f"{TILE}{IIIF}/{name}",
        "protocol": "http://iiif.io/api/image",
        "height": height,
        "width": width,
        "tiles": [{"width": 512, "scaleFactors": [1]}],
        "profile": ["http://iiif.io/api/image/2/level2.json", profile],
    }
