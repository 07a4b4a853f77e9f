"""Edge: the files of one scan, as loc.gov offers them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from replica.records import RENDITION_LONG_EDGE, FileScan

QUALITY = 90
_SIGNATURES = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG": "image/png",
    b"GIF8": "image/gif",
    b"II*\0": "image/tiff",
    b"MM\0*": "image/tiff",
}
_SUFFIX_MEDIA = {"jpg": "image/jpeg", "gif": "image/gif", "tif": "image/tiff"}


def fit(width: int, height: int, *, long_edge: int) -> tuple[int, int]:
    """Scale a size down so that its long side is `long_edge`; never up.

    Returns:
        Width and height in pixels, at least 1 each.
    """
    scale = min(1.0, long_edge / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def write_drawn(pixels: NDArray[np.uint8], paths: dict[str, Path], *, quality: int) -> None:
    """Write service files of a generated scan.

    Args:
        pixels: Shape (H, W, 3) or, of a black-and-white copy, (H, W); sRGB, 0..255.
        paths: Where each rendition goes, by suffix; those that are named are written.
        quality: JPEG quality of `v` and `r`, 1..100.
    """
    image = Image.fromarray(pixels)
    whole = image.size
    for suffix, long_edge in sorted(RENDITION_LONG_EDGE.items(), key=lambda kind: -kind[1]):
        if suffix not in paths:
            continue
        size = fit(*whole, long_edge=long_edge)
        small = image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)
        _save(small, paths[suffix], quality)
        if long_edge <= 640:
            image = small  # a thumbnail of the thumbnail's elder is as good, and cheaper


def write_resized(
    pixels: NDArray[np.uint8], path: Path, *, size: tuple[int, int], quality: int
) -> None:
    """Write a JPEG of a generated scan in another size.

    Args:
        pixels: Shape (H, W, 3) or (H, W); sRGB, 0..255.
        path: Where it goes.
        size: Width and height in pixels.
        quality: JPEG quality, 1..100.
    """
    _save(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS), path, quality)


def write_scaled(scan: FileScan, path: Path, *, long_edge: int) -> bool:
    """Write a rendition of a file of the folder, scaled down.

    Args:
        scan: The file.
        path: Where the rendition goes; its suffix decides JPEG or GIF.
        long_edge: Long side in pixels; a smaller picture keeps its own.

    Returns:
        Whether a file was written; else the file's own bytes serve: it is a JPEG of that size
        already, or nothing can read it.
    """
    gif = path.suffix == ".gif"
    if scan.format == "JPEG" and max(scan.width, scan.height) <= long_edge and not gif:
        return False
    try:
        with Image.open(scan.path) as opened:
            image = _to_plain(ImageOps.exif_transpose(opened))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False  # the harvester is to meet the broken bytes
    size = fit(image.width, image.height, long_edge=long_edge)
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    _save(image, path, QUALITY)
    return True


def media_type(path: Path, suffix: str) -> str:
    """Tell a file's media type from its first bytes, or else from the name it is asked by."""
    with path.open("rb") as stream:
        head = stream.read(8)
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            return kind
    return _SUFFIX_MEDIA[suffix.rpartition(".")[2]]


def _to_plain(image: Image.Image) -> Image.Image:
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("L" if image.mode in ("1", "I;16", "I", "F") else "RGB")


def _save(image: Image.Image, path: Path, quality: int) -> None:
    if path.suffix == ".gif":
        image.convert("P", palette=Image.Palette.ADAPTIVE, colors=64).save(path, "GIF")
    else:
        image.save(path, "JPEG", quality=quality, subsampling=0)
