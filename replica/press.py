"""The print: a scene's plate in the inks of a sheet, with grain, stipple and caption."""

import cv2
import numpy as np
from numpy.typing import NDArray

from replica.canvas import noise
from replica.chance import rng_of
from replica.inks import MIXES, TONES, Paint, mix_inks
from replica.records import Print
from replica.scene import draw_scene

RGB = NDArray[np.uint8]


def print_size(sheet: Print, pixels: int) -> tuple[int, int]:
    """Give width and height of the whole picture; its long edge is `pixels`."""
    short = round(pixels * sheet.view.aspect)
    return (short, pixels) if sheet.view.portrait else (pixels, short)


def draw_print(sheet: Print, pixels: int, *, caption: bool) -> RGB:
    """Print a sheet.

    Args:
        sheet: View and inks.
        pixels: Long edge.
        caption: Whether the printed caption is on it.

    Returns:
        The picture without any margin, shape (H, W, 3), sRGB.
    """
    width, height = print_size(sheet, pixels)
    tone, paint = draw_scene(sheet.view, width=width, height=height)
    rng = rng_of(f"{sheet.inks}/press")
    inks = mix_inks(sheet.inks, monochrome=sheet.monochrome)
    if inks.evening:
        tone = tone * 0.84
    unit = pixels / 1280
    share = _shares(rng, tone.shape, paint, unit)
    slip = tuple(int(s) for s in np.rint(rng.normal(0, 1.1 * unit, 2)))
    laid = np.roll(paint, slip, (0, 1))  # the colour stones never quite meet the key stone
    index = (laid.astype(np.int32) * MIXES + share) * TONES
    index += np.clip(tone * ((TONES - 1) / 100) + 0.5, 0, TONES - 1).astype(np.int32)
    rgb = cv2.GaussianBlur(np.take(inks.table, index, axis=0), (0, 0), 0.55 * unit)
    stipple = cv2.GaussianBlur(rng.standard_normal(tone.shape, dtype=np.float32), (0, 0), 0.6)
    flecks = (stipple * (9 * (0.35 + 0.65 * (1 - np.abs(tone / 50 - 1))))).astype(np.float32)
    out = np.clip(rgb.astype(np.float32) + flecks[..., None], 0, 255).astype(np.uint8)
    if caption:
        _letter(out, sheet, rng)
    return np.asarray(out, np.uint8)


def _shares(
    rng: np.random.Generator, shape: tuple[int, int], paint: NDArray[np.uint8], unit: float
) -> NDArray[np.int32]:
    """Say how much of each of its two pigments a spot takes, stippled; shape (H, W), 0..MIXES-1."""
    cloud = 0.5 + 0.3 * noise(rng, shape, 70 * unit) + 0.14 * noise(rng, shape, 18 * unit)
    rows = np.linspace(0, 1, shape[0], dtype=np.float32)[:, None]
    sky = paint == Paint.SKY
    lowest = np.flatnonzero(sky[:, :: max(1, shape[1] // 64)].any(1))
    horizon = (lowest[-1] + 1) / shape[0] if lowest.size else 1.0
    fall = np.clip(rows / min(0.75, max(horizon, 0.15)), 0, 1)
    share = np.where(sky, fall + 0.1 * (cloud - 0.5), cloud)
    share += 0.08 * rng.standard_normal(shape, dtype=np.float32)
    return np.asarray(np.clip(share * MIXES, 0, MIXES - 1), np.int32)


def _letter(rgb: RGB, sheet: Print, rng: np.random.Generator) -> None:
    """Print number, publisher and title low in the picture, in gold or white."""
    height, width = rgb.shape[:2]
    text = f"{sheet.number}  P.Z. - {sheet.view.place.upper()}"
    scale = max(width, height) / 1280 * float(rng.uniform(0.38, 0.5))
    colour = ((214, 182, 112), (236, 230, 214), (190, 160, 96))[int(rng.integers(3))]
    (wide, high), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_COMPLEX, scale, 1)
    left = 0.025 * width if rng.random() < 0.6 else width - wide - 0.025 * width
    at = (int(left), int(height - max(0.6 * high, float(rng.uniform(0.012, 0.03)) * height)))
    cv2.putText(rgb, text, at, cv2.FONT_HERSHEY_COMPLEX, scale, colour, 1, cv2.LINE_AA)
