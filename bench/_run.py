"""A run of the shards stage in a process of its own: `python bench/_run.py FOLDER COUNT`.

Hashes the first scans of a folder and writes their samples of 256 px, and ends.
"""

import sys
import tempfile
from pathlib import Path

from _scans import plan_shards

from preprocess.shards import write_shard


def main() -> None:
    """Run."""
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    with tempfile.TemporaryDirectory(dir=folder.parent) as out:
        for plan in plan_shards(sorted(folder.glob("[0-9]*.jpg"))[:count], size=256):
            write_shard(plan, data=folder.parent, out=Path(out))


if __name__ == "__main__":
    main()
