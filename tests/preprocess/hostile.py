"""Files that scans could be: every valid kind, and what damage, malice and mishap make of them."""

import io
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import cv2
import numpy as np
import tifffile
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import ImageFileDirectory_v2

WIDTH: Final = 192
HEIGHT: Final = 140
ORIENTATION: Final = 0x0112

Rgb = np.ndarray[Any, np.dtype[np.uint8]]


def draw(width: int = WIDTH, height: int = HEIGHT) -> Rgb:
    """Draw a picture with much in it, no two corners of which look alike."""
    rng = np.random.default_rng(4)
    rows = np.linspace(0, 1, height)[:, None, None]
    picture = np.ascontiguousarray(
        np.broadcast_to(
            rng.integers(150, 240, 3) * (1 - rows) + rng.integers(30, 120, 3) * rows,
            (height, width, 3),
        ),
        np.uint8,
    )
    for _ in range(50):
        centre = rng.integers(0, (width, height))
        corners = centre + rng.integers(-width // 8, width // 8, (int(rng.integers(3, 6)), 2))
        colour = tuple(int(level) for level in rng.integers(20, 235, 3))
        cv2.fillPoly(picture, [corners.astype(np.int32)], colour)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.7), np.uint8)


def pack(picture: Rgb, kind: str, **options: Any) -> bytes:
    """Pack a picture with Pillow."""
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, kind, **options)
    return packed.getvalue()


