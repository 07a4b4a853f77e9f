"""What public code does with the same files: peers of the shards stage, in this process."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import imagehash
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image
from skimage.color import rgb2lab
from skimage.transform import resize
from webdataset import TarWriter

INSET = 0.006
SIZE = 256

Sample = dict[str, object]


def decode_alone(paths: Sequence[Path]) -> None:
    """Decode every file whole: the limit."""
    for path in paths:
        simplejpeg.decode_jpeg(path.read_bytes())


def decode_reduced(paths: Sequence[Path]) -> None:
    """Decode every file at a half, which is coarser than our own samples are made from."""
    for path in paths:
        content = path.read_bytes()
        height, width, _, _ = simplejpeg.decode_jpeg_header(content)
        simplejpeg.decode_jpeg(content, min_height=-(-height // 2), min_width=-(-width // 2))


def write_with(make: Callable[[Path], Sample], paths: Sequence[Path], out: Path) -> None:
    """Write what `make` makes of every file with webdataset, as its documentation does."""
    with TarWriter(str(out)) as tar:
        for number, path in enumerate(paths):
            tar.write({"__key__": f"{number:06d}", **make(path)})


def usual(path: Path) -> Sample:
    """Pillow's LANCZOS, imagehash, scikit-image's LAB, float32 .npy."""
    image = Image.open(path).convert("RGB")
    return {"lab.npy": to_lab(image), "json": {"phash": str(imagehash.phash(image))}}


def usual_without_hash(path: Path) -> Sample:
    """The same without the perceptual hash."""
    return {"lab.npy": to_lab(Image.open(path).convert("RGB")), "json": {}}


def usual_with_cv2(path: Path) -> Sample:
    """The same with OpenCV's LAB in bytes, which is off by up to 2.7 steps."""
    image = Image.open(path).convert("RGB")
    lab = cv2.cvtColor(np.asarray(shrink(image)), cv2.COLOR_RGB2LAB)
    return {"lab.npy": pad(lab), "json": {"phash": str(imagehash.phash(image))}}


def cv2_alone(path: Path) -> Sample:
    """OpenCV for everything, no hash: averages of sRGB values, LAB off by up to 2.7 steps."""
    picture = cv2.imread(str(path))
    left, top, right, bottom = (round(edge) for edge in box(picture.shape[1], picture.shape[0]))
    size = fit(picture.shape[1], picture.shape[0])
    small = cv2.resize(picture[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
    return {"lab.npy": pad(cv2.cvtColor(small, cv2.COLOR_BGR2LAB)), "json": {}}


def scikit_image_alone(path: Path) -> Sample:
    """scikit-image for everything but the decoding: its resize is slow."""
    picture = np.asarray(Image.open(path).convert("RGB"))
    width, height = fit(picture.shape[1], picture.shape[0])
    small = resize(picture, (height, width), anti_aliasing=True)
    return {"lab.npy": pad(rgb2lab(small).astype(np.float32)), "json": {}}


def to_lab(image: Image.Image) -> NDArray[np.float32]:
    """Reduce a picture and convert it, as scikit-image does."""
    return pad(rgb2lab(np.asarray(shrink(image))).astype(np.float32))


def shrink(image: Image.Image) -> Image.Image:
    """Cut the edges away, and reduce."""
    return image.resize(fit(*image.size), Image.Resampling.LANCZOS, box=box(*image.size))


def box(width: int, height: int) -> tuple[float, float, float, float]:
    """Say what is left without the edges: left, top, right, bottom."""
    away = INSET * min(width, height)
    return away, away, width - away, height - away


def fit(width: int, height: int) -> tuple[int, int]:
    """Say the size of the whole picture in the square."""
    scale = SIZE / max(width, height)
    return round(width * scale), round(height * scale)


def pad(picture: NDArray[np.generic]) -> NDArray[np.generic]:
    """Lay a picture in the middle of the square."""
    top, left = ((SIZE - length) // 2 for length in picture.shape[:2])
    square = np.zeros((SIZE, SIZE, 3), picture.dtype)
    square[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return square
