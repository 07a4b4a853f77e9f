"""A PostgreSQL of a test's own: Debian's programs, a folder of its own, a free port."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

USER = "postgres"


@dataclass(frozen=True, slots=True)
class Postgres:
    """A cluster of databases that can be stopped and started."""

    programs: Path
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql+asyncpg://{USER}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        # Its log goes to a file: pg_ctl's own pipes would stay open as long as the server.
        self._control("start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def stop(self) -> None:
        """Stop it as an administrator in a hurry does: whoever is connected is cut off."""
        self._control("stop", "-w", "-m", "immediate")

    def count(self, table: str) -> int:
        words = ("-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-tAc")
        asked = f"select count(*) from {table}"
        done = subprocess.run(
            [self.programs / "psql", *words, asked], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    def _control(self, *words: str) -> None:
        run_as_postgres([str(self.programs / "pg_ctl"), "-D", str(self.folder / "db"), *words])


@contextmanager
def serve_postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL while the block runs; skip where it is not installed, never in CI."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found and os.environ.get("PHOTOCHROM_NO_SKIP"):
        pytest.fail("PostgreSQL is missing, and CI must not skip what needs it")
    if not found:
        pytest.skip("PostgreSQL is not installed; `apt-get install postgresql` on Debian")
    # Its programs refuse root, and pytest's own folders are root's alone.
    with TemporaryDirectory(prefix="postgres-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, USER)
        server = Postgres(found[-1].parent, folder, _free_port())
        words = ["-D", str(folder / "db"), "-U", USER, "-A", "trust", "--no-sync"]
        run_as_postgres([str(found[-1]), *words])
        server.start()
        try:
            yield server
        finally:
            server.stop()


def run_as_postgres(words: list[str]) -> None:
    """Run a program that refuses root, as whoever we are, or as its own user."""
    who = {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run(
        words,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        **who,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, f"{words}:\n{done.stdout}\n{done.stderr}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
