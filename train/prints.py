"""Edge: a few fixed prints of a run, and what its weights make of them as it learns.

Dimensions: B batch, H height, W width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

from train.augment import to_lab
from train.model import UNet
from train.pictures import GUTTER, to_triptych, write_picture
from train.state import TrainState
from train.streaming.samples import Samples
from train.validation import cut_valid, predict, to_whole

FOLDER: Final = "pictures"
"""Of the run folder: a sheet for each validation."""

SHOWN: Final = 3
"""Prints of a split."""

SIDE: Final = 256
"""Longest side at which a print is drawn, in pixels."""

_LABEL: Final = 22
_INK: Final = (60, 60, 60)


@dataclass(frozen=True, slots=True)
class Print:
    """One print, held for the whole run."""

    split: str
    lab_1HW3: Tensor
    """Lab as in a shard, uint8, without the padding."""


def choose_prints(count: int) -> list[int]:
    """Choose the prints of a split that are shown: the same in every run, evenly spaced.

    Args:
        count: Samples of the split.

    Returns:
        Numbers of at most `SHOWN` samples, in order.
    """
    shown = min(SHOWN, count)
    return [(2 * place + 1) * count // (2 * shown) for place in range(shown)]


def read_prints(samples: Samples, *, split: str) -> list[Print]:
    """Read the prints of a split that are shown, while no other feed of it is open.

    Raises:
        DataError: If a sample cannot be read.
        StoppedError: If the process was asked to stop and a sample is not there.
    """
    if not len(samples):
        return []
    with samples.read_runs([np.array([number]) for number in choose_prints(len(samples))]) as feed:
        # Copied, for the feed puts later samples into the same memory.
        return [Print(split, cut_valid(gathered, 0).clone()) for gathered in feed]


class Sheets:
    """Draws the prints anew whenever it is asked to, into the run folder."""

    def __init__(
        self,
        run: Path,
        prints: Sequence[Print],
        *,
        short: int,
        report: Callable[[dict[str, Any]], None],
    ) -> None:
        """Take the prints; nothing is written yet.

        Args:
            run: The run folder.
            prints: At least one.
            short: Shorter side at the network's input, in pixels.
            report: Takes the event `pictures`, or a note where the disk refuses.
        """
        self._run, self._prints, self._short, self._report = run, prints, short, report

    def draw(self, state: TrainState) -> None:
        """Draw what the averaged weights make of the prints, as `pictures/step-NNNNNNNN.jpg`.

        A disk that refuses costs the picture and not the training.
        """
        name = f"{FOLDER}/step-{state.step:08d}.jpg"
        path = self._run / name
        part = path.with_suffix(".part")
        sheet = draw_sheet(state.ema, self._prints, short=self._short)
        try:
            path.parent.mkdir(exist_ok=True)
            write_picture(part, sheet)
            part.replace(path)
        except OSError as exc:
            said = f"{path}: expected to write the pictures of step {state.step}, and cannot"
            self._report({"event": "note", "message": f"{said} ({exc}); the training goes on"})
            return
        self._report({"event": "pictures", "step": state.step, "path": name})


@torch.no_grad()
def draw_sheet(model: UNet, prints: Sequence[Print], *, short: int) -> NDArray[np.uint8]:
    """Draw prints below each other: grey, predicted, true, under the name of their split.

    Args:
        model: Weights that predict.
        prints: At least one.
        short: Shorter side at the network's input, in pixels.

    Returns:
        sRGB, shape (H, W, 3), 0..255, on white.
    """
    rows = [_draw_row(model, one, short=short) for one in prints]
    height = sum(len(row) + _LABEL for row in rows) + GUTTER
    width = max(row.shape[1] for row in rows) + 2 * GUTTER
    sheet = Image.new("RGB", (width, height), "white")
    pen, font, top = ImageDraw.Draw(sheet), ImageFont.load_default(13), 0
    for one, row in zip(prints, rows, strict=True):
        label = f"{one.split}: grey, predicted, true"
        pen.text((GUTTER, top + _LABEL // 2), label, fill=_INK, font=font, anchor="lm")
        sheet.paste(Image.fromarray(row), (GUTTER, top + _LABEL))
        top += _LABEL + len(row)
    return np.asarray(sheet)


def _draw_row(model: UNet, one: Print, *, short: int) -> NDArray[np.uint8]:
    small_B1HW, _ = to_whole(one.lab_1HW3, short=short)
    l_B1HW, ab_B2HW = _to_shown(one.lab_1HW3)
    found_B2HW = predict(model, small_B1HW, at_B1HW=l_B1HW)
    lab, found = (
        tensor_B3HW[0].permute(1, 2, 0).cpu().numpy()
        for tensor_B3HW in (torch.cat((l_B1HW, ab_B2HW), dim=1), found_B2HW)
    )
    return to_triptych(lab, seen=lab[..., 0], predicted_ab=found)


def _to_shown(lab_BHW3: Tensor) -> tuple[Tensor, Tensor]:
    """Bring a print to the size at which it is drawn; a small one stays as it is."""
    lab_B3HW = torch.cat(to_lab(lab_BHW3), dim=1)
    scale = min(1.0, SIDE / max(lab_B3HW.shape[-2:]))
    size = [max(1, round(side * scale)) for side in lab_B3HW.shape[-2:]]
    shown = functional.interpolate(lab_B3HW, size=size, mode="bilinear", antialias=True)
    return shown[:, :1], shown[:, 1:]
