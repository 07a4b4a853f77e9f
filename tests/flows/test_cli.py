import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.stages import STAGES

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = [stage.name for stage in STAGES]
COMMANDS += ["status", "colorize", "summary", "replica", "plan", "review", "ui", "down"]
COMMANDS += ["jobs", "seeds"]
LINES, COLUMNS = 24, 80
LISTED = 36
"""Lines of the list of all commands, which grows."""


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS)], ids=str)
def test_help_fits_a_screen(words: list[str]) -> None:
    result = CliRunner().invoke(app, [*words, "--help"], terminal_width=COLUMNS)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert len(lines) <= (LINES if words else LISTED)
    assert max(map(len, lines)) <= COLUMNS


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["colorize", "--help"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; from flows.cli import app\n"
        f"try: app({words!r})\n"
        "except SystemExit: pass\n"
        "heavy = {'prefect', 'torch', 'pyarrow', 'cv2', 'numpy', 'rich'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_version_is_said() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.output == f"photochrom {version('photochrom')}\n"


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flows", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_known_fault_is_one_message_and_no_traceback(tmp_path: Path) -> None:
    done = run("status", cwd=tmp_path)
    assert done.returncode == 1
    assert "expected a params.yaml here or in a folder above" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_params_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    done = run("crop", "--params", "none.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "none.yaml: expected a params file" in done.stderr
    assert not (tmp_path / ".photochrom").exists()


def test_status_of_a_fresh_checkout_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    done = run("status", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.count("not run") == 8


def test_summary_before_the_first_run_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    done = run("summary", cwd=tmp_path)
    assert done.returncode == 1
    assert "expected what `photochrom evaluate` writes" in done.stderr


def test_a_port_in_use_is_said_so(tmp_path: Path) -> None:
    import socket

    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("replica", "--port", str(taken.getsockname()[1]), cwd=tmp_path)
    assert done.returncode == 1
    assert "expected a free port, but it is taken" in done.stderr


@pytest.mark.parametrize("stage", ["catalog", "scans", "plan"])
def test_nothing_starts_at_the_library_without_a_contact(tmp_path: Path, stage: str) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    done = run(stage, "--set", "harvest.source=loc", cwd=tmp_path)
    assert done.returncode == 1
    assert "harvest.contact: expected an e-mail address or a URL" in done.stderr
    assert not (tmp_path / ".photochrom").exists()


def test_the_plan_of_a_harvest_fits_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    words = ("--set", "harvest.source=loc", "--set", "harvest.contact=you@example.org")
    done = run("plan", *words, cwd=tmp_path)
    assert done.returncode == 0
    assert all(len(line) <= COLUMNS for line in done.stdout.splitlines())
    hosts = {
        line.split()[0]: line.split()[1] for line in done.stdout.splitlines() if "loc.gov" in line
    }
    assert hosts["www.loc.gov"] == "52"
    assert hosts["tile.loc.gov"] == "7,502"
    assert "dvc config cache.type" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("catalog", "--crosscheck", "-5"), "greater than or equal to 0"),
        (("replica", "--port", "99999"), "less than or equal to 65535"),
        (("scans", "--retry", "some"), "'some' is not one of"),
    ],
)
def test_an_option_out_of_range_is_a_message(tmp_path: Path, words: tuple[str], said: str) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    done = run(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_folder_that_cannot_be_written_to_is_named_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "data").write_text("no folder")
    done = run("catalog", cwd=tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path / 'data'}: expected a folder with room" in done.stderr
    assert not (tmp_path / ".photochrom").exists()
