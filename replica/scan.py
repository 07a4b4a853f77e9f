"""The scan: a print on its mount under the scanner, or its black-and-white copy."""

import cv2
import numpy as np
from numpy.typing import NDArray

from replica.canvas import noise
from replica.chance import rng_of
from replica.press import draw_print
from replica.records import DrawnScan, Role
from replica.sheet import Mount, SheetPlan, plan_sheet

RGB = NDArray[np.uint8]
Float = NDArray[np.float32]

_BOARDS: dict[Mount, tuple[tuple[float, float, float], float]] = {
    # sRGB and how much it varies from scan to scan
    Mount.BLACK: ((34, 29, 25), 7.0),
    Mount.WHITE: ((250, 250, 248), 3.0),
    Mount.GREY: ((156, 152, 147), 14.0),
    Mount.PAPER: ((222, 210, 184), 10.0),
    Mount.NONE: ((240, 232, 214), 0.0),
}


def draw_scan(scan: DrawnScan, pixels: int) -> RGB:
    """Draw a scan.

    Args:
        scan: Print, role and key.
        pixels: Long edge of the whole picture.

    Returns:
        Shape (H, W, 3), sRGB; of a black-and-white copy (H, W), grey.
    """
    plan = plan_sheet(scan, pixels=pixels)
    rng = rng_of(f"{scan.key}/scan")
    caption = scan.role == Role.COLOUR or rng.random() < 0.5
    picture = draw_print(scan.sheet, pixels, caption=caption)
    if scan.role == Role.NEGATIVE:
        return _copy_negative(picture, plan, rng)
    return _colour_scan(picture, plan, rng)


def _colour_scan(picture: RGB, plan: SheetPlan, rng: np.random.Generator) -> RGB:
    board = _board(plan, rng)
    _pencil(board, plan, rng)
    board = _lay(
        picture, board, plan, rng, margin=float(rng.uniform(0.001, 0.0035)) * (rng.random() < 0.45)
    )
    gain = rng.normal(1.0, 0.02) * (1 + rng.normal(0, 0.012, 3))
    ramp = np.arange(256) / 255
    curves = [np.clip(255 * g * ramp ** float(rng.normal(1.0, 0.03)), 0, 255) for g in gain]
    if plan.mount == Mount.WHITE:
        curves = [np.minimum(curve * 255 / max(curve[250], 1), 255) for curve in curves]
    return np.asarray(cv2.LUT(board, np.stack(curves, -1).astype(np.uint8)[None]), np.uint8)


def _board(plan: SheetPlan, rng: np.random.Generator) -> RGB:
    """Make the mount: its colour, fibres, uneven light."""
    colour, spread = _BOARDS[plan.mount]
    shape = (plan.height, plan.width)
    base = np.array(colour) + rng.normal(0, spread) + rng.normal(0, 0.09 * spread, 3)
    unit = max(shape) / 1280
    field = 1.6 * noise(rng, shape, 1.8 * unit)
    if plan.mount in (Mount.GREY, Mount.PAPER):
        field += 1.8 * noise(rng, shape, 5 * unit, 14 * unit)
    if plan.mount == Mount.WHITE:
        field *= 0.4
    field += 3.0 * noise(rng, shape, 400 * unit) * (plan.mount != Mount.WHITE)
    board = np.clip(field[..., None] + base.astype(np.float32), 0, 255)
    return np.asarray(board, np.uint8)


