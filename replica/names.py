"""Where loc.gov keeps what: addresses and folder rules (loc/FACTS.md, a6)."""

WWW = "https://www.loc.gov"
TILE = "https://tile.loc.gov"
SLUG = "photochrom-prints"
STORAGE = "/storage-services"
IIIF = "/image-services/iiif"

_FOLDER_STEPS = {"cph": (10_000, 1_000, 100), "det": (10_000, 1_000, 100), "fsac": (1_000, 100)}
"""Numbers to which an id is floored, one folder each; every other bucket has one, of 100."""


def folders_of(digital_id: str) -> str:
    """Find the folders of a digital id.

    Args:
        digital_id: Bucket, dot and id: "ppmsca.18256", "cph.3b49078".

    Returns:
        The path below `pnp/` without the last name: "ppmsca/18200",
        "cph/3b40000/3b49000/3b49000".
    """
    bucket, _, name = digital_id.partition(".")
    prefix = name[:2] if not name[:2].isdigit() else ""
    digits = name[len(prefix) :]
    steps = _FOLDER_STEPS.get(bucket, (100,))
    floors = [f"{prefix}{int(digits) // step * step:0{len(digits)}d}" for step in steps]
    return "/".join([bucket, *floors])


def path_of(digital_id: str, suffix: str) -> str:
    """Give the path of one rendition on tile.loc.gov.

    Args:
        digital_id: Such as "ppmsc.06712".
        suffix: "_150px.jpg", "t.gif", "r.jpg", "v.jpg" or "u.tif".

    Returns:
        The absolute path, "/storage-services/service/pnp/ppmsc/06700/06712v.jpg".
    """
    branch = "master" if suffix == "u.tif" else "service"
    name = digital_id.partition(".")[2]
    return f"{STORAGE}/{branch}/pnp/{folders_of(digital_id)}/{name}{suffix}"


def url_of(digital_id: str, suffix: str) -> str:
    """Give the canonical address of one rendition on tile.loc.gov."""
    return TILE + path_of(digital_id, suffix)


def iiif_id(digital_id: str, *, master: bool) -> str:
    """Give the name of an image in the IIIF service.

    Args:
        digital_id: Such as "ppmsc.06712".
        master: The master, else the service file of 1,024 px.

    Returns:
        "master:pnp:ppmsc:06700:06712u", or "service:pnp:ppmsc:06700:06712".
    """
    folders, name = folders_of(digital_id).replace("/", ":"), digital_id.partition(".")[2]
    return f"master:pnp:{folders}:{name}u" if master else f"service:pnp:{folders}:{name}"


def resource_url(digital_id: str) -> str:
    """Give the address of a resource's page on www.loc.gov."""
    return f"{WWW}/resource/{digital_id}/"


def item_url(item_id: str) -> str:
    """Give the address of an item's page on www.loc.gov."""
    return f"{WWW}/item/{item_id}/"


def picture_url(item_id: str) -> str:
    """Give the address of an item's page on the older site."""
    return f"{WWW}/pictures/item/{item_id}/"


def collection_url() -> str:
    """Give the address of the collection's listing."""
    return f"{WWW}/collections/{SLUG}/"
