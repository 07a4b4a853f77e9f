"""An sshd of a test's own: a login node on loopback, for what submits over SSH."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.cluster.needs import find_lacks, find_program, skip_or_fail
from tests.cluster.processes import find_ports

HOST = "login"
"""What the client's configuration calls it."""
PROGRAMS = {"sshd": "openssh-server", "ssh": "openssh-client", "ssh-keygen": "openssh-client"}
START_LIMIT_S = 30.0

_SERVER = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile {folder}/sshd.pid
AuthenticationMethods publickey
PermitRootLogin prohibit-password
# The folder is a temporary one, and the machine has no session to open.
StrictModes no
UsePAM no
PrintMotd no
# Every connection of a test's many at once is let in.
MaxStartups 100
MaxSessions 100
{environ}
"""

_CLIENT = """\
Host {host}
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {folder}/client_key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile none
  StrictHostKeyChecking yes
  BatchMode yes
  LogLevel ERROR
"""


@dataclass(frozen=True, slots=True)
class LoginNode:
    """A machine that is reached by `ssh -F CONFIG login COMMAND`: this one."""

    folder: Path
    port: int
    environ: Mapping[str, str] = field(default_factory=dict)
    """Handed to every command."""

    @property
    def config(self) -> Path:
        """The client's configuration, for `ssh -F`, `scp -F` and `rsync -e "ssh -F ..."`."""
        return self.folder / "ssh_config"

    def call(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command there by a shell, and return what came of it."""
        return subprocess.run(
            ["ssh", "-F", str(self.config), HOST, command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self) -> None:
        """Start to answer; return when it does."""
        program = find_program("sshd")
        assert program is not None
        # Where sshd puts its unprivileged part; Debian's service makes it.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        words = [program, "-f", str(self.folder / "sshd_config"), "-E", str(self.folder / "log")]
        subprocess.run(words, check=True, timeout=START_LIMIT_S)
        deadline = time.monotonic() + START_LIMIT_S
        while (done := self.call("true")).returncode:
            log = (self.folder / "log").read_text()
            assert time.monotonic() < deadline, f"sshd does not answer: {done.stderr}{log}"
            time.sleep(0.1)

    def stop(self) -> None:
        """Cut every connection, and answer no more; what commands have left running runs on."""
        with suppress(OSError, ValueError, psutil.NoSuchProcess):
            server = psutil.Process(int((self.folder / "sshd.pid").read_text()))
            if str(self.folder / "sshd_config") not in server.cmdline():
                return  # the number is another process's by now
            family = [server, *(one for one in server.children(recursive=True) if _is_sshd(one))]
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        (self.folder / "sshd.pid").unlink(missing_ok=True)


def need_sshd() -> None:
    """Skip where OpenSSH is not installed, and fail where nothing may be skipped."""
    skip_or_fail(find_lacks(PROGRAMS))


@contextmanager
def run_login_node(environ: Mapping[str, str] | None = None) -> Iterator[LoginNode]:
    """Run an sshd in a temporary folder, which goes with it.

    Args:
        environ: Handed to every command. Of what is not among them, PATH begins with this virtual
            environment's programs, and HOME is an empty folder, for a .bashrc of this machine's
            user would be read, and may change both.
    """
    folder = Path(tempfile.mkdtemp(prefix="ssh-"))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    (port,) = find_ports(1)
    given = {"PATH": path, "HOME": str(folder / "home"), **(environ or {})}
    node = LoginNode(folder, port, given)
    try:
        (folder / "home").mkdir()
        _write_files(node)
        node.start()
        yield node
    finally:
        node.stop()
        shutil.rmtree(folder)


def _write_files(node: LoginNode) -> None:
    folder = node.folder
    for name in ("host_key", "client_key"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]
        subprocess.run([*words, str(folder / name)], check=True, timeout=60)
    shutil.copy(folder / "client_key.pub", folder / "authorized_keys")
    host_key = (folder / "host_key.pub").read_text()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{node.port} {host_key}")
    # One line, for of several the first alone would count.
    pairs = " ".join(f'"{name}={value}"' for name, value in node.environ.items())
    server = _SERVER.format(folder=folder, port=node.port, environ=f"SetEnv {pairs}")
    (folder / "sshd_config").write_text(server)
    user = _find_user()
    node.config.write_text(_CLIENT.format(host=HOST, folder=folder, port=node.port, user=user))


def _find_user() -> str:
    return psutil.Process().username()


def _is_sshd(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.name().startswith("sshd")
    return False
