"""What scanners, printers, archives and time do to a print, for benchmarks.

Each takes a picture, shape (H, W, 3), sRGB, uint8, and a generator, and gives another such.
"""

import io
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from preprocess.lab import to_lab, to_rgb

Rgb = NDArray[np.uint8]
Rng = np.random.Generator

_BOARDS = {
    "black": (30, 26, 23),
    "white": (250, 250, 248),
    "grey": (150, 147, 142),
    "paper": (224, 212, 186),
}


def scan_again(rgb: Rgb, rng: Rng, *, cut: float = 0.05) -> Rgb:
    """Scan a print anew: cut by up to `cut` a side, turned, exposed otherwise, faded, mounted."""
    picture = soften(expose(fade(turn(cut_sides(rgb, rng, most=cut), rng), rng), rng), rng)
    if rng.random() < 0.65:
        picture = mount(picture, rng)
    return pack(shrink(picture, rng.uniform(0.62, 1.0)), int(rng.integers(60, 96)))


def store_again(rgb: Rgb, rng: Rng) -> Rgb:
    """Store a scan again: smaller, packed otherwise, perhaps cut to whole pixels or brightened."""
    height, width = rgb.shape[:2]
    picture = rgb
    if rng.random() < 0.5:
        left, top, right, bottom = (rng.uniform(0, 0.06, 4) * ((width, height) * 2)).astype(int)
        picture = rgb[top : height - bottom, left : width - right]
    if rng.random() < 0.25:
        picture = with_tone(picture, gamma=rng.uniform(0.92, 1.08), gain=np.ones(3))
    return pack(shrink(picture, rng.uniform(0.5, 1.0)), int(rng.integers(50, 96)))


def reink(rgb: Rgb, rng: Rng) -> Rgb:
    """Print a plate in other inks: two to four of a print's four colours become others."""
    lab = to_lab(rgb)
    small = cv2.resize(lab[..., 1:], (64, 64), interpolation=cv2.INTER_AREA).reshape(-1, 2)
    steps = (cv2.TERM_CRITERIA_COUNT, 20, 1.0)
    cv2.setRNGSeed(int(rng.integers(2**31 - 1)))
    none: Any = None
    _, _, centres = cv2.kmeans(small, 4, none, steps, 2, cv2.KMEANS_PP_CENTERS)
    ab = cv2.GaussianBlur(lab[..., 1:], (0, 0), 2)
    near = np.stack([((ab - centre) ** 2).sum(axis=2) for centre in centres], axis=2)
    share = np.exp(-(near - near.min(axis=2, keepdims=True)) / 40)
    share /= share.sum(axis=2, keepdims=True)
    turns = rng.uniform(0.5, 3.1, 4) * rng.choice([-1, 1], 4)
    kept = rng.permutation(4)[: int(rng.integers(0, 3))]
    new = []
    for angle, centre in zip(turns, centres, strict=True):
        spin = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        new.append(spin @ centre * rng.uniform(0.6, 1.4) + rng.normal(0, 6, 2))
    offsets = np.array(new) - centres
    offsets[kept] = 0
    lab[..., 1:] = (lab[..., 1:] - share @ centres) * rng.uniform(0.7, 1.1) + share @ (
        offsets + centres
    )
    lab[..., 0] = np.clip(lab[..., 0] + share @ rng.normal(0, 4, 4), 0, 100)
    slip = rng.normal(0, 0.8, 2)
    shift = np.array([[1, 0, slip[0]], [0, 1, slip[1]]])
    size = (lab.shape[1], lab.shape[0])
    lab[..., 1:] = cv2.warpAffine(lab[..., 1:], shift, size, borderMode=cv2.BORDER_REPLICATE)
    return to_rgb(np.ascontiguousarray(lab, np.float32))


def reink_brown(rgb: Rgb, rng: Rng) -> Rgb:
    """Print a plate in one brown ink."""
    lab = to_lab(rgb)
    lab[..., 1:] = rng.uniform((2, 8), (8, 22)) * np.sin(np.pi * lab[..., :1] / 100)
    return to_rgb(np.ascontiguousarray(lab, np.float32))


def is_colourful(rgb: Rgb) -> bool:
    """Say whether a print has colours beyond those that go with its lightness, as brown ink does.

    Without them no one could tell other inks from another tint.
    """
    lab = cv2.resize(to_lab(rgb), (64, 64), interpolation=cv2.INTER_AREA).reshape(-1, 3)
    powers = np.vander(lab[:, 0] / 100, 4)
    rest = lab[:, 1:] - powers @ np.linalg.lstsq(powers, lab[:, 1:], rcond=None)[0]
    return bool(np.sqrt((rest**2).sum(axis=1).mean()) > 2)


def trim(rgb: Rgb, rng: Rng) -> Rgb:
    """Show of a plate 40 to 55 % of the area, as another edition of another size might."""
    height, width = rgb.shape[:2]
    area = rng.uniform(0.40, 0.55)
    across = rng.uniform(np.sqrt(area) - 0.05, np.sqrt(area) + 0.05)
    size = (int(across * width), int(area / across * height))
    left, top = (
        int(rng.integers(0, full - part)) for full, part in zip((width, height), size, strict=True)
    )
    return np.ascontiguousarray(rgb[top : top + size[1], left : left + size[0]])


