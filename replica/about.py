"""Says which replica this is, so that a harvest can see whether it is the one it means."""

import functools
import hashlib
from pathlib import Path
from typing import Any

from replica.params import ReplicaParams


@functools.cache
def hash_code() -> str:
    """Hash the replica's code, which decides what it draws.

    Returns:
        Sixteen hexadecimal digits.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def about(params: ReplicaParams, *, faulty: bool) -> dict[str, Any]:
    """Describe a replica.

    Args:
        params: What it shows.
        faulty: Whether it follows a fault plan.

    Returns:
        `items`, `seed`, `pixels`, `images`, `style`, `code` and `faults`.
    """
    shown = params.model_dump(mode="json", include=set(_SHOWN))
    return {**shown, "code": hash_code(), "faults": faulty}


_SHOWN = ("items", "seed", "pixels", "images", "style")
