"""What the tests of several rooms share."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from tests.cluster import need_slurm

# The same examples on every machine, and no deadline: tests check results, not speed.
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")

# A shell that starts the tests in the background lets them ignore Ctrl-C, and what they start too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# DVC projects that tests make have no .dvc/config of ours, which turns this off.
os.environ["DVC_NO_ANALYTICS"] = "1"

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked `slurm` where SLURM is not, before its fixtures ask for it."""
    if item.get_closest_marker("slurm"):
        need_slurm()


@pytest.fixture
def shared() -> Path:
    """The folder of real prints and replies beside the checkout; skips where there is none."""
    if not (SHARED / "photochroms").is_dir():
        pytest.skip("no ../shared beside the checkout: the real prints and replies are not here")
    return SHARED


@pytest.fixture
def chromium() -> str:
    """Path of Debian's Chromium; skips where it is not installed, and never in CI."""
    path = shutil.which("chromium")
    if path is None and os.environ.get("PHOTOCHROM_NO_SKIP"):
        pytest.fail("Chromium is missing, and CI must not skip what needs it")
    if path is None:
        pytest.skip("Chromium is not installed; `apt-get install chromium` on Debian")
    return path
