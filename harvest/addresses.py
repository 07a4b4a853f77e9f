"""Pure: the Library's addresses, in all their older forms, and what a file's name says."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from harvest.records import Kind

WWW = "www.loc.gov"
TILE = "tile.loc.gov"
HOSTS = (WWW, TILE)

_STORAGE_ALIASES = {
    "cdn.loc.gov": re.compile(r"^/((?:service|master)/.+)$"),
    "lcweb2.loc.gov": re.compile(r"^/(?:storage-services/)?((?:service|master)/.+)$"),
    "memory.loc.gov": re.compile(r"^/((?:service|master)/.+)$"),
    WWW: re.compile(r"^/pictures/cdn/((?:service|master)/.+)$"),
}
_FILE = re.compile(
    rf"^https://{re.escape(TILE)}/storage-services/(?:service|master)/pnp/"
    r"(?P<bucket>[a-z0-9]{1,16})/(?P<folders>(?:[a-zA-Z0-9_-]{1,32}/){0,6})"
    r"(?P<name>[a-zA-Z0-9_-]{1,48}?)"
    r"(?P<suffix>_75x75px\.jpg|_150px\.jpg|t\.gif|r\.jpg|v\.jpg|[ua]\.tif)$"
)
_KINDS = {
    "_75x75px.jpg": Kind.SQUARE,
    "_150px.jpg": Kind.THUMB,
    "t.gif": Kind.THUMB,
    "r.jpg": Kind.R,
    "v.jpg": Kind.V,
    "u.tif": Kind.MASTER,
    "a.tif": Kind.MASTER,
}
_IIIF = re.compile(
    rf"^https://{re.escape(TILE)}/image-services/iiif/(?P<level>service|master):pnp:"
    r"(?P<bucket>[a-z0-9]{1,16}):(?P<folders>(?:[a-zA-Z0-9_-]{1,32}:){0,6})"
    r"(?P<name>[a-zA-Z0-9_-]{1,48})/[^?#]+/default\.jpg$"
)
_DIGITAL_ID = re.compile(r"[a-z0-9]{1,16}\.[a-zA-Z0-9_-]{1,48}")
_ITEM_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,47}")
_PICTURE = re.compile(
    rf"^https://{re.escape(WWW)}/pictures/(?:collection/[a-z0-9]+/)?item/([^/?]+)(?:[/?]|$)"
)
_NAMING = re.compile(
    rf"^https://(?:{re.escape(WWW)}/(?:item|resource|pictures/item|pictures/collection/[^/]*/item)"
    rf"/|{re.escape(TILE)}/storage-services/(?:service|master)/pnp/.*\.(?:jpg|gif|tif)$)"
)


@dataclass(frozen=True, slots=True)
class Stem:
    """What the files of one resource have in common.

    Attributes:
        bucket: Such as "ppmsc".
        folders: Such as "06700/".
        name: Such as "06712".
    """

    bucket: str
    folders: str
    name: str

    @property
    def digital_id(self) -> str:
        """The resource's digital id, such as "ppmsc.06712"."""
        return f"{self.bucket}.{self.name}"

    def to_url(self, kind: Kind) -> str:
        """Derive the address of a rendition from the storage's folder rule.

        Args:
            kind: V, R or MASTER.
        """
        level, suffix = ("master", "u.tif") if kind is Kind.MASTER else ("service", f"{kind}.jpg")
        folder = f"https://{TILE}/storage-services/{level}/pnp/{self.bucket}/{self.folders}"
        return f"{folder}{self.name}{suffix}"

    def to_iiif_url(self, pixels: int) -> str:
        """Derive the address under which the image server makes a picture of the master.

        It is IIIF Image 2: the whole, fitted into a square, not turned, as JPEG.

        Args:
            pixels: Longest side.

        Raises:
            ValueError: If `pixels` is not positive.
        """
        if pixels <= 0:
            raise ValueError(f"pixels: expected a positive number, got {pixels}")
        path = f"{self.bucket}:{self.folders.replace('/', ':')}{self.name}u"
        server = f"https://{TILE}/image-services/iiif"
        return f"{server}/master:pnp:{path}/full/!{pixels},{pixels}/0/default.jpg"


