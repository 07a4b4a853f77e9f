import os
from pathlib import Path

import pytest

from tests.preprocess.fuzz import fuzz

FUZZ_S = float(os.environ.get("PHOTOCHROM_FUZZ_S", "120"))
FUZZ_SEED = int(os.environ.get("PHOTOCHROM_FUZZ_SEED", "1"))


@pytest.mark.drill
def test_no_damaged_scan_crashes_hangs_or_surprises(tmp_path: Path) -> None:
    seen = fuzz(tmp_path / "kept", seconds=FUZZ_S, seed=FUZZ_SEED)
    assert seen.faults == ()
    assert seen.files > 2 * FUZZ_S
    assert seen.pictures > 0.1 * seen.files  # else it is the door that is tried, not the house
