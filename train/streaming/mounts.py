"""Edge: which file systems are this machine's own, and so how their files are read."""

from pathlib import Path
from typing import Literal

import psutil

REMOTE_TYPES = frozenset(
    {
        *("9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "fuse", "gfs2", "gpfs"),
        *("lustre", "mmfs", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2"),
        *("quobyte", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs", "wekafs"),
    }
)
"""File systems that another machine, or a process in this one, may change or fail beneath a map."""


def choose_read(path: Path) -> Literal["map", "pread"]:
    """Say how a file is best read: mapped where its file system is this machine's own.

    A mapped file that another machine cuts short is SIGBUS here, which ends the process without a
    word, and so is a server that is gone; and what another machine writes reaches a mapped page
    late, or by halves, since page caches agree only when a file is opened and closed. Of pread
    both are errors, or found by the check that follows it. So network and FUSE file systems are
    read by pread.

    Args:
        path: The file, or a folder above it.
    """
    whole = path.resolve()
    found, kind = -1, ""
    for mount in psutil.disk_partitions(all=True):
        depth = len(Path(mount.mountpoint).parts)
        # Of two on one point the later one lies on top.
        if depth >= found and whole.is_relative_to(mount.mountpoint):
            found, kind = depth, mount.fstype
    return "pread" if kind in REMOTE_TYPES or kind.startswith("fuse.") else "map"
