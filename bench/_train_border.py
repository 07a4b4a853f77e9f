"""Learn the weights of preprocess/joint.py, and write them to preprocess/weights.py.

Run it from the repository, where torch is: `python bench/_train_border.py`; half an hour. Each
case is searched as the crop stage does it, every choice of four lines is compared with the true
corners, and the scores are fitted so that good choices are likely (cross entropy) and bad ones do
little harm (expected share of the print's area lost). `bench/crop_truth.py` measures the outcome
on other prints and seeds.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill

import cv2
import numpy as np
import torch
from _crop_cases import LEARN, Case, composites, decode, drawn_prints, real_prints, vary
from _mounts import KINDS

from preprocess.edges import measure_steps
from preprocess.evidence import CHOICES, FEATURES, LIKE_UNIT, SKEW_UNIT, measure_guess
from preprocess.mounts import MOST_GUESSES, guess_colours
from preprocess.strips import Strip, cut_strips

WEIGHTS = Path(__file__).resolve().parents[1] / "preprocess" / "weights.py"
HIDDEN = 16
SLACK = 0.006
"""A choice that loses so much more of the print's area than the best one is as good."""
HARD = ("target", "ruler", "bed", "partial", "alike", "none", "dark")
"""Kinds of which there are twice as many, some of them grey or of another size."""


def learning_cases(each: int) -> Iterator[Case]:
    """Make the cases: prints and seeds that neither calibration nor report uses."""
    for prints, seed in ((real_prints(LEARN), 11), (drawn_prints(90, 501), 13)):
        yield from composites(prints, (*KINDS, "none"), each=each, seed=seed)
        yield from vary(list(composites(prints, HARD, each=each, seed=seed + 100)), seed)
        yield from composites(prints, ("partial", "none"), each=2 * each, seed=seed + 200)


class Table:
    """The features of all cases, padded to the same number of guesses."""

    def __init__(self, count: int) -> None:
        """Make room for `count` cases."""
        choices = (CHOICES,) * 3
        self.features = np.zeros((count, MOST_GUESSES, 4, *choices, len(FEATURES)), np.float16)
        self.lines = np.zeros((count, MOST_GUESSES, 4, CHOICES, 2), np.float32)
        self.valid = np.zeros((count, MOST_GUESSES, 4, CHOICES), bool)
        self.inside = np.zeros((count, MOST_GUESSES, 4, CHOICES, 4), np.float32)
        self.lost = np.full((count, MOST_GUESSES, 4, CHOICES), 9.0, np.float32)

    def fill(self, place: int, case: Case) -> None:
        """Search one case."""
        rgb = decode(case)
        strips = cut_strips(rgb)
        steps = [measure_steps(strip) for strip in strips]
        scale = np.array([strips[0].width, strips[1].width]) / rgb.shape[1::-1]
        for number, colour in enumerate(guess_colours(strips)):
            guess = measure_guess(strips, steps, colour)
            self.features[place, number] = guess.features
            self.lines[place, number] = guess.lines
            self.valid[place, number] = guess.valid
            self.inside[place, number] = guess.inside
            self.lost[place, number] = np.where(
                guess.valid, area_lost(guess.lines, case.corners * scale, strips), 9.0
            )

    def take(self, places: np.ndarray) -> tuple[torch.Tensor, ...]:
        """Return some cases as tensors."""
        parts = (self.features, self.lines, self.valid, self.inside, self.lost)
        return tuple(torch.from_numpy(part[places]) for part in parts)


def area_lost(lines: np.ndarray, corners: np.ndarray, strips: tuple[Strip, ...]) -> np.ndarray:
    """Say what share of the print's area each line cuts off or adds: shape (4, CHOICES)."""
    area = cv2.contourArea(corners.astype(np.float32))
    width, height = strips[0].width, strips[1].width
    lost = np.zeros((4, CHOICES))
    for side in range(4):
        first, second = corners[side], corners[(side + 1) % 4]
        turned = [
            [point, (point[1], width - point[0]), (width - point[0], height - point[1]),
             (height - point[1], point[0])][side]
            for point in (first, second)
        ]  # fmt: skip
        (x0, y0), (x1, y1) = turned
        x = np.linspace(x0, x1, 16)
        truth = y0 + (y1 - y0) * (x - x0) / (x1 - x0)
        found = lines[side, :, :1] + lines[side, :, 1:] * (x - strips[side].width / 2)
        lost[side] = np.abs(found - truth).mean(axis=1) * (x1 - x0) / area
    return lost


