from collections.abc import Callable
from itertools import combinations

import imagehash
import numpy as np
import pytest
from PIL import Image

from preprocess.lab import to_lightness
from preprocess.phash import find_near_pairs, hash_cuts, hash_lightness


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


@pytest.mark.parametrize("radius", [0, 8, 20, 64])
def test_near_pairs_are_all_pairs_within_the_radius(radius: int) -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, (300, 3), np.uint64, endpoint=False)
    hashes[250:300] = hashes[:50] ^ (np.uint64(1) << rng.integers(0, 64, (50, 3), np.uint64))
    expected = []
    for i, j in combinations(range(300), 2):
        one, other = hashes[i].tolist(), hashes[j].tolist()
        bits = [one[0] ^ other[0]]
        bits += [one[0] ^ other[cut] for cut in (1, 2)] + [one[cut] ^ other[0] for cut in (1, 2)]
        if (distance := min(value.bit_count() for value in bits)) <= radius:
            expected.append((i, j, distance))
    assert [tuple(row) for row in find_near_pairs(hashes, radius=radius).tolist()] == expected


def test_no_hashes_make_no_pairs() -> None:
    assert find_near_pairs(np.zeros((0, 3), np.uint64), radius=64).shape == (0, 3)


@pytest.mark.parametrize(
    "lightness", [np.zeros((64, 64)), np.zeros((64, 8), np.float32), np.zeros(64, np.float32)]
)
def test_other_arrays_are_refused(lightness: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected float32 lightness"):
        hash_lightness(lightness)
