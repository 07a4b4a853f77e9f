"""Edge: a folder of prints as a collection, one item a file."""

import warnings
from pathlib import Path

from PIL import Image

from replica.chance import digest_of
from replica.errors import FolderError
from replica.records import FileScan, Resource, Role, Row, RowKind

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff"}
ID_NUMBERS = 10**8


def read_rows(folder: Path) -> tuple[Row, ...]:
    """List a folder's pictures as rows.

    Files that no program can read as a picture are listed too, as the Library lists what it
    cannot show; only their pixels are unknown.

    Args:
        folder: Its files with an image suffix become items, sorted by name.

    Returns:
        One row a file. An item's number follows from the file's name and not from its place, so
        that a file more leaves the others alone.

    Raises:
        FolderError: If the folder is not there or holds no picture.
    """
    if not folder.is_dir():
        raise FolderError(
            f"{folder}: expected a folder of prints, found none; set replica.images to a folder"
        )
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    if not paths:
        wanted = ", ".join(sorted(SUFFIXES))
        raise FolderError(f"{folder}: expected files with suffix {wanted}, found none")
    taken: set[int] = set()
    return tuple(_row(path, taken) for path in paths)


def _row(path: Path, taken: set[int]) -> Row:
    number = digest_of(path.name) % ID_NUMBERS
    while number in taken:
        number = (number + 1) % ID_NUMBERS
    taken.add(number)
    digital_id = f"ppmsc.{number:08d}"
    resource = Resource(
        digital_id=digital_id,
        caption="digital file from original",
        reproduction_number=f"LC-DIG-{digital_id.replace('.', '-')}",
        role=Role.COLOUR,
        scan=_scan(path),
        has_v=True,
    )
    return Row(
        kind=RowKind.ITEM,
        item_id=f"20{number:08d}",
        title=path.stem,
        place="",
        number=0,
        date="",
        resources=(resource,),
        quirks=path.name,
    )


def _scan(path: Path) -> FileScan:
    width, height, kind = 0, 0, ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                (width, height), kind = image.size, image.format or ""
                if image.getexif().get(0x0112, 1) in (5, 6, 7, 8):
                    width, height = height, width
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        kind = ""  # unreadable: the row stays, without a size
    return FileScan(path, width, height, path.stat().st_size, kind)
