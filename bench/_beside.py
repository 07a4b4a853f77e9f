"""What stands beside a print on a made-up scan: pencilled numbers, captions, targets, rulers."""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a print lies in its scan, pixels."""

    size: tuple[int, int]
    """Width and height of the scan."""
    corners: np.ndarray
    """Shape (4, 2), of the picture."""
    room: int
    """Side with room for something beside the print: 0 top, 1 right, 2 bottom, 3 left."""


def place_beside(
    board: np.ndarray, plan: Plan, kind: str, colour: np.ndarray, rng: np.random.Generator
) -> None:
    """Put a number, a caption, a target or a ruler on the side that has room."""
    if kind in ("pencil", "caption"):
        _write(board, plan, kind, colour, rng)
        return
    turned = plan.corners
    width, height = plan.size
    for _ in range(plan.room):
        turned = np.stack([turned[:, 1], width - turned[:, 0]], axis=1)
        width, height = height, width
    free = int(np.sort(turned[:, 1])[:2].min())
    span = int(turned[:, 0].min()), int(turned[:, 0].max())
    view = np.rot90(board, plan.room)  # that side is on top; a view, so the board changes
    _target(view, kind, free=free, span=span, rng=rng)


def _write(
    board: np.ndarray, plan: Plan, kind: str, colour: np.ndarray, rng: np.random.Generator
) -> None:
    """Write a number in pencil, or print a caption, above or below the print."""
    ink = colour * rng.uniform(0.3, 0.7) if colour.mean() > 60 else colour + 90
    text = f"{int(rng.integers(10, 30))} {int(rng.integers(100, 9999))}"
    if kind == "caption":
        text = f"{int(rng.integers(100, 9999))} SCHLOSS UND KIRCHE. P. Z."
    rows = np.sort(plan.corners[:, 1])
    first, last = (0, int(rows[0])) if plan.room == 0 else (int(rows[-1]), plan.size[1])
    free = last - first
    base = first + int(free * rng.uniform(0.55, 0.9))
    left, right = plan.corners[:, 0].min(), plan.corners[:, 0].max()
    at = (int(rng.uniform(left, left + 0.6 * (right - left))), base)
    face = cv2.FONT_HERSHEY_SCRIPT_SIMPLEX if kind == "pencil" else cv2.FONT_HERSHEY_TRIPLEX
    drawn = np.zeros(board.shape[:2], np.uint8)
    cv2.putText(drawn, text, at, face, free / rng.uniform(45, 90), 255, 1, cv2.LINE_AA)
    board += (ink - board) * (drawn[..., None] / 255)


def _target(
    view: np.ndarray, kind: str, *, free: int, span: tuple[int, int], rng: np.random.Generator
) -> None:
    """Draw a row of patches or a ruler above the print, on a ground of its own."""
    gap = max(3, int(free * rng.uniform(0.06, 0.35)))
    deep = int((free - gap) * rng.uniform(0.5, 1.0))
    bottom = free - gap
    top = max(0, bottom - deep) if rng.random() < 0.7 else 0
    wide = int((span[1] - span[0]) * rng.uniform(0.5, 1.05))
    left = max(0, int(rng.uniform(span[0], span[1] - 0.6 * wide)))
    right = min(view.shape[1], left + wide)
    view[top:bottom, left:right] = rng.choice([15, 128, 240])
    count = int(rng.integers(7, 21))
    bounds = np.linspace(left + 2, right - 2, count + 1).astype(int)
    inner = max(1, (bottom - top) // int(rng.integers(5, 12)))
    for number, (first, last) in enumerate(pairwise(bounds)):
        if kind == "ruler" and rng.random() < 0.9:
            length = inner * (2 if number % 5 else 3)
            view[top : top + length, first : first + 2] = 255 - view[top, left]
        elif kind == "target":
            grey = number % 2 and count > 12
            shade = 255 * (number + 0.5) / count if grey else rng.uniform(0, 255, 3)
            view[top + inner : bottom - inner, first : max(first + 1, last - 1)] = shade
