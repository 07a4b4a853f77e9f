"""Pure: which of the Library's services an address belongs to."""

from enum import StrEnum

from replica.names import IIIF, SLUG, STORAGE

ABOUT = "/.replica/about"
"""Where the replica says what it shows; no path of the Library's."""


class Route(StrEnum):
    """One kind of address, for the log and for fault plans."""

    ROBOTS = "robots"
    LISTING = "listing"
    ITEM = "item"
    RESOURCE = "resource"
    FILE = "file"
    IIIF = "iiif"
    SEARCH = "search"
    PICTURE_ITEM = "picture_item"
    ABOUT = "about"
    OTHER = "other"


JSON_ROUTES = frozenset(
    {Route.LISTING, Route.ITEM, Route.RESOURCE, Route.SEARCH, Route.PICTURE_ITEM}
)
"""Routes whose answers may be JSON."""

_PREFIXES = (
    (f"/collections/{SLUG}/", Route.LISTING),
    ("/item/", Route.ITEM),
    ("/resource/", Route.RESOURCE),
    (f"{STORAGE}/", Route.FILE),
    (f"{IIIF}/", Route.IIIF),
    ("/pictures/search/", Route.SEARCH),
    ("/pictures/item/", Route.PICTURE_ITEM),
    ("/pictures/collection/pgz/item/", Route.PICTURE_ITEM),
)


def route_of(path: str) -> Route:
    """Tell the route of a path, whichever host it is asked of.

    Args:
        path: Decoded, without the query.
    """
    if path == "/robots.txt":
        return Route.ROBOTS
    if path == ABOUT:
        return Route.ABOUT
    return next((route for prefix, route in _PREFIXES if path.startswith(prefix)), Route.OTHER)
