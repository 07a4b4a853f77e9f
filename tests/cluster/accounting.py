"""Accounting of a cluster: slurmdbd, and a MariaDB of its own."""

import socket
import subprocess
import time
from pathlib import Path

from tests.cluster.layout import NAME, Place, render_dbd
from tests.cluster.needs import find_program
from tests.cluster.processes import CALL_LIMIT_S, call

_GRANTS = """\
create database if not exists slurm_acct_db;
create user if not exists slurm@localhost identified by 'slurm';
create user if not exists slurm@127.0.0.1 identified by 'slurm';
grant all on slurm_acct_db.* to slurm@localhost;
grant all on slurm_acct_db.* to slurm@127.0.0.1;
"""


def start_accounting(place: Place) -> None:
    """Start the database and slurmdbd; munge runs, the controller does not yet.

    Args:
        place: Whose last two ports are those of slurmdbd and of the database.
    """
    folder = place.folder
    _start_database(folder, place.ports[-1])
    config = folder / "slurmdbd.conf"
    config.write_text(render_dbd(place))
    config.chmod(0o600)  # it holds a password, and slurmdbd insists
    call("slurmdbd", environ={"SLURM_CONF": str(config)})
    _wait_for_port(place.ports[-2])
    environ = {"SLURM_CONF": str(folder / "slurm.conf")}
    call("sacctmgr", "--immediate", "add", "cluster", NAME, environ=environ)


def _start_database(folder: Path, port: int) -> None:
    data, socket_path = folder / "database", folder / "database.socket"
    words = ("--no-defaults", "--user=root", f"--datadir={data}")
    method = "--auth-root-authentication-method=normal"
    call("mariadb-install-db", *words, method, environ={})
    program = find_program("mariadbd")
    assert program is not None
    options = (f"--socket={socket_path}", f"--port={port}", f"--pid-file={folder}/mariadbd.pid")
    # It does not go into the background by itself.
    with (folder / "mariadbd.log").open("wb") as log:
        subprocess.run(
            [
                *("setsid", "--fork", program, *words, *options),
                *("--bind-address=127.0.0.1", "--innodb-buffer-pool-size=64M"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=True,
        )
    _wait_for_port(port)
    asked = ("--no-defaults", "--user=root", f"--socket={socket_path}", f"--execute={_GRANTS}")
    call("mariadb", *asked, environ={})


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + CALL_LIMIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            assert time.monotonic() < deadline, f"port {port}: nobody answers"
            time.sleep(0.1)