def pack_image(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Pack a Pillow image."""
    packed = io.BytesIO()
    image.save(packed, kind, **options)
    return packed.getvalue()


def pack_tiff(picture: np.ndarray[Any, Any], **options: Any) -> bytes:
    """Pack an array with tifffile, which writes what Pillow does not."""
    packed = io.BytesIO()
    bigtiff = options.pop("bigtiff", False)
    with tifffile.TiffWriter(packed, bigtiff=bigtiff) as writer:
        writer.write(picture, metadata=None, **options)
    return packed.getvalue()


def turn(picture: Rgb, orientation: int) -> Rgb:
    """Store a picture as a camera held otherwise would: the tag's inverse (EXIF 2.32, 4.6.4)."""
    ways: dict[int, Callable[[Rgb], Rgb]] = {
        1: lambda rgb: rgb,
        2: lambda rgb: rgb[:, ::-1],
        3: lambda rgb: rgb[::-1, ::-1],
        4: lambda rgb: rgb[::-1],
        5: lambda rgb: rgb.transpose(1, 0, 2),
        6: lambda rgb: np.rot90(rgb, 1),
        7: lambda rgb: rgb[::-1, ::-1].transpose(1, 0, 2),
        8: lambda rgb: np.rot90(rgb, -1),
    }
    return np.ascontiguousarray(ways[orientation](picture))


def turned_files() -> dict[str, bytes]:
    """Pack the picture in every orientation, by every way of saying so."""
    made = {}
    for orientation in range(1, 9):
        stored = turn(draw(), orientation)
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        for kind in ("jpeg", "png", "webp"):
            made[f"turned-{orientation}.{kind}"] = pack(stored, kind, exif=exif, quality=95)
        tags = ImageFileDirectory_v2()
        tags[ORIENTATION] = orientation
        made[f"turned-{orientation}.tif"] = pack(stored, "tiff", tiffinfo=tags)
    return made


def profiles() -> dict[str, bytes]:
    """Make profiles by hand from Pillow's sRGB: wider primaries, another curve, one for LAB."""
    srgb = bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    adobe = {b"rXYZ": (0.60974, 0.31111, 0.01947), b"gXYZ": (0.20528, 0.62567, 0.06087)}
    adobe[b"bXYZ"] = (0.14919, 0.06322, 0.74457)
    display = {b"rXYZ": (0.51512, 0.24120, -0.00105), b"gXYZ": (0.29198, 0.69225, 0.04189)}
    display[b"bXYZ"] = (0.15710, 0.06657, 0.78407)
    pro = {b"rXYZ": (0.79767, 0.28804, 0.0), b"gXYZ": (0.13519, 0.71188, 0.0)}
    pro[b"bXYZ"] = (0.03134, 0.00009, 0.82491)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    return {
        "adobe": set_primaries(srgb, adobe),
        "display": set_primaries(srgb, display),
        "pro": set_primaries(srgb, pro),
        "lab": bytes(lab),
    }


def set_primaries(profile: bytes, primaries: Mapping[bytes, Sequence[float]]) -> bytes:
    """Replace the primaries of a matrix profile, D50 XYZ (ICC.1:2022, 10.31: s15Fixed16)."""
    changed = bytearray(profile)
    for entry in range(int.from_bytes(profile[128:132], "big")):
        at = 132 + 12 * entry
        if bytes(profile[at : at + 4]) in primaries:
            start = int.from_bytes(profile[at + 4 : at + 8], "big") + 8
            numbers = [round(65536 * value) for value in primaries[bytes(profile[at : at + 4])]]
            changed[start : start + 12] = struct.pack(">3i", *numbers)
    return bytes(changed)


def valid_files() -> dict[str, bytes]:
    """Pack the picture in every way that a scan may come in; each must become a sample."""
    rgb = draw()
    image = Image.fromarray(rgb)
    deep = rgb.astype(np.uint16) * 257
    deep_grey = np.asarray(image.convert("L")).astype(np.uint16) * 257
    clear = image.convert("RGBA")
    lab = np.asarray(ImageCms.applyTransform(image, _to_lab()))
    return {
        "plain.jpg": pack(rgb, "jpeg", quality=92),
        "progressive.jpg": pack(rgb, "jpeg", quality=92, progressive=True),
        "grey.jpg": pack_image(image.convert("L"), "jpeg", quality=92),
        "cmyk.jpg": pack_image(image.convert("CMYK"), "jpeg", quality=92),
        "plain.png": pack(rgb, "png"),
        "deep-grey.png": pack_image(Image.fromarray(deep_grey), "png"),
        "deep.png": cv2.imencode(".png", deep[..., ::-1])[1].tobytes(),
        "bits.png": pack_image(image.convert("1"), "png"),
        "palette.png": pack_image(image.quantize(200), "png"),
        "palette-clear.png": pack_image(
            image.quantize(200), "png", transparency=bytes([255] * 200)
        ),
        "alpha.png": pack_image(clear, "png"),
        "grey-alpha.png": pack_image(clear.convert("LA"), "png"),
        "plain.tif": pack(rgb, "tiff"),
        "lzw.tif": pack(rgb, "tiff", compression="tiff_lzw"),
        "deflate.tif": pack(rgb, "tiff", compression="tiff_adobe_deflate"),
        "jpeg.tif": pack(rgb, "tiff", compression="jpeg", quality=95),
        "packbits.tif": pack(rgb, "tiff", compression="packbits"),
        "fax.tif": pack_image(image.convert("1"), "tiff", compression="group4"),
        "cmyk.tif": pack_image(image.convert("CMYK"), "tiff"),
        "lab.tif": pack_tiff(lab, photometric="cielab"),
        "deep.tif": pack_tiff(deep, photometric="rgb"),
        "deep-grey.tif": pack_tiff(deep_grey),
        "tiled.tif": pack_tiff(rgb, photometric="rgb", tile=(64, 64), compression="zlib"),
        "planar.tif": pack_tiff(
            np.ascontiguousarray(rgb.transpose(2, 0, 1)), photometric="rgb", planarconfig="separate"
        ),
        "strips.tif": pack_tiff(rgb, photometric="rgb", rowsperstrip=7),
        "big.tif": pack_tiff(rgb, photometric="rgb", bigtiff=True),
        "motorola.tif": _pack_motorola(rgb),
        "pages.tif": pack_image(image, "tiff", save_all=True, append_images=[image.rotate(180)]),
        "moving.gif": pack_image(
            image.quantize(), "gif", save_all=True, append_images=[image.rotate(9).quantize()]
        ),
        "moving.webp": pack_image(image, "webp", save_all=True, append_images=[image.rotate(9)]),
        "several.mpo": pack_image(image, "mpo", save_all=True, append_images=[image.rotate(9)]),
    }


def _pack_motorola(rgb: Rgb) -> bytes:
    packed = io.BytesIO()
    with tifffile.TiffWriter(packed, byteorder=">") as writer:
        writer.write(rgb, photometric="rgb", metadata=None)
    return packed.getvalue()


def _to_lab() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )


