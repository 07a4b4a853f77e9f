"""Random numbers that depend on a key alone, so that nothing depends on what was drawn before."""

import hashlib

import numpy as np


def digest_of(key: str) -> int:
    """Hash a key to a 128-bit integer, the same on every machine and in every process."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], "big")


def rng_of(key: str) -> np.random.Generator:
    """Make the generator that belongs to a key.

    Args:
        key: Any text, such as "7/item/12/mount".

    Returns:
        A fresh generator; the same key always gives the same stream.
    """
    return np.random.Generator(np.random.SFC64(digest_of(key)))
