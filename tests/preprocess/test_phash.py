from collections.abc import Callable

import imagehash
import numpy as np
import pytest
from PIL import Image

from preprocess.lab import to_lightness
from preprocess.neighbours import find_near_pairs
from preprocess.phash import hash_cuts, hash_lightness, hash_turned


def test_the_hash_is_that_of_imagehash(scene: Callable[..., np.ndarray]) -> None:
    lightness = to_lightness(scene(1))
    grey = Image.fromarray(np.rint(lightness * 2.55).astype(np.uint8))
    assert f"{hash_lightness(lightness):016x}" == str(imagehash.phash(grey))


def test_other_inks_of_the_same_lightness_hash_alike(scene: Callable[..., np.ndarray]) -> None:
    rgb = scene(2)
    grey = np.repeat(np.rint(255 * (to_lightness(rgb) / 100) ** 1.1)[..., None], 3, axis=2)
    distance = hash_lightness(to_lightness(rgb)) ^ hash_lightness(
        to_lightness(grey.astype(np.uint8))
    )
    assert distance.bit_count() <= 4


def test_cuts_bring_a_tighter_scan_near(scene: Callable[..., np.ndarray]) -> None:
    whole = to_lightness(scene(3))
    tight = whole[20:-20, 26:-26]
    hashes = np.array([hash_cuts(whole), hash_cuts(tight)], np.uint64)
    plain = find_near_pairs(hashes[:, :1], radius=64)[0, 2]
    with_cuts = find_near_pairs(hashes, radius=64)[0, 2]
    assert with_cuts <= 4 < plain


def test_a_mirrored_scan_lies_near_the_hash_turned_over(scene: Callable[..., np.ndarray]) -> None:
    lightness = to_lightness(scene(3))
    mirrored = np.ascontiguousarray(lightness[:, ::-1])
    assert hash_turned(lightness) == hash_cuts(mirrored)
    assert (hash_lightness(mirrored) ^ hash_turned(lightness)[0]).bit_count() == 0
    assert (hash_lightness(mirrored) ^ hash_lightness(lightness)).bit_count() > 12


@pytest.mark.parametrize(
    "lightness", [np.zeros((64, 64)), np.zeros((64, 8), np.float32), np.zeros(64, np.float32)]
)
def test_other_arrays_are_refused(lightness: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected float32 lightness"):
        hash_lightness(lightness)
