import hashlib
import subprocess
from pathlib import Path

import pytest

from flows.errors import SharingError
from flows.sharing.checking import format_sums, parse_sums, read_digest


def test_sha256sum_reads_our_checksums_and_we_read_them(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    files = {"a file.tar": b"one", "b/c.json": b"two" * 700_000}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    read: list[int] = []
    digests = {name: read_digest(tmp_path / name, md5=True, on_bytes=read.append) for name in files}
    sums = {name: digest.sha256 for name, digest in digests.items()}
    assert digests["a file.tar"].md5 == hashlib.md5(b"one").hexdigest()
    assert sum(read) == sum(map(len, files.values()))
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    (tmp_path / "SUMS").write_bytes(format_sums(sums))
    done = subprocess.run(["sha256sum", "-c", "SUMS"], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0
    assert parse_sums(format_sums(sums), where="SUMS") == sums


@pytest.mark.parametrize(
    "line", ["no sum", "0" * 64 + " one-space", "0" * 64 + "  ../out", "0" * 64 + "  /etc/passwd"]
)
def test_a_line_of_another_form_is_refused(line: str) -> None:
    with pytest.raises(SharingError, match="SUMS: line 1: expected a SHA-256"):
        parse_sums(line.encode(), where="SUMS")


def test_a_name_with_a_line_break_is_refused() -> None:
    with pytest.raises(SharingError, match="without line break"):
        format_sums({"a\nb": "0" * 64})
