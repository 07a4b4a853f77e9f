"""Scans made up for the crop: a print laid on a mount of a chosen kind, and its true corners.

Every kind keeps what scans have: tilt up to two degrees, sheets that are not quite rectangles,
uneven light, a shadow beside the sheet, fibres, blur, noise and JPEG of 70 to 95. A kind adds what
its name says. A picture is a function of its print, kind and generator alone.
"""

import io
from typing import Final

import cv2
import numpy as np
from _beside import Plan, place_beside
from PIL import Image

BOARDS: Final = {
    "black": (26, 20, 17),
    "white": (250, 250, 248),
    "grey": (142, 139, 133),
    "paper": (226, 213, 186),
}
"""sRGB of the usual mounts."""

KINDS: Final = (
    *BOARDS,
    "thin",
    "wide",
    "partial",
    "rounded",
    "pencil",
    "caption",
    "target",
    "ruler",
    "dark",
    "alike",
    "rim",
    "bed",
)
"""Of "thin", "wide" and "partial" the margins are unusual; "rounded" corners are rounded or torn;
beside the print stand a "pencil" number, a printed "caption", a colour "target" or a "ruler";
"dark" prints lie on dark boards, "alike" ones on boards of their own rim's colour; a paper "rim"
shows around the print; a scanner "bed" shows around the board."""

ROOMY: Final = ("pencil", "caption", "target", "ruler")


