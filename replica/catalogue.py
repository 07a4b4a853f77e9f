"""Pure: from a seed to the listing of a generated collection.

Roles are dealt in blocks of twelve items, so that a small collection has some of
everything, and item i depends on the seed, on i and on items before i alone.
"""

from functools import lru_cache

from replica.chance import rng_of
from replica.dates import USUAL, date_of
from replica.places import SUBJECTS, title_of
from replica.records import DrawnScan, Print, Resource, Role, Row, RowKind, View

BLOCK = 12
KINDS = tuple(SUBJECTS)


def list_rows(items: int, seed: int) -> tuple[Row, ...]:
    """List the rows of a generated collection.

    Args:
        items: Item rows with an image.
        seed: Decides everything.

    Returns:
        The rows in the order of the listing: the items, with rows that are no items and items
        without an image between them.

    Raises:
        ValueError: If `items` is not positive.
    """
    if items <= 0:
        raise ValueError(f"items: expected a positive number, got {items}")
    rows = [_collection_row(seed)]
    for index in range(items):
        rows.append(item_row(seed, index))
        rows += _odd_rows(seed, index)
    return tuple(rows)


@lru_cache(maxsize=65_536)
def item_row(seed: int, index: int) -> Row:
    """Make item `index` (from 0) of the collection of `seed`."""
    key = f"{seed}/item/{index}"
    rng = rng_of(f"{key}/record")
    sheet = print_of(seed, index)
    part = parts_of(seed, index)
    title, place = title_of(sheet.view.kind, rng_of(f"{sheet.view.detail}/title"))
    modern = bool(rng.random() < 0.25)
    bucket = "ppmsca" if modern else "ppmsc"
    number = 5000 + 2 * index
    has_v = rng.random() >= 0.04
    rescan = part == "rescan"
    resources = [_colour_resource(f"{bucket}.{number:05d}", sheet, f"{key}/scan", rescan, has_v)]
    if _deal(seed, index, "second")[index % BLOCK] == "negative":
        resources.append(
            _negative_resource(f"cph.3b{10_000 + index:05d}", sheet, f"{key}/negative")
        )
    elif _deal(seed, index, "second")[index % BLOCK] == "colour":
        second = f"{bucket}.{number + 1:05d}"
        resources.append(_colour_resource(second, sheet, f"{key}/second", True, True))
    return Row(
        kind=RowKind.ITEM,
        item_id=str((2_017_650_000 if modern else 2_001_697_000) + index),
        title=title,
        place=place,
        number=sheet.number,
        date=date_of(rng_of(f"{key}/date")),
        resources=tuple(resources),
        quirks=f"{key}/quirks",
    )


@lru_cache(maxsize=65_536)
def print_of(seed: int, index: int) -> Print:
    """Make the print of item `index`: a new one, or that of an earlier item."""
    part = parts_of(seed, index)
    rng = rng_of(f"{seed}/item/{index}/print")
    number = int(rng.integers(1000, 17_999))
    if part == "rescan":
        return print_of(seed, int(rng.integers(index)))
    if part == "variant":
        base = print_of(seed, int(rng.integers(index)))
        trim = tuple(float(t) for t in rng.uniform(0.0, 0.045, 4))
        return Print(
            print_id=f"print-{index:05d}",
            view=base.view,
            inks=f"{seed}/item/{index}/inks",
            monochrome=bool(rng.random() < 0.2),
            number=number,
            trim=(trim[0], trim[1], trim[2], trim[3]),
        )
    return Print(
        print_id=f"print-{index:05d}",
        view=_view_of(seed, index),
        inks=f"{seed}/item/{index}/inks",
        monochrome=False,
        number=number,
        trim=(0.0, 0.0, 0.0, 0.0),
    )


def parts_of(seed: int, index: int) -> str:
    """Say where the print of item `index` comes from: new, lookalike, variant or rescan."""
    return "new" if index == 0 else _deal(seed, index, "print")[index % BLOCK]