def profiled_files() -> dict[str, bytes]:
    """Pack the picture with profiles, whole, broken and of another kind of picture."""
    rgb = draw()
    made = {}
    for name, profile in profiles().items():
        made[f"{name}.jpg"] = pack(rgb, "jpeg", quality=92, icc_profile=profile)
        made[f"{name}.png"] = pack(rgb, "png", icc_profile=profile)
        made[f"{name}.tif"] = pack(rgb, "tiff", icc_profile=profile)
    whole = profiles()["adobe"]
    made["cut.jpg"] = pack(rgb, "jpeg", icc_profile=whole[:200])
    made["noise.png"] = pack(rgb, "png", icc_profile=bytes(range(256)) * 4)
    made["empty-tags.tif"] = pack(rgb, "tiff", icc_profile=whole[:128] + bytes(4))
    made["for-grey.png"] = pack_image(Image.fromarray(rgb).convert("L"), "png", icc_profile=whole)
    made["for-cmyk.jpg"] = pack_image(
        Image.fromarray(rgb).convert("CMYK"), "jpeg", icc_profile=whole
    )
    return made


def odd_files() -> dict[str, bytes]:
    """Make files that may become a sample or a reason, but nothing else."""
    rgb = draw()
    jpeg, cmyk = pack(rgb, "jpeg"), pack_image(Image.fromarray(rgb).convert("CMYK"), "jpeg")
    png, tiff = pack(rgb, "png"), pack(rgb, "tiff", compression="tiff_lzw")
    marker = jpeg.index(b"\xff\xc0")
    adobe = cmyk.index(b"Adobe") + 11
    return {
        "arithmetic.jpg": jpeg[:marker] + b"\xff\xc9" + jpeg[marker + 2 :],
        "lossless.jpg": jpeg[:marker] + b"\xff\xc3" + jpeg[marker + 2 :],
        "twelve.jpg": jpeg[: marker + 4] + b"\x0c" + jpeg[marker + 5 :],
        "ycck.jpg": cmyk[:adobe] + b"\x02" + cmyk[adobe + 1 :],
        "two-in-one.jpg": jpeg + jpeg,
        "png-named.jpg": png,
        "trailing.png": png + b"and more" * 100,
        "float.tif": pack_tiff(rgb.astype(np.float32) / 255, photometric="rgb"),
        "deep-32.tif": pack_tiff(rgb[..., 0].astype(np.uint32) << 20),
        "signed.tif": pack_tiff(rgb[..., 0].astype(np.int16) - 128),
        "five.tif": pack_tiff(np.dstack([rgb, rgb[..., :2]]), photometric="rgb"),
        "loop.tif": _loop(tiff),
        "1x1.png": pack(rgb[:1, :1], "png"),
        "1x5000.png": pack(np.zeros((5000, 1, 3), np.uint8), "png"),
        "5000x2.jpg": pack(np.zeros((2, 5000, 3), np.uint8), "jpeg"),
        "63x64.png": pack(rgb[:63, :64], "png"),
    }


def _loop(tiff: bytes) -> bytes:
    """Lead a TIFF's list of directories back to the first one."""
    first = int.from_bytes(tiff[4:8], "little")
    after = first + 2 + 12 * int.from_bytes(tiff[first : first + 2], "little")
    return tiff[:after] + tiff[4:8] + tiff[after + 4 :]


def broken_files() -> dict[str, bytes]:
    """Make files that no picture comes out of; each must become a reason."""
    valid = valid_files()
    kinds = ("plain.jpg", "progressive.jpg", "plain.png", "lzw.tif", "plain.tif", "tiled.tif")
    made = {
        f"cut-{share}-{name}": valid[name][: round(share * len(valid[name]))]
        for name in kinds
        for share in (0.01, 0.3, 0.6, 0.9)
    }
    return made | {
        "empty.jpg": b"",
        "one-byte.jpg": b"\xff",
        "page.jpg": b"<!doctype html><title>404</title>" * 40,
        "text.tif": b"II*\x00 is how a TIFF starts, but this is a letter.",
        "zeros.png": bytes(4000),
        "magic.png": b"\x89PNG\r\n\x1a\n",
        "magic.gif": b"GIF89a",
        "script.jpg": _script("quit"),
        "endless.jpg": _script("{} loop"),
        "svg.jpg": b'<svg xmlns="http://www.w3.org/2000/svg" width="200" height="200"/>',
    }


def _script(program: str) -> bytes:
    """Write an EPS: Pillow would hand it to Ghostscript, which runs it."""
    return (
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 200 140\n%%EndComments\n"
        f"{program}\nshowpage\n%%EOF\n"
    ).encode()
