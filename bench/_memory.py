"""What one worker's memory grows by for one scan; `python bench/_memory.py SMALL SCAN SIZE`.

Prints two numbers in MB: the process before, with everything imported and one small sample made,
and the growth of its peak for a sample of the scan.
"""

import sys
from pathlib import Path

from _scans import plan_shards

from preprocess.shards import make_sample


def main() -> None:
    """Measure and print."""
    small, scan = Path(sys.argv[1]), Path(sys.argv[2])
    size = int(sys.argv[3])
    make(small, size)
    # Sets the peak back to what is held now; a child begins with its parent's.
    Path("/proc/self/clear_refs").write_text("5")
    before = read_peak_mb()
    make(scan, size)
    print(before, read_peak_mb() - before)


def read_peak_mb() -> int:
    """Return the most memory that was held since the peak was set back, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024)


def make(path: Path, size: int) -> None:
    """Make a sample of one scan."""
    (shard,) = plan_shards([path], size=size)
    make_sample(shard.jobs[0], data=path.parent.parent)


if __name__ == "__main__":
    main()