class Scores(torch.nn.Module):
    """The scores of preprocess/joint.py, for many cases at once."""

    def __init__(self, means: np.ndarray, scales: np.ndarray) -> None:
        """Start near nothing; features are scaled by their means and spreads."""
        super().__init__()
        self.register_buffer("means", torch.from_numpy(means))
        self.register_buffer("scales", torch.from_numpy(scales))
        self.linear = torch.nn.Linear(len(FEATURES), 1, bias=False)
        self.hidden = torch.nn.Linear(len(FEATURES), HIDDEN)
        self.out = torch.nn.Linear(HIDDEN, 1, bias=False)
        self.skew = torch.nn.Parameter(torch.zeros(2, 2))
        self.like = torch.nn.Parameter(torch.zeros(2))
        self.count = torch.nn.Parameter(torch.zeros(5))

    def forward(
        self,
        features: torch.Tensor,
        lines: torch.Tensor,
        valid: torch.Tensor,
        inside: torch.Tensor,
    ) -> torch.Tensor:
        """Score every choice: shape (cases, guesses, top, right, bottom, left)."""
        scaled = (features.float() - self.means) / self.scales
        alone = (self.linear(scaled) + self.out(torch.tanh(self.hidden(scaled))))[..., 0]
        top, right, bottom, left = alone.unbind(2)  # own, first neighbour, last neighbour
        total = top.permute(0, 1, 2, 4, 3)[:, :, :, :, None]
        total = total + right.permute(0, 1, 3, 2, 4)[..., None]
        total = total + bottom.permute(0, 1, 3, 2, 4)[:, :, None]
        total = total + left.permute(0, 1, 4, 3, 2)[:, :, :, None]
        none = torch.zeros(CHOICES)
        none[0] = 1
        bare = torch.zeros(4 * (CHOICES,))
        for side in range(4):
            bare = bare + none.reshape(to_shape(side))
            total = total.masked_fill(~spread(valid[:, :, side], side), -1e9)
            for other in range(side + 1, 4):
                total = total + self.of_pair(lines, inside, side, other)
        return total + self.count[bare.long()]

    def of_pair(
        self, lines: torch.Tensor, inside: torch.Tensor, side: int, other: int
    ) -> torch.Tensor:
        """Score how two sides stand to each other."""
        one, two = lines[:, :, side, :, None, 1], lines[:, :, other, None, :, 1]
        apart = ((one - two).abs() / SKEW_UNIT).clamp(max=4)
        straight, squared = self.skew[(other - side) % 2]
        first, second = inside[:, :, side, :, None], inside[:, :, other, None]
        away = (first - second)[..., :3].norm(dim=-1) / LIKE_UNIT
        like = (-away - first[..., 3] - second[..., 3]).exp()
        score = straight * apart + squared * apart**2 / 4 + self.like[(other - side) % 2] * like
        real = torch.ones(CHOICES, CHOICES)
        real[0], real[:, 0] = 0, 0
        shape = [CHOICES if place in (side, other) else 1 for place in range(4)]
        return (score * real).reshape(*lines.shape[:2], *shape)


def to_shape(side: int) -> list[int]:
    """Return the shape of what depends on one side alone."""
    return [CHOICES if place == side else 1 for place in range(4)]


def spread(values: torch.Tensor, side: int) -> torch.Tensor:
    """Let values of one side, shape (cases, guesses, CHOICES), stand for all choices."""
    return values.reshape(*values.shape[:2], *to_shape(side))


def measure(scores: Scores, batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the loss of a batch, and what the likeliest choice of each case loses."""
    *seen, lost = batch
    chances = torch.log_softmax(scores(*seen).flatten(1), 1)
    sums = sum(spread(lost[:, :, side], side) for side in range(4)).flatten(1)
    best = sums.min(1).values
    good = sums <= (best + SLACK)[:, None]
    surprise = -torch.logsumexp(chances.masked_fill(~good, -1e9), 1).clamp(max=12)
    expected = (chances.exp() * sums.clamp(max=0.4)).sum(1)
    found = best < 0.04  # of a print that no choice fits nothing is learned
    loss = ((surprise + 10 * expected) * found).mean()
    return loss, sums.gather(1, chances.argmax(1)[:, None])[:, 0]


def learn(table: Table, epochs: int) -> Scores:
    """Fit the scores."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    count = len(table.features)
    some = table.features[::8, 0, :, 1:].reshape(-1, len(FEATURES))[::7].astype(np.float32)
    scores = Scores(some.mean(0), some.std(0) + 0.05)
    optimiser = torch.optim.Adam(scores.parameters(), lr=0.02, weight_decay=1e-4)
    for epoch in range(epochs):
        for group in optimiser.param_groups:
            group["lr"] = 0.01 * (1 + np.cos(np.pi * epoch / epochs)) + 2e-4
        losses, found = [], []
        for places in np.array_split(rng.permutation(count), count // 32):
            loss, lost = measure(scores, table.take(places))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
            found.append(lost.detach().numpy())
        bad = int((np.concatenate(found) > 0.05).sum())
        print(f"epoch {epoch}: loss {np.mean(losses):.4f}, {bad} of {count} bad", flush=True)
    return scores


def write_weights(scores: Scores, path: Path) -> None:
    """Write preprocess/weights.py."""
    named = {
        "MEANS": scores.means,
        "SCALES": scores.scales,
        "LINEAR": scores.linear.weight[0],
        "HIDDEN_WEIGHTS": scores.hidden.weight.T,
        "HIDDEN_BIAS": scores.hidden.bias,
        "HIDDEN_OUT": scores.out.weight[0],
        "SKEW": scores.skew,
        "LIKE": scores.like,
        "COUNT": scores.count,
    }
    lines = ['"""The weights of `preprocess.joint`, learned by bench/_train_border.py.', ""]
    lines += ["A row or number for each of `preprocess.evidence.FEATURES`, in order.", '"""']
    lines += ["", "from typing import Final", "", "# fmt: off"]
    for name, values in named.items():
        lines.append(f"{name}: Final = {to_text(values.detach().numpy())}")
    path.write_text("\n".join(lines) + "\n")


def to_text(values: np.ndarray, indent: str = "    ") -> str:
    """Write numbers as nested tuples, to four digits."""
    if values.ndim == 2:
        rows = [to_text(row, 2 * indent) for row in values]
        return "(\n" + "".join(f"{indent}{row},\n" for row in rows) + ")"
    numbers = ", ".join(f"{value:.4g}" for value in values)
    if len(numbers) < 70:
        return f"({numbers})"
    body = fill(numbers, 98, initial_indent=indent, subsequent_indent=indent)
    return f"(\n{body},\n{indent[4:]})"


def main() -> None:
    """Make the cases, learn and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    wanted = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    cases = list(learning_cases(wanted.each))
    table = Table(len(cases))
    for place, case in enumerate(cases):
        table.fill(place, case)
    write_weights(learn(table, wanted.epochs), wanted.out)


if __name__ == "__main__":
    main()
