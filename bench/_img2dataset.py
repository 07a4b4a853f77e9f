"""img2dataset on the same files: in an environment of its own, from a server on loopback."""

import os
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

VERSION = "1.47.0"
HOME = Path(__file__).resolve().parent / ".envs" / "img2dataset"
TOOL = HOME / "bin" / "img2dataset"

_QUIET = {"NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "disabled", "DO_NOT_TRACK": "1"}


def install() -> str:
    """Install img2dataset where it is not; return why that cannot be, or nothing."""
    if TOOL.exists():
        return ""
    uv = str(Path(sys.executable).with_name("uv"))
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(HOME)],
        [uv, "pip", "install", "--quiet", "--python", str(HOME), f"img2dataset=={VERSION}"],
    ):
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=600)
        except (OSError, subprocess.TimeoutExpired) as exc:
            return f"img2dataset is not installed: {exc}"
        if run.returncode:
            return f"img2dataset is not installed: {run.stderr.strip()[-200:]}"
    return ""


class _Handler(SimpleHTTPRequestHandler):
    """Keep connections, as a real server does."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve(folder: str) -> None:
    """Serve a folder until the input ends; print the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: _Handler(*args, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder from another process, whose time counts for nobody; yield the address."""
    command = [sys.executable, __file__, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


def run_peer(paths: Sequence[Path], *, address: str, data: Path) -> float:
    """Make 256 px samples of files by img2dataset; return CPU seconds of all its processes."""
    with tempfile.TemporaryDirectory(dir=data) as folder:
        work = Path(folder)
        (work / "urls.txt").write_text("".join(f"{address}/{path.name}\n" for path in paths))
        command = [str(TOOL), f"--url_list={work / 'urls.txt'}", "--input_format=txt"]
        command += [f"--output_folder={work / 'out'}", "--output_format=webdataset"]
        command += ["--image_size=256", "--resize_mode=border", "--compute_hash=sha256"]
        command += ["--processes_count=1", "--thread_count=32", "--enable_wandb=False"]
        spent = _spend(command, os.environ | _QUIET)
        written = sum(path.stat().st_size for path in (work / "out").glob("*.tar"))
        if written < 2_000 * len(paths):
            raise RuntimeError(f"expected {len(paths)} samples of img2dataset, got {written} bytes")
        return spent


def run_ours(paths: Sequence[Path]) -> float:
    """Make the same by our own stage, in a process of its own; return its CPU seconds."""
    script = Path(__file__).with_name("_run.py")
    return _spend([sys.executable, str(script), str(paths[0].parent), str(len(paths))], os.environ)


def _spend(command: Sequence[str], environment: Mapping[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def per_image(run: Callable[[Sequence[Path]], float], paths: Sequence[Path]) -> float:
    """Return CPU seconds for an image, the start of the run included."""
    return run(paths) / len(paths)


def less_start(run: Callable[[Sequence[Path]], float], paths: Sequence[Path]) -> float:
    """Return CPU seconds for a further image: those of a run, less those of a small one."""
    few = paths[: len(paths) // 11]
    return (run(paths) - run(few)) / (len(paths) - len(few))


if __name__ == "__main__":
    serve(sys.argv[1])