def to_canonical(url: str) -> str | None:
    """Bring an address of the Library into its one canonical form.

    The scheme becomes https, the fragment goes, and old names of the storage host become
    tile.loc.gov.

    Args:
        url: As it stands in a record: absolute, http or https, or without scheme (//...).

    Returns:
        The canonical address, or None when it is no address of a host we may ask.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return None
    if parts.scheme not in ("", "http", "https") or parts.username is not None:
        return None
    if port not in (None, 80, 443):
        return None
    alias = _STORAGE_ALIASES.get(host)
    if alias is not None and (match := alias.match(parts.path)):
        return f"https://{TILE}/storage-services/{match[1]}"
    host = WWW if host == "loc.gov" else host
    if host not in HOSTS:
        return None
    return f"https://{host}{parts.path or '/'}" + (f"?{parts.query}" if parts.query else "")


def to_stem(url: str) -> tuple[Stem, Kind] | None:
    """Read an image's canonical address.

    Args:
        url: From `to_canonical`.

    Returns:
        The resource's stem and the file's kind; None for an icon or any other file.
    """
    if match := _FILE.match(url):
        return Stem(match["bucket"], match["folders"], match["name"]), _KINDS[match["suffix"]]
    if match := _IIIF.match(url):
        # The image server names the master's file, whose name ends with a letter of its own.
        name = match["name"].removesuffix("u") if match["level"] == "master" else match["name"]
        return (Stem(match["bucket"], match["folders"].replace(":", "/"), name), Kind.IIIF)
    return None


def to_resource_id(url: str) -> str | None:
    """Read the digital id out of a resource's address.

    Args:
        url: Such as "https://www.loc.gov/resource/cph.3b49078/".

    Returns:
        Such as "cph.3b49078"; None when the address is of another kind.
    """
    return _last_part(url, "resource", _DIGITAL_ID)


def to_item_id(url: str) -> str | None:
    """Read the LCCN out of an item's address.

    Args:
        url: Such as "http://www.loc.gov/item/98518971/".

    Returns:
        Such as "98518971"; None when the address is of another kind, or the id could name
        another folder on a disk, or is longer than 48 characters (an LCCN has 8 to 12).
    """
    return _last_part(url, "item", _ITEM_ID)


def to_picture_id(url: str) -> str | None:
    """Read the LCCN out of an address on the older site that lies at or below an item.

    Args:
        url: Such as "//www.loc.gov/pictures/collection/pgz/item/98518971/".

    Returns:
        As `to_item_id`.
    """
    match = _PICTURE.match(to_canonical(url) or "")
    return match[1] if match and _ITEM_ID.fullmatch(match[1]) else None


def check_item_id(item_id: str) -> str:
    """Return an id that is safe as a file's name and in an address.

    Raises:
        ValueError: If it is not.
    """
    if not _ITEM_ID.fullmatch(item_id):
        raise ValueError(f"expected an LCCN such as 2001697000, got {item_id[:60]!r}")
    return item_id


def has_bad_id(url: str) -> bool:
    """Say whether an address is that of an item, a resource or its file, with no id we accept.

    So are ids with "..", a NUL or too many characters, and bare paths in place of an address.
    """
    canonical = to_canonical(url)
    if canonical is None:
        return not is_foreign(url) and bool(url)
    named = to_item_id(canonical) or to_resource_id(canonical) or to_picture_id(canonical)
    return bool(_NAMING.match(canonical)) and not named and to_stem(canonical) is None


def is_foreign(url: str) -> bool:
    """Say whether an address has a scheme or a host, and is none of the Library's."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return True
    return bool(parts.scheme or parts.netloc) and to_canonical(url) is None


def _last_part(url: str, route: str, pattern: re.Pattern[str]) -> str | None:
    canonical = to_canonical(url)
    if canonical is None:
        return None
    match = re.match(rf"^https://{re.escape(WWW)}/{route}/([^/?]+)/?(?:\?.*)?$", canonical)
    return match[1] if match and pattern.fullmatch(match[1]) else None
