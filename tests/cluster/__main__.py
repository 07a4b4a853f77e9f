"""The cluster of `make cluster`: `python -m tests.cluster up|down|status`, in the checkout."""

import argparse
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from filelock import FileLock

from tests.cluster.layout import Layout
from tests.cluster.needs import PACKAGES, find_lacks
from tests.cluster.running import Cluster

PREFIX = "photochrom-cluster-"
LAYOUT = Layout(nodes=3, gpus=2)


def main() -> int:
    """Start, end or show the cluster of the checkout that this runs in; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("action", choices=("up", "down", "status"))
    action = parser.parse_args().action
    link = Path.cwd() / ".photochrom" / "cluster"
    try:
        link.parent.mkdir(exist_ok=True)
    except FileExistsError:
        sys.exit(f"{link.parent}: expected a folder, and it is none; move it away")
    if link.exists() and not link.is_symlink():
        sys.exit(f"{link}: expected a link to the cluster's folder, got another; move it away")
    with FileLock(link.with_suffix(".lock")):
        return {"up": _start, "down": _end, "status": _show}[action](link)


def _start(link: Path) -> int:
    cluster = _find(link)
    if cluster.is_whole():
        return _show(link)
    if lacks := find_lacks(PACKAGES):
        sys.exit("\n".join(("The cluster cannot start here.", *lacks)))
    _remove(cluster)  # what a kill or a reboot has left
    cluster.folder.mkdir(mode=0o700)
    link.unlink(missing_ok=True)
    link.symlink_to(cluster.folder)
    try:
        cluster.start(LAYOUT)
    except AssertionError as exc:
        cluster.end()
        sys.exit(f"The cluster did not start: {exc}\nIts logs are in {cluster.folder}")
    return _show(link)


def _end(link: Path) -> int:
    cluster = _find(link)
    was_up = bool(cluster.processes())
    _remove(cluster)
    link.unlink(missing_ok=True)
    _say("The cluster has ended." if was_up else "There was no cluster.")
    return 0


def _show(link: Path) -> int:
    cluster = _find(link)
    if not cluster.is_up():
        _say("The cluster is down; `make cluster` starts it.")
        return 3
    try:
        nodes = cluster.call("sinfo", "--format=%9P %.5a %.6D %6t %8N %G")
    except (AssertionError, subprocess.TimeoutExpired) as exc:
        sys.exit(f"The cluster does not answer: {exc}\nEnd it with `make cluster-down`.")
    _say(f"{nodes}\nThe cluster is up. For your shell:\n")
    _say(f"export SLURM_CONF={cluster.config}\n")
    _say("`make ui` hands this to its workers; `make cluster-down` ends the cluster.")
    return 0


def _find(link: Path) -> Cluster:
    """Find where the cluster is, or would be: by its link, or else by the checkout's path."""
    if link.is_symlink():
        folder = link.readlink()
        if not folder.name.startswith(PREFIX):
            sys.exit(f"{link}: expected a link to {PREFIX}*, got one to {folder}; remove the link")
        return Cluster(folder)
    # Not in the checkout: the path of a socket is at most 107 bytes long.
    digest = hashlib.sha256(os.fsencode(link)).hexdigest()[:8]
    return Cluster(Path(tempfile.gettempdir()) / f"{PREFIX}{digest}")


def _remove(cluster: Cluster) -> None:
    """End what runs and remove the folder, if it is ours: others may write beside it."""
    try:
        found = cluster.folder.lstat()
    except FileNotFoundError:
        cluster.end()  # its processes can outlive their folder
        return
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        sys.exit(
            f"{cluster.folder}: expected a folder of yours alone, as `make cluster` makes it; "
            "look whose it is, and remove it"
        )
    cluster.end()
    shutil.rmtree(cluster.folder)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