def compose(
    picture: np.ndarray, kind: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Lay a print on a mount.

    Args:
        picture: The print, shape (H, W, 3), uint8, sRGB.
        kind: One of KINDS.
        rng: Draws everything that the kind leaves open.

    Returns:
        The scan, uint8, and the true corners, shape (4, 2).
    """
    if kind == "dark":
        picture = (picture * rng.uniform(0.2, 0.55)).astype(np.uint8)
    plan = _plan(picture, kind, rng)
    colour = _colour(picture, kind, rng)
    share = _sheet(plan.corners, plan.size, rng if kind == "rounded" else None)
    flat = rng.random() < (0.5 if kind == "alike" else 0.25)
    board = _board(colour, plan, share, rng, flat=flat)
    if kind in ROOMY:
        place_beside(board, plan, kind, colour, rng)
    if kind == "bed":
        _lay_on_bed(board, plan, rng)
    scan = _lay(picture, board, plan, share, kind, rng)
    if rng.random() < 0.3:
        scan = scan * _light(plan.size, rng)
    scan = cv2.GaussianBlur(scan, (0, 0), rng.uniform(0.4, 0.9))
    if rng.random() < 0.75:
        scan = scan + rng.normal(0, rng.uniform(0.5, 1.5), scan.shape)
    scan = np.clip(scan, 0, 255)
    corners = plan.corners
    if kind == "partial":
        scan, corners = _cut_sides(scan, corners, rng)
    return np.ascontiguousarray(scan).astype(np.uint8), corners


def pack(picture: np.ndarray, quality: int) -> bytes:
    """Pack a picture as JPEG."""
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "JPEG", quality=quality)
    return packed.getvalue()


def _plan(picture: np.ndarray, kind: str, rng: np.random.Generator) -> Plan:
    height, width = picture.shape[:2]
    low, high = {"thin": (0.008, 0.013), "wide": (0.12, 0.25)}.get(kind, (0.008, 0.12))
    shares = np.exp(rng.uniform(np.log(low), np.log(high), 4 if rng.random() < 0.6 else 1))
    shares = shares * np.ones(4)
    room = int(rng.choice([0, 2] if kind in ("pencil", "caption") else 4))
    if kind == "caption":
        room = 2
    if kind in ROOMY:
        shares[room] = (
            rng.uniform(0.04, 0.1) if kind in ("pencil", "caption") else rng.uniform(0.08, 0.2)
        )
    if kind == "bed":
        shares = np.maximum(shares, 0.03)
    top, right, bottom, left = np.maximum(6, shares * max(height, width)).astype(int)
    size = (int(left + width + right), int(top + height + bottom))
    frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    turn = np.deg2rad(np.clip(rng.normal(0, 0.7), -2, 2))
    # A thin mount holds no steep sheet: that would be cut by the scan, and have no corners.
    most = np.arctan(2 * (min(shares) * max(height, width) - 4) / max(height, width))
    turn = float(np.clip(turn, -most, most))
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = frame.mean(axis=0)
    corners = (frame - middle) @ matrix.T + middle + (left, top)
    uneven = min(0.0025, min(shares) / 5)
    corners += np.clip(rng.normal(0, uneven, (4, 2)), -0.006, 0.006) * max(width, height)
    return Plan(size, np.clip(corners, 2, np.array(size) - 2), room)


def _colour(picture: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    names = {"dark": ["black"], "caption": ["paper", "white", "grey"], "pencil": list(BOARDS)[1:]}
    name = kind if kind in BOARDS else str(rng.choice(names.get(kind, list(BOARDS))))
    colour = np.array(BOARDS[name]) + rng.normal(0, 8 if name in ("grey", "paper") else 3, 3)
    if kind == "alike":
        rim = np.concatenate([picture[:12].reshape(-1, 3), picture[:, :12].reshape(-1, 3)])
        level = rng.choice([5, 20, 50, 80, 95])
        colour = np.percentile(rim, level, axis=0) + rng.normal(0, rng.choice([1, 4, 10]), 3)
    return colour


def _sheet(
    corners: np.ndarray, size: tuple[int, int], rng: np.random.Generator | None
) -> np.ndarray:
    """Return how much of each pixel the sheet covers; with a generator, its corners are hurt."""
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    whole = np.full((round(sides[[1, 3]].mean()), round(sides[[0, 2]].mean())), 255, np.uint8)
    warp = _warp(whole.shape, corners)  # a drawn polygon would be half a pixel too large all round
    mask = np.asarray(cv2.warpPerspective(whole, warp, size))
    if rng is not None:
        span = max(size)
        radius = float(rng.uniform(0.004, 0.03)) * span
        for place in range(4):
            corner = corners[place]
            along = [corners[(place + step) % 4] - corner for step in (1, 3)]
            along = [side / np.linalg.norm(side) for side in along]
            if rng.random() < 0.25:  # torn off
                reach = rng.uniform(0.01, 0.05, 2) * span
                torn = [
                    corner - 3 * (along[0] + along[1]),
                    corner + reach[0] * along[0],
                    corner + reach[1] * along[1],
                ]
                cv2.fillPoly(mask, [np.rint(torn).astype(np.int32)], 0, cv2.LINE_AA)
            else:
                _round(mask, corner, along, radius)
    return mask[..., None].astype(np.float32) / 255


def _round(mask: np.ndarray, corner: np.ndarray, along: list[np.ndarray], radius: float) -> None:
    centre = corner + radius * (along[0] + along[1])
    turns = np.linspace(0, np.pi / 2, 12)
    arc = [centre - radius * (np.sin(t) * along[0] + np.cos(t) * along[1]) for t in turns]
    outer = corner - 2 * (along[0] + along[1])
    points = np.rint(np.array([outer, *arc]) * 16 - 8).astype(np.int32)
    cv2.fillPoly(mask, [points], 0, cv2.LINE_AA, 4)


def _board(
    colour: np.ndarray, plan: Plan, share: np.ndarray, rng: np.random.Generator, *, flat: bool
) -> np.ndarray:
    """Make the mount: its colour, uneven light, fibres, and the sheet's shadow.

    A flat one has neither light nor fibres, as overexposed white has not.
    """
    light = cv2.resize(
        rng.normal(0, rng.uniform(0, 3), (3, 4)), plan.size, interpolation=cv2.INTER_CUBIC
    )
    grain = rng.normal(0, rng.uniform(1, 8), plan.size[::-1])
    fibres = cv2.GaussianBlur(grain, (0, 0), rng.uniform(0.7, 1.6))
    board = colour + (light + fibres)[..., None] * (not flat)
    if rng.random() < 0.5:
        moved = np.float32([[1, 0, rng.uniform(-2, 2)], [0, 1, rng.uniform(-2, 2)]])
        near = cv2.warpAffine(share, moved, plan.size, borderMode=cv2.BORDER_REPLICATE)
        near = cv2.GaussianBlur(near, (0, 0), rng.uniform(1, rng.choice([4, 9])))
        board = board * (1 - rng.uniform(0, 0.35) * near[..., None])
    return np.clip(board, 0, 255)


def _light(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Make a lamp's light, which falls off by up to a seventh across the scan."""
    width, height = size
    x, y = np.linspace(-0.5, 0.5, width), np.linspace(-0.5, 0.5, height)[:, None]
    turn, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.02, 0.14)
    ramp = 1 - depth * (0.5 + (x * np.cos(turn) + y * np.sin(turn)) / np.sqrt(2))
    return np.asarray(ramp[..., None])


