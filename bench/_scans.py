"""Scans for the benchmark of preprocessing, and the plans of shards made from them."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from preprocess.geometry import inset_corners, place_print, print_size
from preprocess.planning import SampleJob, ShardPlan, Source
from preprocess.samples import SampleInfo
from replica.catalogue import list_rows
from replica.press import draw_print
from replica.records import DrawnScan

PRINTS = Path(__file__).resolve().parents[2] / "shared" / "photochroms"
LONG_SIDE = 1024
INSET = 0.006
PER_SHARD = 110


def make_scans(folder: Path, count: int) -> tuple[list[Path], str]:
    """Fill a folder with JPEGs of 1,024 px, some of them several times; say what they are.

    The real prints that have no mount, where they are; else prints that the replica draws.
    """
    folder.mkdir(parents=True)
    found = [path for path in _without_mount() if _long_side(path) == LONG_SIDE]
    name = "real prints"
    if not found:
        found, name = _draw(folder.parent / "drawn"), "generated prints"
    paths = []
    for number in range(count):
        path = folder / f"{number:05d}.jpg"
        os.link(_copied(found[number % len(found)], folder.parent), path)
        paths.append(path)
    return paths, f"{count} files of {min(count, len(found))} {name}"


def _without_mount() -> list[Path]:
    """List the real prints that their manifest says have no mount; none where they are not."""
    manifest = PRINTS / "MANIFEST.tsv"
    if not manifest.exists():
        return []
    rows = [line.split("\t") for line in manifest.read_text().splitlines()]
    border = rows[0].index("border")
    return sorted(PRINTS / row[0] for row in rows[1:] if row[border] == "none")


def _copied(path: Path, folder: Path) -> Path:
    """Copy a file onto the disk of the others, once."""
    copy = folder / path.name
    if not copy.exists():
        copy.write_bytes(path.read_bytes())
    return copy


def _long_side(path: Path) -> int:
    with Image.open(path) as image:
        return max(image.size)


def _draw(folder: Path) -> list[Path]:
    """Draw prints, and pack them as the Library does its access copies."""
    folder.mkdir()
    paths = []
    for row in list_rows(80, 1):
        for drawn in (r.scan for r in row.resources if isinstance(r.scan, DrawnScan)):
            path = folder / f"drawn-{len(paths):03d}.jpg"
            picture = draw_print(drawn.sheet, LONG_SIDE, caption=True)
            Image.fromarray(picture).save(path, quality=88)
            paths.append(path)
    return paths


def plan_shards(
    paths: Sequence[Path], *, size: int, degrees: float = 0.0, per_shard: int = PER_SHARD
) -> list[ShardPlan]:
    """Plan samples of whole prints, perhaps as if they lay tilted in their scans."""
    jobs = [_plan(path, size=size, degrees=degrees) for path in paths]
    return [
        ShardPlan(f"train-{start:06d}.tar", "train", size, tuple(jobs[start : start + per_shard]))
        for start in range(0, len(jobs), per_shard)
    ]


def _plan(path: Path, *, size: int, degrees: float) -> SampleJob:
    with Image.open(path) as image:
        width, height = image.size
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    if degrees:
        turn = np.deg2rad(degrees)
        axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        middle = np.array([width / 2, height / 2])
        frame = ((frame - middle) * 0.97 @ axes + middle).astype(np.float32)
    corners = inset_corners(frame, share=INSET)
    placement = place_print(*print_size(corners), size=size, fit="pad")
    info = SampleInfo(
        key=path.stem,
        scan_id=path.stem,
        item_id="item",
        view_id=path.stem,
        group_id=path.stem,
        split="train",
        view_split="train",
        source_width=width,
        source_height=height,
        valid=placement.valid,
        size=size,
        scan_sha256=sha256,
    )
    source = Source(f"scans/{path.name}", tuple(float(number) for number in corners.ravel()))
    across, down = print_size(corners)
    return SampleJob(
        info, "A title", "none known", source, None, round(across), round(down), placement
    )


def make_masters(folder: Path, paths: Sequence[Path]) -> dict[str, Path]:
    """Make masters of 7,000 x 5,000 px from a print: uncompressed, LZW, JPEG and PNG."""
    with Image.open(paths[0]) as image:
        large = image.convert("RGB").resize((7000, 5000), Image.Resampling.BICUBIC)
    grain = np.random.default_rng(0).integers(-5, 6, (5000, 7000, 1), dtype=np.int8)
    pixels = np.clip(np.asarray(large, np.int16) + grain, 0, 255).astype(np.uint8)
    master = Image.fromarray(pixels)
    made = {name: folder / f"master-{name.lower()}" for name in ("TIFF", "LZW", "JPEG", "PNG")}
    master.save(made["TIFF"], "TIFF")
    master.save(made["LZW"], "TIFF", compression="tiff_lzw")
    master.save(made["JPEG"], "JPEG", quality=90)
    master.save(made["PNG"], "PNG", compress_level=1)
    return made