def copy_on_film(rgb: Rgb, rng: Rng) -> Rgb:
    """Photograph a print in black and white."""
    weights = rng.dirichlet((3.0, 6.0, 4.0)).astype(np.float32)
    grey = cv2.transform(rgb, weights[None])
    film = cv2.GaussianBlur(grey, (0, 0), rng.uniform(0.5, 1.2)).astype(np.float32)
    film = 255 * (film / 255) ** rng.uniform(0.7, 1.4) + rng.normal(0, 4, film.shape)
    packed = np.clip(film, 0, 255).astype(np.uint8)
    return np.repeat(packed[..., None], 3, axis=2)


def mirror(rgb: Rgb) -> Rgb:
    """Turn a picture over."""
    return np.ascontiguousarray(rgb[:, ::-1])


def cut_sides(rgb: Rgb, rng: Rng, *, most: float) -> Rgb:
    """Cut up to `most` of each side away."""
    height, width = rgb.shape[:2]
    left, top, right, bottom = (rng.uniform(0, most, 4) * ((width, height) * 2)).astype(int)
    return np.ascontiguousarray(rgb[top : height - bottom, left : width - right])


def turn(rgb: Rgb, rng: Rng) -> Rgb:
    """Turn by up to 1.5 degrees and pull the corners a little; what is missing is cut away."""
    height, width = rgb.shape[:2]
    frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    angle = np.deg2rad(np.clip(rng.normal(0, 0.7), -1.5, 1.5))
    spin = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = frame.mean(axis=0)
    moved = (frame - middle) @ spin.T + middle + rng.normal(0, 0.002 * max(width, height), (4, 2))
    warp = cv2.getPerspectiveTransform(frame.astype(np.float32), moved.astype(np.float32))
    turned = cv2.warpPerspective(rgb, warp, (width, height), borderMode=cv2.BORDER_REFLECT)
    x, y = np.sort(moved[:, 0]), np.sort(moved[:, 1])
    left, right = max(0, int(np.ceil(x[1]))), min(width, int(x[2]))
    top, bottom = max(0, int(np.ceil(y[1]))), min(height, int(y[2]))
    return np.ascontiguousarray(turned[top:bottom, left:right])


def expose(rgb: Rgb, rng: Rng) -> Rgb:
    """Expose otherwise, with a cast."""
    gain = rng.uniform(0.88, 1.1) * (1 + rng.normal(0, 0.02, 3))
    return with_tone(rgb, gamma=rng.uniform(0.78, 1.28), gain=gain)


def with_tone(rgb: Rgb, *, gamma: float, gain: NDArray[np.float64]) -> Rgb:
    """Apply a curve and a gain for each channel."""
    ramp = 255 * (np.arange(256) / 255) ** gamma
    table = np.clip(ramp[:, None] * gain[None], 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(rgb, table[None]), np.uint8)


def fade(rgb: Rgb, rng: Rng) -> Rgb:
    """Fade: less colour, less contrast, yellower paper."""
    lab = to_lab(rgb)
    lab[..., 1:] *= rng.uniform(0.65, 1.05)
    lab[..., 2] += rng.uniform(-2, 7) * lab[..., 0] / 100
    lab[..., 0] = 50 + (lab[..., 0] - 50) * rng.uniform(0.82, 1.02)
    return to_rgb(lab)


def soften(rgb: Rgb, rng: Rng) -> Rgb:
    """Blur a little and add noise."""
    soft = cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.2, 1.1)).astype(np.float32)
    return np.clip(soft + rng.normal(0, rng.uniform(0, 3.5), rgb.shape), 0, 255).astype(np.uint8)


def mount(rgb: Rgb, rng: Rng) -> Rgb:
    """Lay a print on a board, 1 to 12 % wide."""
    height, width = rgb.shape[:2]
    sides = np.exp(rng.uniform(np.log(0.01), np.log(0.12), 4)) * max(height, width)
    left, top, right, bottom = np.maximum(4, sides).astype(int)
    colour = np.array(_BOARDS[str(rng.choice(list(_BOARDS)))]) + rng.normal(0, 4, 3)
    shape = (top + height + bottom, left + width + right)
    fibres = cv2.GaussianBlur(rng.normal(0, rng.uniform(1, 5), shape), (0, 0), 1.0)
    board = np.clip(colour + fibres[..., None], 0, 255).astype(np.uint8)
    board[top : top + height, left : left + width] = rgb
    return board


def shrink(rgb: Rgb, part: float) -> Rgb:
    """Reduce to a part of the size."""
    size = (round(rgb.shape[1] * part), round(rgb.shape[0] * part))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def pack(rgb: Rgb, quality: int) -> Rgb:
    """Pack as JPEG and unpack."""
    packed = io.BytesIO()
    Image.fromarray(rgb).save(packed, "JPEG", quality=quality)
    return np.array(Image.open(packed))
