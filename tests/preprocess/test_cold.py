from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocess.cold import open_tar, pack_shard, unpack_shard
from preprocess.errors import ShardError

contents = st.binary(max_size=3_000) | st.binary(min_size=1, max_size=300).map(
    lambda part: part * (3_000_000 // len(part))
)


@settings(max_examples=30, deadline=None)
@given(contents, st.sampled_from([1, 3, 6]), st.floats(0, 1, exclude_max=True))
def test_what_is_packed_is_unpacked_and_what_was_cut_ends_early(
    content: bytes, level: int, share: float
) -> None:
    with TemporaryDirectory() as scratch:
        tar, packed, again = (Path(scratch) / name for name in ("a.tar", "a.tar.zst", "b.tar"))
        tar.write_bytes(content)
        pack_shard(tar, packed, level=level)
        frame = packed.read_bytes()
        assert zstandard.frame_content_size(frame) == len(content)
        unpack_shard(packed, again, size_bytes=len(content))
        assert again.read_bytes() == content
        packed.write_bytes(frame[: int(len(frame) * share)])
        with open_tar(packed) as stream:
            assert content.startswith(stream.read())


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=100, max_size=3_000), st.integers(0, 10**6))
def test_a_flipped_bit_lets_nothing_wrong_come_out(content: bytes, at: int) -> None:
    with TemporaryDirectory() as scratch:
        tar, packed, again = (Path(scratch) / name for name in ("a.tar", "a.tar.zst", "b.tar"))
        tar.write_bytes(content)
        pack_shard(tar, packed, level=3)
        frame = bytearray(packed.read_bytes())
        frame[at // 8 % len(frame)] ^= 1 << at % 8
        packed.write_bytes(frame)
        try:
            unpack_shard(packed, again, size_bytes=len(content))
        except ShardError as exc:
            assert f"{packed}: " in str(exc)
            assert "fetch it again" in str(exc)
        else:
            # Whole where the bit means nothing to zstd, such as the reserved ones of its header.
            assert content.startswith(again.read_bytes())


def test_a_tar_is_opened_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"a tar")
    with open_tar(tmp_path / "a.tar") as stream:
        assert stream.read() == b"a tar"
    with pytest.raises(FileNotFoundError), open_tar(tmp_path / "b.tar.zst"):
        pass
