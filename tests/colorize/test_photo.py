"""Photographs to colorized copies: size, lightness, colour, and many at once."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from colorize.errors import ColorizeError
from colorize.params import ColorizeParams
from colorize.photo import colorize_photo, colorize_photos
from preprocess.lab import to_lab, to_lightness, to_rgb
from tests.disks import small_disk
from train.predict import Predictor

Grey = NDArray[np.uint8]
Colorize = Callable[..., Path]
PARAMS = ColorizeParams(strength=1.0, quality=95)


def read(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def difference(grey: Grey, coloured: NDArray[np.uint8]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = np.abs(
        to_lightness(np.dstack([grey] * 3)) - to_lightness(coloured)
    )
    return found


@pytest.mark.parametrize(
    ("suffix", "mean", "largest"),
    [(".png", 0.1, 0.4), (".tif", 0.1, 0.4), (".jpg", 0.3, 4.0), (".webp", 0.8, 9.0)],
)
def test_size_and_lightness_stay_and_colour_comes(
    tmp_path: Path, colorize: Colorize, grey: Grey, suffix: str, mean: float, largest: float
) -> None:
    photo = tmp_path / f"quay{suffix}"
    options = {"lossless": True} if suffix == ".webp" else {"quality": 95}
    Image.fromarray(grey).save(photo, **options)
    grey = read(photo)[..., 0]
    out = colorize(photo)
    coloured = read(out)
    assert coloured.shape == (*grey.shape, 3)
    moved = difference(grey, coloured)
    assert moved.mean() <= mean and moved.max() <= largest
    assert np.abs(to_lab(coloured)[..., 1:]).mean() > 5
    with Image.open(photo) as old, Image.open(out) as new:
        assert new.format == old.format


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
def test_a_full_disk_leaves_no_half_picture(
    tmp_path: Path, colorize: Colorize, grey: Grey, suffix: str
) -> None:
    photo = tmp_path / f"quay{suffix}"
    Image.fromarray(grey).save(photo)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(ColorizeError, match="cannot be written"), small_disk():
        colorize(photo)
    assert {path for path in set(tmp_path.rglob("*")) - before if path.is_file()} == set()


def test_strength_scales_the_colours_and_none_is_grey(
    tmp_path: Path, colorize: Colorize, grey: Grey
) -> None:
    photo = tmp_path / "quay.png"
    Image.fromarray(grey).save(photo)
    np.testing.assert_array_equal(read(colorize(photo, strength=0))[..., 0], grey)
    middle = np.abs(to_lightness(np.dstack([grey] * 3)) - 50) < 15
    chroma = [
        np.hypot(*np.moveaxis(to_lab(read(colorize(photo, strength=s)))[..., 1:], 2, 0))
        for s in (0.5, 1.0)
    ]
    assert chroma[1][middle].mean() == pytest.approx(2 * chroma[0][middle].mean(), rel=0.05)


def test_the_same_photograph_gives_the_same_bytes(
    tmp_path: Path, colorize: Colorize, grey: Grey
) -> None:
    for suffix in (".png", ".jpg", ".tif", ".webp"):
        photo = tmp_path / f"quay{suffix}"
        Image.fromarray(grey).save(photo)
        first = colorize(photo).read_bytes()
        assert colorize(photo).read_bytes() == first


def test_a_colour_photograph_keeps_its_lightness_and_loses_its_colours(
    tmp_path: Path, colorize: Colorize, grey: Grey
) -> None:
    sepia = np.dstack((grey, grey * 0.8, grey * 0.5)).astype(np.uint8)
    photo = tmp_path / "sepia.png"
    Image.fromarray(sepia).save(photo)
    coloured = read(colorize(photo))
    assert np.abs(to_lightness(sepia) - to_lightness(coloured)).mean() < 0.1
    plain = tmp_path / "plain.png"
    level = to_lab(sepia) * np.array([1, 0, 0], np.float32)
    Image.fromarray(to_rgb(level)).save(plain)
    apart = to_lab(read(colorize(plain))) - to_lab(coloured)
    assert np.abs(apart).mean() < 0.5


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (5, 2)])
def test_extreme_shapes_work(tmp_path: Path, colorize: Colorize, size: tuple[int, int]) -> None:
    photo = tmp_path / "strip.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, size, np.uint8)).save(photo)
    assert read(colorize(photo)).shape == (*size, 3)


def test_the_photograph_itself_is_never_replaced(
    tmp_path: Path, predictor: Predictor, grey: Grey
) -> None:
    photo, link = tmp_path / "quay.png", tmp_path / "same.png"
    Image.fromarray(grey).save(photo)
    link.hardlink_to(photo)
    before = photo.read_bytes()
    for out in (photo, link):
        with pytest.raises(ColorizeError, match="would replace it"):
            colorize_photo(photo, out=out, predictor=predictor, strength=1, quality=90)
    assert photo.read_bytes() == before


def test_an_older_copy_is_replaced_only_by_a_whole_one(
    tmp_path: Path, predictor: Predictor, grey: Grey
) -> None:
    Image.new("L", (17_000, 4)).save(tmp_path / "long.png")
    out = tmp_path / "long-colorized.webp"
    out.write_bytes(b"old")
    with pytest.raises(ColorizeError, match="cannot be written as WEBP"):
        colorize_photo(tmp_path / "long.png", out=out, predictor=predictor, strength=1, quality=90)
    assert out.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long-colorized.webp", "long.png"]
    Image.fromarray(grey).save(tmp_path / "long.png")
    colorize_photo(tmp_path / "long.png", out=out, predictor=predictor, strength=1, quality=90)
    assert read(out).shape == (90, 120, 3)


def test_an_unknown_suffix_for_the_copy_is_refused(tmp_path: Path, predictor: Predictor) -> None:
    with pytest.raises(ColorizeError, match="expected a name that ends in"):
        colorize_photo(
            tmp_path / "a.png", out=tmp_path / "a.bmp", predictor=predictor, strength=1, quality=9
        )


def test_one_bad_photograph_does_not_stop_the_others(
    tmp_path: Path, model: Path, grey: Grey
) -> None:
    photos = [tmp_path / name for name in ("a.png", "bad.jpg", "rome/a.png", "c.bmp")]
    (tmp_path / "rome").mkdir()
    for photo in photos:
        Image.fromarray(grey).save(photo)
    photos[1].write_bytes(b"nothing")
    shares: list[float] = []
    results = colorize_photos(
        photos, out=tmp_path / "out", model=model, params=PARAMS, on_progress=shares.append
    )
    assert [outcome.photo for outcome in results.outcomes] == photos
    assert [outcome.photo for outcome in results.failed] == [photos[1]]
    assert "expected a photograph" in results.failed[0].error
    assert len(results.done) == 3 and all(out.out and out.out.is_file() for out in results.done)
    assert len(list((tmp_path / "out").iterdir())) == 3
    assert shares == [0.25, 0.5, 0.75, 1]


def test_relative_paths_of_the_same_file_count_once(
    tmp_path: Path, model: Path, grey: Grey, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(grey).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    photos = [Path("a.png"), tmp_path / "a.png"]
    results = colorize_photos(
        photos, out=Path("out"), model=model, params=PARAMS, on_progress=lambda share: None
    )
    assert len(results.outcomes) == 1


def test_no_photographs_and_no_model_are_said(tmp_path: Path, model: Path) -> None:
    with pytest.raises(ColorizeError, match="got none"):
        colorize_photos(
            [], out=tmp_path, model=model, params=PARAMS, on_progress=lambda share: None
        )
    with pytest.raises(ColorizeError, match="run `photochrom train`"):
        colorize_photos(
            [tmp_path / "a.png"],
            out=tmp_path,
            model=tmp_path / "none",
            params=PARAMS,
            on_progress=lambda share: None,
        )


def test_a_folder_that_cannot_be_written_is_said(
    tmp_path: Path, predictor: Predictor, grey: Grey
) -> None:
    photo = tmp_path / "a.png"
    Image.fromarray(grey).save(photo)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ColorizeError, match="cannot be written"):
        colorize_photo(
            photo, out=tmp_path / "file" / "a.png", predictor=predictor, strength=1, quality=90
        )


def test_colorizing_loads_neither_torch_nor_prefect() -> None:
    code = (
        "import sys, colorize.photo\n"
        "heavy = ('torch', 'prefect', 'cv2', 'skimage', 'pyarrow', 'webdataset', 'scipy')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONWARNINGS": "error"},
    )
    assert ran.stdout.strip() == "[]"


def test_a_real_print_gets_back_colours_of_its_own_size(
    shared: Path, tmp_path: Path, colorize: Colorize
) -> None:
    source = shared / "photochroms" / "gb-england-berkshire-windsor.jpg"
    photo = tmp_path / "windsor.png"
    with Image.open(source) as image:
        image.convert("L").save(photo)
    grey = read(photo)[..., 0]
    coloured = read(colorize(photo))
    moved = difference(grey, coloured)
    assert moved.mean() <= 0.1 and moved.max() <= 0.4
