"""What each way from a scan to a sample costs in colour, against averaging exact linear light.

The reference decodes a print whole, and averages float64 linear light over the area under each
pixel. Against it, in dE00: our own resampling from a full decode and from the JPEG's own
reductions, averages of sRGB values, Pillow's filters, the rounding of LAB to bytes alone, and
our resampling of tilted prints. Run it from the repository: `python bench/resampling.py`. It
needs the real prints of ../shared, takes some minutes, and writes bench/results/resampling.json.
"""

import sys
from pathlib import Path

import numpy as np
from _record import write_record
from numpy.typing import NDArray
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from preprocess.images import read_scan
from preprocess.lab import LINEAR_OF_BYTE
from preprocess.lab_bytes import to_lab_bytes
from preprocess.rectify import rectify

PRINTS = Path(__file__).resolve().parents[2] / "shared" / "photochroms"
SIZES = (256, 512)
INSET = 0.006
POINTS = 12
"""Points along a pixel's side that stand for its area where the print is tilted."""

Rgb = NDArray[np.uint8]
Lab = NDArray[np.float64]


def main() -> None:
    """Compare every way on every print, print the table and write the record."""
    paths = sorted(PRINTS.glob("*.jpg"))
    if not paths:
        sys.exit("no ../shared beside the checkout: the real prints are not here; nothing was run")
    found: dict[str, list[tuple[float, float]]] = {}
    for path in paths:
        whole = read_scan(path, shrink=1).rgb
        for size in SIZES:
            for name, lab, truth in compare_level(path, whole, size):
                found.setdefault(f"{size} px: {name}", []).append(measure(lab, truth))
    for path in paths[::10]:
        whole = read_scan(path, shrink=1).rgb
        for degrees in (0.5, 2.0, 10.0, 45.0):
            lab, truth = compare_tilted(whole, degrees)
            found.setdefault(f"256 px: ours, tilted by {degrees}", []).append(measure(lab, truth))
    rows = {name: np.mean(values, axis=0).round(3).tolist() for name, values in found.items()}
    print(f"{'dE00 to linear light, exactly':50s} {'mean':>7s} {'p99':>7s}")
    for name, (mean, high) in rows.items():
        print(f"{name:50s} {mean:7.3f} {high:7.3f}")
    packages = ("numpy", "pillow", "simplejpeg", "numba", "scikit-image")
    print(write_record("resampling", packages=packages, prints=len(paths), de00_mean_p99=rows))


def measure(lab: Lab, truth: Lab) -> tuple[float, float]:
    """Return the mean and the 99th percentile of dE00."""
    error = deltaE_ciede2000(lab, truth)
    return float(error.mean()), float(np.percentile(error, 99))


def compare_level(path: Path, whole: Rgb, size: int) -> list[tuple[str, Lab, Lab]]:
    """Bring a print without its edges to a size, in every way."""
    height, width = whole.shape[:2]
    away = INSET * min(height, width)
    box = (away, away, width - away, height - away)
    scale = size / max(width, height)
    out = (round(width * scale), round(height * scale))
    truth = average(LINEAR_OF_BYTE[whole], box, out)
    linear = rgb2lab(encode(truth))
    ways = [("LAB rounded to bytes, nothing else", to_float(round_lab(linear)))]
    quad = np.array([box[:2], (box[2], box[1]), box[2:], (box[0], box[3])])
    for part in (1, 2, 4):
        scan = read_scan(path, shrink=part)
        lab = to_lab_bytes(rectify(scan.rgb, quad * scan.scale, width=out[0], height=out[1]))
        ways.append((f"ours, decoded at 1/{part}, rounded to bytes", to_float(lab)))
        plain = rectify(scan.rgb, quad * scan.scale, width=out[0], height=out[1])
        ways.append((f"ours, decoded at 1/{part}", rgb2lab(plain / 255)))
    ways.append(("area averages of sRGB values", rgb2lab(average(whole / 255, box, out))))
    image = Image.fromarray(whole)
    for name in ("LANCZOS", "BICUBIC", "BOX"):
        resized = image.resize(out, Image.Resampling[name], box=box)
        ways.append((f"Pillow {name}", rgb2lab(np.asarray(resized) / 255)))
    return [(name, lab, linear) for name, lab in ways]


def average(values: Lab, box: tuple[float, ...], out: tuple[int, int]) -> Lab:
    """Average a picture over the area of each pixel of a result."""
    across = weigh(values.shape[1], box[0], box[2], out[0])
    down = weigh(values.shape[0], box[1], box[3], out[1])
    return np.einsum("ij,jkc,lk->ilc", down, values, across, optimize=True)


def weigh(count: int, start: float, end: float, out: int) -> Lab:
    """Say how much of each of `count` pixels lies under each of `out`."""
    edges = start + np.arange(out + 1) * (end - start) / out
    low, high = edges[:-1, None], edges[1:, None]
    pixels = np.arange(count)[None]
    share = np.clip(np.minimum(pixels + 1, high) - np.maximum(pixels, low), 0, None)
    return share / share.sum(axis=1, keepdims=True)


def compare_tilted(whole: Rgb, degrees: float) -> tuple[Lab, Lab]:
    """Cut a turned rectangle out of a print, at 256 px."""
    height, width = whole.shape[:2]
    turn = np.deg2rad(degrees)
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    side = 0.68 * min(width, height)
    half = np.array([[-side, -side], [side, -side], [side, side], [-side, side]]) / 2
    quad = half @ axes + (width / 2, height / 2)
    ours = rectify(whole, quad, width=256, height=256)
    grid = (np.arange(256 * POINTS) + 0.5) / (256 * POINTS) * side - side / 2
    total = np.zeros((256, 256, 3))
    for row in range(256):
        y, x = np.meshgrid(grid[row * POINTS : (row + 1) * POINTS], grid, indexing="ij")
        places = (np.stack([x, y], axis=-1) @ axes + (width / 2, height / 2)).astype(int)
        light = LINEAR_OF_BYTE[whole[places[..., 1], places[..., 0]]]
        total[row] = light.reshape(POINTS, 256, POINTS, 3).mean(axis=(0, 2))
    return rgb2lab(ours / 255), rgb2lab(encode(total))


def encode(linear: Lab) -> Lab:
    """Turn linear light to sRGB values (IEC 61966-2-1)."""
    curve = 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, curve)


def round_lab(lab: Lab) -> Rgb:
    """Round LAB to the bytes of a shard."""
    return np.rint(np.clip(lab * (2.55, 1, 1) + (0, 128, 128), 0, 255)).astype(np.uint8)


def to_float(lab: Rgb) -> Lab:
    """Read LAB from the bytes of a shard."""
    return (lab - np.array([0.0, 128, 128])) / (2.55, 1, 1)


if __name__ == "__main__":
    main()
