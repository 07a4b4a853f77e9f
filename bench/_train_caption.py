"""Train the small net of `preprocess.caption` on one half of the real prints, and write its file.

`python bench/_train_caption.py` reads ../shared/photochroms and writes preprocess/caption.onnx;
bench/caption_truth.py measures it on both halves. The leading underscore keeps it out of
`make bench`: the net is trained when its make is changed, not when it is measured.

The net in the repository had 7,200 steps in four goes (`--steps` 1800, 1800, 2600 and 1000,
`--rate` 8e-3, 4e-3, 3e-3 and 2e-3, `--seed` 3 to 6, each from the net before); smaller letters,
lower lines, blur and more grey came in between, so a run from the start gives another net.
"""

import argparse
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from _captions import HERE, real_cases, stand, title_of
from _lettering import FAINT, compose, letter, repack
from onnx import TensorProto, checker, helper, load, numpy_helper, save
from torch import Tensor, nn

from preprocess.caption import BAND, LONG, to_channels
from replica.catalogue import list_rows
from replica.press import draw_print
from replica.records import DrawnScan

OUT: Final = HERE.parent / "preprocess" / "caption.onnx"

LAYERS: Final = (
    (3, 12, (5, 5), (2, 2), (1, 1)),
    (12, 16, (3, 3), (1, 1), (1, 1)),
    (16, 16, (3, 7), (1, 2), (1, 1)),
    (16, 16, (5, 1), (1, 1), (2, 1)),
    (16, 16, (1, 7), (1, 1), (1, 2)),
    (16, 1, (1, 1), (1, 1), (1, 1)),
)
"""Maps in, maps out, kernel, stride, dilation of each convolution; rows before columns."""

STEP: Final = (2, 4)
"""Pixels of the band for a row and for a column of the net's answer."""


def is_tuned(name: str) -> bool:
    """Say whether a print belongs to the half that the net is trained and tuned on."""
    return zlib.crc32(name.encode()) % 2 == 0


def grounds() -> list[np.ndarray]:
    """Gather the pictures that captions are set on: real prints of one half, and generated ones."""
    real = [stand(case) for case in real_cases() if case.kind == "none" and is_tuned(case.name)]
    scans = [
        resource.scan
        for row in list_rows(40, 5)
        for resource in row.resources
        if isinstance(resource.scan, DrawnScan)
    ]
    drawn = [draw_print(scan.sheet, 1024, caption=False) for scan in scans[:24]]
    return real + real + drawn