def _lay(
    picture: RGB, board: RGB, plan: SheetPlan, rng: np.random.Generator, *, margin: float
) -> RGB:
    """Lay the picture on the board, with its shadow and sometimes a thin edge of paper."""
    height, width = picture.shape[:2]
    size = (plan.width, plan.height)
    if plan.mount != Mount.NONE:
        _shadow(board, plan, rng)
        if margin:
            middle = plan.quad.mean(0)
            reach = 1 + margin * max(size) / np.abs(plan.quad - middle).max(0)
            paper = np.rint((middle + (plan.quad - middle) * reach) * 16).astype(np.int32)
            cv2.fillConvexPoly(board, paper, (232, 222, 200), cv2.LINE_AA, 4)
    to_pixels = plan.frame @ np.diag([1 / width, 1 / height, 1.0])
    half = np.array([(1, 0, 0.5), (0, 1, 0.5), (0, 0, 1)])
    warp = np.linalg.inv(half) @ to_pixels @ half  # pixel centres lie half a pixel in
    laid = cv2.warpPerspective(
        picture, warp, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    mask = np.zeros((plan.height, plan.width), np.uint8)
    quad = np.rint((plan.quad - 0.5) * 16).astype(np.int32)
    cv2.fillConvexPoly(mask, quad, 255, cv2.LINE_AA, 4)
    if plan.mount == Mount.NONE:
        return np.asarray(laid)
    share = mask[..., None].astype(np.float32) / 255
    return np.asarray(board + (laid.astype(np.float32) - board) * share, np.uint8)


def _shadow(board: RGB, plan: SheetPlan, rng: np.random.Generator) -> None:
    """Darken the board beside two edges of the sheet, as its thickness does."""
    small = 4
    mask = np.zeros((plan.height // small + 1, plan.width // small + 1), np.uint8)
    shift = rng.uniform(-1, 1, 2) * max(plan.width, plan.height) * 0.003
    cv2.fillConvexPoly(
        mask, np.rint((plan.quad + shift) / small * 16).astype(np.int32), 255, cv2.LINE_AA, 4
    )
    soft = cv2.GaussianBlur(mask, (0, 0), 1.2)
    depth = float(rng.uniform(0.08, 0.4))
    wide = cv2.resize(soft, (plan.width, plan.height), interpolation=cv2.INTER_LINEAR)
    board[:] = (board * (1 - depth * (wide[..., None].astype(np.float32) / 255))).astype(np.uint8)


def _pencil(board: RGB, plan: SheetPlan, rng: np.random.Generator) -> None:
    """Pencil a number beside the print, on some boards with room for it."""
    room = float(plan.quad[:, 1].min())
    if plan.mount not in (Mount.GREY, Mount.PAPER, Mount.WHITE) or rng.random() > 0.45:
        return
    scale = room / 40
    at = (int(rng.uniform(0.1, 0.7) * plan.width), int(room * rng.uniform(0.45, 0.8)))
    text = f"{int(rng.integers(10, 30))} {int(rng.integers(100, 9999))}"
    shade = tuple(int(v) for v in board[0, 0] * 0.5)
    cv2.putText(board, text, at, cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, scale, shade, 1, cv2.LINE_AA)


def _copy_negative(picture: RGB, plan: SheetPlan, rng: np.random.Generator) -> RGB:
    """Photograph the print in black and white: other tones, softer, with film grain and dust."""
    weights = rng.dirichlet((3.0, 6.0, 4.0)).astype(np.float32)  # films see colours differently
    grey = cv2.transform(picture, weights[None])
    pivot, steep = rng.uniform(0.4, 0.6), rng.uniform(4.0, 7.0)
    ramp = np.arange(256) / 255
    curve = 1 / (1 + np.exp(-steep * (ramp - pivot)))
    curve = (curve - curve[0]) / (curve[-1] - curve[0])
    low, high = rng.uniform(4, 36), rng.uniform(205, 250)
    grey = cv2.LUT(grey, np.clip(low + (high - low) * curve, 0, 255).astype(np.uint8))
    unit = max(picture.shape) / 1280
    soft = cv2.GaussianBlur(grey, (0, 0), float(rng.uniform(0.5, 1.1)) * unit)
    shape = (plan.height, plan.width)
    tone = 14.0 if plan.mount == Mount.BLACK else 246.0
    board = np.full((*shape, 1), tone, np.uint8).repeat(3, axis=2)
    laid = _lay(
        np.asarray(cv2.cvtColor(soft, cv2.COLOR_GRAY2RGB), np.uint8), board, plan, rng, margin=0.0
    )[..., 0]
    film = (
        laid
        + float(rng.uniform(2, 5)) * noise(rng, shape, 1.3 * unit)
        + 3 * noise(rng, shape, 500 * unit)
    )
    for _ in range(int(rng.integers(5, 40))):
        at = (int(rng.integers(plan.width)), int(rng.integers(plan.height)))
        radius = max(1, int(rng.uniform(0.4, 1.8) * unit))
        cv2.circle(film, at, radius, 250.0 if rng.random() < 0.8 else 20.0, -1)
    return np.clip(film, 0, 255).astype(np.uint8)
