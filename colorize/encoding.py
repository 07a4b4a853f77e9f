"""Edge: colorized pixels to a file that keeps what the old one said, and says what was done."""

import copy
import io
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin

from colorize.errors import ColorizeError
from colorize.metadata import ExifText
from colorize.outputs import FORMATS
from colorize.records import Bytes, Photo
from harvest.files import write_bytes

_XMP_TAG: Final = 700
_XMP_TEXT: Final = "XML:com.adobe.xmp"


def write_photo(
    path: Path, rgb: Bytes, *, photo: Photo, software: str, provenance: str, quality: int
) -> None:
    """Write a colorized photograph; the file appears whole or not at all.

    Args:
        path: The file, of one of the suffixes in `FORMATS`; an older one is replaced.
        rgb: Colorized pixels, shape (H, W, 3), sRGB, 0..255.
        photo: The photograph that they come from; its alpha and metadata are kept as far as
            the format has a place for them. JPEG has none for alpha: there it lies on white.
        software: Added to the EXIF tag Software, behind what stands there.
        provenance: Added to the EXIF tag ImageDescription likewise.
        quality: Of JPEG and WebP, 1..100.

    Raises:
        ColorizeError: If the disk or the format refuses.
    """
    kind = FORMATS[path.suffix.lower()]
    exif = copy.deepcopy(photo.exif)
    for tag, text in (
        (ExifTags.Base.Software, software),
        (ExifTags.Base.ImageDescription, provenance),
    ):
        exif[tag] = ExifText(_append(exif.get(tag, ""), text))
    exif[ExifTags.Base.Orientation] = 1
    options: dict[str, Any] = {"exif": exif}
    if photo.dpi is not None:
        options["dpi"] = photo.dpi
    if kind == "PNG":
        options["pnginfo"] = _to_texts(photo, software=software, provenance=provenance)
    elif kind == "TIFF":
        # Uncompressed, like a scanner's masters: libtiff refuses Pillow's EXIF tables.
        options["compression"] = None
        if photo.xmp:
            exif[_XMP_TAG] = photo.xmp
    else:
        options |= {"quality": quality, "xmp": photo.xmp or b""}
    if kind == "JPEG":
        options |= {"subsampling": 0, "comment": photo.comment or b""}
    try:
        # In memory first: on a full disk Pillow's own writing stops short and says nothing.
        packed = io.BytesIO()
        _to_image(rgb, photo.alpha, kind=kind).save(packed, kind, **options)
        write_bytes(path, packed.getvalue())
    except (OSError, ValueError, RuntimeError) as exc:
        raise ColorizeError(
            f"{path}: cannot be written as {kind}: {exc}; choose another folder, or convert the "
            "photograph to PNG first"
        ) from exc


def _append(old: str, text: str) -> str:
    return "; ".join(part for part in (old.strip(" \0"), text) if part)


def _to_texts(photo: Photo, *, software: str, provenance: str) -> PngImagePlugin.PngInfo:
    texts = dict(photo.texts)
    for key, text in (("Software", software), ("Description", provenance)):
        texts[key] = _append(texts.get(key, ""), text)
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_itxt(key, text)
    if photo.xmp:
        info.add_itxt(_XMP_TEXT, photo.xmp.decode("utf-8", "replace"))
    return info


def _to_image(rgb: Bytes, alpha: Bytes | None, *, kind: str) -> Image.Image:
    if alpha is None:
        return Image.fromarray(rgb)
    image = Image.fromarray(np.dstack((rgb, alpha)))
    if kind != "JPEG":
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")