@lru_cache(maxsize=16_384)
def _dealt(seed: int, block: int, what: str) -> tuple[str, ...]:
    rng = rng_of(f"{seed}/block/{block}/{what}")
    if what == "print":
        hand = ["rescan"] + ["variant"] * (block % 2 == 0) + ["lookalike"] * (block % 5 == 0)
        hand += ["new"] * (BLOCK - len(hand))
    elif what == "second":
        hand = ["negative"] * (2 if block % 3 != 2 else 1) + ["colour"] * (block % 2 == 1)
        hand += ["none"] * (BLOCK - len(hand))
    else:
        hand = list(KINDS)
    order = rng.permutation(BLOCK)
    if block == 0 and what == "print":  # item 0 has no earlier item to go back to
        order[order == 0], order[0] = order[0], 0
        hand.insert(0, hand.pop())
    return tuple(hand[i] for i in order)


def _deal(seed: int, index: int, what: str) -> tuple[str, ...]:
    return _dealt(seed, index // BLOCK, what)


def _view_of(seed: int, index: int) -> View:
    own = f"{seed}/view/{index}"
    kind = _deal(seed, index, "kind")[index % BLOCK]
    layout = f"{own}/layout"
    if parts_of(seed, index) == "lookalike":
        twin = print_of(seed, int(rng_of(f"{own}/twin").integers(index))).view
        kind, layout = twin.kind, twin.layout
    rng = rng_of(f"{layout}/shape")
    portrait = bool(rng.random() < 0.16)
    aspect = float(rng.uniform(0.71, 0.762))
    place = title_of(kind, rng_of(f"{own}/detail/title"))[1].rpartition("--")[2]
    return View(f"view-{index:05d}", kind, layout, f"{own}/detail", portrait, aspect, place)


def _colour_resource(
    digital_id: str, sheet: Print, key: str, rescan: bool, has_v: bool
) -> Resource:
    return Resource(
        digital_id=digital_id,
        caption="digital file from original",
        reproduction_number=f"LC-DIG-{digital_id.replace('.', '-')}",
        role=Role.COLOUR,
        scan=DrawnScan(sheet, Role.COLOUR, key, rescan),
        has_v=has_v,
    )


def _negative_resource(digital_id: str, sheet: Print, key: str) -> Resource:
    number = int(rng_of(f"{key}/number").integers(10_000, 140_000))
    return Resource(
        digital_id=digital_id,
        caption="b&w film copy neg.",
        reproduction_number=f"LC-USZ62-{number}",
        role=Role.NEGATIVE,
        scan=DrawnScan(sheet, Role.NEGATIVE, key, False),
        has_v=True,
    )


def _collection_row(seed: int) -> Row:
    return Row(
        RowKind.COLLECTION, "photochrom-prints", "Photochrom Prints", "", 0, "", (), f"{seed}/c"
    )


def _odd_rows(seed: int, index: int) -> list[Row]:
    """Make the rows that stand after item `index` and are no items, or have no image."""
    key = f"{seed}/odd/{index}"
    rng = rng_of(key)
    fixed = {1: RowKind.WEB_PAGE, 4: RowKind.GROUP, 7: RowKind.NO_IMAGE}.get(index)
    chance = rng.random()
    kind = fixed or (
        RowKind.NO_IMAGE
        if chance < 0.02
        else RowKind.GROUP
        if chance < 0.03
        else RowKind.WEB_PAGE
        if chance < 0.035
        else None
    )
    if kind is None:
        return []
    title, place = title_of(KINDS[int(rng.integers(len(KINDS)))], rng)
    if kind == RowKind.NO_IMAGE:
        return [Row(kind, str(2_002_696_000 + index), title, place, 0, USUAL, (), key)]
    if kind == RowKind.GROUP:
        country = place.partition("--")[0]
        title = f"[Group of photochrom prints of {country}]"
        return [Row(kind, str(2_002_736_000 + index), title, country, 0, USUAL, (), key)]
    slug = f"photochrom-process-{index}"
    return [Row(kind, slug, "The Photochrom Process", "", 0, "", (), key)]