def _lay_on_bed(board: np.ndarray, plan: Plan, rng: np.random.Generator) -> None:
    """Let the scanner's bed, or its dark lid, show beyond the board's edge."""
    width, height = plan.size
    low, high = plan.corners.min(axis=0), plan.corners.max(axis=0)
    room = np.array([low[1], width - high[0], height - high[1], low[0]])
    around = rng.random() < 0.5
    cut = np.maximum(0, room * rng.uniform(0.1, 0.7, 4)) * (around | (rng.random(4) < 0.7))
    if around and rng.random() < 0.5:  # a frame of one width
        cut = np.full(4, cut.min())
    inner = [[cut[3], cut[0]], [width - cut[1], cut[0]], [width - cut[1], height - cut[2]]]
    inner.append([cut[3], height - cut[2]])
    edge = np.array(inner) + rng.normal(0, 0.7, (4, 2))
    mask = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(mask, np.rint(edge * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    bed = rng.choice([8.0, 250.0]) if rng.random() < 0.8 else rng.uniform(60, 220)
    share = mask[..., None] / 255
    board[:] = board * share + (bed + rng.normal(0, 1, board.shape)) * (1 - share)


def _lay(
    picture: np.ndarray,
    board: np.ndarray,
    plan: Plan,
    share: np.ndarray,
    kind: str,
    rng: np.random.Generator,
) -> np.ndarray:
    warp = _warp(picture.shape, plan.corners)
    laid = cv2.warpPerspective(picture, warp, plan.size, borderMode=cv2.BORDER_REPLICATE)
    if kind == "rim" or (kind == "rounded" and rng.random() < 0.5):
        paper = np.array([232, 222, 200]) + rng.normal(0, 8, 3)
        thick = rng.uniform(0.0008, 0.0035) * max(plan.size)
        middle = plan.corners.mean(axis=0)
        away = 1 + thick / np.abs(plan.corners - middle).max(axis=0)
        under = _sheet(middle + (plan.corners - middle) * away, plan.size, None)
        board = board * (1 - under) + paper * under
    return board * (1 - share) + laid * share


def _warp(shape: tuple[int, ...], corners: np.ndarray) -> np.ndarray:
    """Return the homography from a picture to corners; pixel centres lie half a pixel in."""
    height, width = shape[:2]
    frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    warp = cv2.getPerspectiveTransform(frame - 0.5, (corners - 0.5).astype(np.float32))
    return np.asarray(warp)


def _cut_sides(
    scan: np.ndarray, corners: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cut one to three sides within the print, so that no mount is left there."""
    sides = rng.permutation(4)[: int(rng.choice([1, 1, 2, 3]))]
    height, width = scan.shape[:2]
    box = [0, width, height, 0]
    rank = {0: (1, max), 1: (0, min), 2: (1, min), 3: (0, max)}
    for side in sides:
        axis, pick = rank[int(side)]
        ends = corners[[side, (side + 1) % 4], axis]
        box[side] = int(pick(ends)) + (3 if pick is max else -3)
    top, right, bottom, left = box
    frame = [(left, top), (right, top), (right, bottom), (left, bottom)]
    lines = []
    for side in range(4):
        ends = frame if side in sides else [tuple(corner) for corner in corners]
        first, second = (*ends[side], 1.0), (*ends[(side + 1) % 4], 1.0)
        lines.append(np.cross(first, second))
    met = [np.cross(lines[side - 1], lines[side]) for side in range(4)]
    cut = np.array([point[:2] / point[2] for point in met]) - (left, top)
    return scan[top:bottom, left:right], cut