def make_band(
    ground: np.ndarray, titles: list[str], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a band from a picture, most with a caption; also its target: 1, 0 or -1 for leave out."""
    part = np.ascontiguousarray(ground[:, :: -1 if rng.random() < 0.5 else 1])
    scale = LONG / max(part.shape) * float(rng.uniform(0.85, 1.25))
    part = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    bottom = part.shape[0]
    if rng.random() < 0.6:
        bottom = int(rng.integers(2 * BAND, part.shape[0] + 1))
    strip = part[max(0, bottom - 2 * BAND) : bottom]
    left = int(rng.integers(0, max(1, strip.shape[1] - LONG + 1)))
    strip = relight(np.ascontiguousarray(strip[:, left : left + LONG]), rng)
    box: tuple[float, ...] = ()
    faint = False
    if rng.random() < 0.65:
        text = compose(str(rng.choice(titles)), rng)
        strip, box, seen = letter(strip, text, rng, unit=1)
        faint = int(seen.split("-")[1]) < FAINT
    else:
        strip = repack(strip, int(rng.integers(78, 93)))
    strip = cv2.GaussianBlur(strip, (0, 0), float(rng.choice([0.05, 0.4, 0.7, 0.9])))
    height, width = strip.shape[:2]
    wide = cv2.copyMakeBorder(strip, 0, 0, 0, LONG - width, cv2.BORDER_REPLICATE)
    return wide[-BAND:], to_target(box, (height, width), faint=faint)


def relight(strip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change a strip's exposure and colour; now and then take the colour away."""
    light = strip.astype(np.float32) * rng.normal(1, 0.06, 3) * rng.uniform(0.7, 1.25)
    if rng.random() < 0.2:
        light = np.repeat(light.mean(axis=-1, keepdims=True), 3, axis=-1)
    return np.clip(light, 0, 255).astype(np.uint8)


def to_target(box: tuple[float, ...], size: tuple[int, int], *, faint: bool) -> np.ndarray:
    """Mark the cells of the net's answer that lie in the box; its rim counts neither way."""
    target = np.zeros((BAND // STEP[0], LONG // STEP[1]), np.float32)
    if not box:
        return target
    height, width = size
    left, right = (edge * width / STEP[1] for edge in (box[0], box[2]))
    top, bottom = ((edge * height - height + BAND) / STEP[0] for edge in (box[1], box[3]))
    columns, rows = np.arange(target.shape[1]) + 0.5, np.arange(target.shape[0]) + 0.5
    inside = np.minimum(columns - left, right - columns)[None]
    within = np.minimum(rows - top, bottom - rows)[:, None]
    target[(inside > -1.5) & (within > -0.75)] = -1
    target[(inside > 0) & (within > 0)] = -1 if faint else 1
    return target


def build(start: Path | None) -> nn.Sequential:
    """Build the net: six convolutions with rectifiers between; its weights those of `start`."""
    layers: list[nn.Module] = []
    for maps, more, kernel, stride, dilation in LAYERS:
        padding = tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
        layers.append(
            nn.Conv2d(maps, more, kernel, stride=stride, padding=padding, dilation=dilation)
        )
        layers.append(nn.ReLU())
    nn.init.constant_(layers[-2].bias, -3.0)  # most cells hold no lettering
    net = nn.Sequential(*layers[:-1])
    if start is not None:
        written = {w.name: numpy_helper.to_array(w) for w in load(start).graph.initializer}
        shorts = {"weight": "w", "bias": "b"}
        names = {name: shorts[name.split(".")[1]] + name.split(".")[0] for name in net.state_dict()}
        net.load_state_dict({name: torch.tensor(written[names[name]]) for name in names})
    return net


def batches(
    pictures: list[np.ndarray], titles: list[str], *, pool: int, size: int, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Give batches of half bands without end; a quarter of the pool is drawn anew every round."""
    rng = np.random.default_rng(seed)
    made: list[tuple[np.ndarray, np.ndarray]] = []
    while True:
        made = made[pool // 4 :]
        while len(made) < pool:
            made.append(make_band(pictures[int(rng.integers(len(pictures)))], titles, rng))
        order = rng.permutation(pool)
        for first in range(0, pool - size + 1, size):
            chosen = [made[place] for place in order[first : first + size]]
            starts = LONG // 8 * rng.integers(0, 5, size)
            channels = [
                to_channels(band)[..., start : start + LONG // 2]
                for (band, _), start in zip(chosen, starts, strict=True)
            ]
            targets = [
                target[:, start // STEP[1] : (start + LONG // 2) // STEP[1]]
                for (_, target), start in zip(chosen, starts, strict=True)
            ]
            yield torch.from_numpy(np.concatenate(channels)), torch.from_numpy(np.stack(targets))


def train(
    net: nn.Sequential, source: Iterator[tuple[Tensor, Tensor]], *, steps: int, rate: float
) -> None:
    """Train; cross entropy on the cells that count."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-4)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.15)
    running = 0.0
    for step in range(steps):
        bands, target = next(source)
        logits = net(bands)[:, 0]
        counts = (target >= 0).float()
        cells = nn.functional.binary_cross_entropy_with_logits(
            logits, target.clamp(min=0), reduction="none"
        )
        loss = (cells * counts).sum() / counts.sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        plan.step()
        running += (loss.item() - running) / min(step + 1, 50)
        if step % 50 == 49:
            print(f"step {step + 1:5d}  loss {running:.4f}", flush=True)


def write_onnx(net: nn.Sequential, path: Path) -> None:
    """Write the net as ONNX, weights as float32."""
    nodes, weights, name = [], [], "band"
    for place, layer in enumerate(net):
        if not isinstance(layer, nn.Conv2d):
            nodes.append(helper.make_node("Relu", [name], [f"x{place}"]))
        else:
            for part, value in (("w", layer.weight), ("b", layer.bias)):
                array = value.detach().numpy()
                weights.append(numpy_helper.from_array(array, f"{part}{place}"))
            across, down = layer.padding[1], layer.padding[0]
            nodes.append(
                helper.make_node(
                    "Conv",
                    [name, f"w{place}", f"b{place}"],
                    [f"x{place}"],
                    kernel_shape=list(layer.kernel_size),
                    strides=list(layer.stride),
                    dilations=list(layer.dilation),
                    pads=[down, across, down, across],
                )
            )
        name = f"x{place}"
    bands = helper.make_tensor_value_info("band", TensorProto.FLOAT, [1, 3, BAND, LONG])
    cells = [1, 1, BAND // STEP[0], LONG // STEP[1]]
    answer = helper.make_tensor_value_info(name, TensorProto.FLOAT, cells)
    graph = helper.make_graph(nodes, "caption", [bands], [answer], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    checker.check_model(model)
    save(model, path)


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--pool", type=int, default=640)
    parser.add_argument("--rate", type=float, default=8e-3, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--start", type=Path, help="a net to go on from")
    parser.add_argument("--out", type=Path, default=OUT)
    wanted = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    titles = [title_of(case.name) for case in real_cases()] + [
        "Copyright by Photoglob",
        "Vue generale",
    ]
    source = batches(grounds(), titles, pool=wanted.pool, size=16, seed=wanted.seed)
    net = build(wanted.start)
    train(net, source, steps=wanted.steps, rate=wanted.rate)
    write_onnx(net, wanted.out)


if __name__ == "__main__":
    main()
