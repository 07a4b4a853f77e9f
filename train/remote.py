"""Edge: shards from S3 or HTTP, staged once per node to a disk of its own.

The only module of training that opens connections; fsspec opens them. Credentials come from where
s3fs and aiohttp look for them, the environment and the user's own files, and from nowhere else.

A file comes in ranges, several at once, and goes on where it stopped when the network was lost. A
server that knows no ranges is read in one stream, and from the beginning again after a loss. Never
fork after the first request: fsspec's thread does not come along. Spawn.
"""

import asyncio
import errno
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import fsspec
from botocore import exceptions as boto
from fsspec.asyn import sync

from train.afar.arrival import Found, Sink
from train.afar.calls import Calls
from train.afar.line import DENIED, MISSING, ODD, Line, Remedy, join
from train.afar.ranged import RANGE, Answer, Pull, to_checked
from train.afar.stage import Stage
from train.afar.staging import Staging
from train.streaming.shard import Read

_PASSING_STATUS: Final = frozenset({408, 425, 429})
_PERMANENT_ERRNO: Final = frozenset(
    {errno.EINVAL, errno.EPERM, errno.ENOSYS, errno.EREMCHG, errno.EISDIR, errno.ENAMETOOLONG}
)
"""What s3fs makes of the answers of S3 that stay as they are, such as another region."""
_PASSING_BOTO: Final = (boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError)

_CONNECT_S: Final = 15
_SILENCE_S: Final = 30
"""So long a connection may say nothing before it counts as lost."""


class Origin:
    """A folder of a server; threads may share it."""

    def __init__(self, url: str, line: Line) -> None:
        """Nothing is asked yet."""
        self._url = url
        self._line = line
        protocol = urlsplit(url).scheme
        self._http = protocol in ("http", "https")
        self._files: Any = fsspec.filesystem(protocol, skip_instance_cache=True, **_options(url))
        self._calls: Calls | None = None
        if self._files.async_impl:
            self._calls = Calls(self._files.loop, self._files.set_session)

    def find(self, name: str) -> Found:
        """Ask what a file is.

        Raises:
            RefusedError: If it is not there, or not for us.
            DataError: If the network is lost for too long.
        """
        url = join(self._url, name)
        return self._line.ask(partial(self._look, url), url)

    def send(self, found: Found, sink: Sink) -> None:
        """Read a file whole into a sink.

        Raises:
            DataError: If it cannot be read.
            TrainError: What the sink raises.
        """
        if not found.in_ranges or found.size_bytes is None:
            self._line.ask(partial(self._stream, found.url, sink), found.url)
            return
        pull = Pull(partial(self._read, found.url), size_bytes=found.size_bytes)
        while pull:
            for block in self._line.ask(pull.read, found.url):
                sink.write(block)

    def read_ranges(self, found: Found, starts: list[int], stops: list[int]) -> list[bytes]:
        """Read pieces of a file, all at once.

        Raises:
            DataError: If one cannot be read.
        """
        return self._line.ask(partial(self._read_all, found.url, starts, stops), found.url)

    def close(self) -> None:
        """Call off what is under way, and end every connection."""
        self._line.closed.set()
        if self._calls is not None:
            self._calls.close()
        # fsspec's own way gives up after 0.1 s, and then leaves who waits for an answer waiting.
        if (session := getattr(self._files, "_session", None)) is not None:
            sync(self._files.loop, session.close, timeout=_CONNECT_S)
        if (client := getattr(self._files, "_s3creator", None)) is not None:
            sync(self._files.loop, client.__aexit__, None, None, None, timeout=_CONNECT_S)

    def _look(self, url: str) -> Found:
        if self._calls is None:
            return _to_found(url, self._files.info(url))
        if self._http:
            return self._calls.wait(partial(_ask_http, self._files, url))
        return _to_found(url, self._calls.wait(partial(self._files._info, url)))

    def _stream(self, url: str, sink: Sink) -> None:
        assert self._calls is not None
        sink.restart()
        answer = self._calls.wait(partial(_open_http, self._files, url))
        try:
            while block := self._calls.wait(partial(answer.content.read, RANGE)):
                sink.write(block)
        finally:
            self._files.loop.call_soon_threadsafe(answer.close)

    def _read(self, url: str, starts: list[int], stops: list[int]) -> list[Answer]:
        if self._calls is not None:
            return self._calls.wait(partial(_read_at_once, self._files, url, starts, stops))
        urls = [url] * len(starts)
        answers: list[Answer] = self._files.cat_ranges(urls, starts, stops, on_error="return")
        return answers

    def _read_all(self, url: str, starts: list[int], stops: list[int]) -> list[bytes]:
        blocks = []
        for answer in to_checked(self._read(url, starts, stops), starts, stops):
            if isinstance(answer, BaseException):
                raise answer
            blocks.append(answer)
        return blocks


class RemoteShards(Stage):
    """The shards of a URL, as files of this node; threads may share it."""

    def __init__(
        self,
        url: str,
        *,
        folder: Path | None,
        limit_bytes: int,
        wait_s: float,
        tell: Callable[[str], None],
        read: Read = "auto",
    ) -> None:
        """Make the folder; nothing is asked of the server yet.

        Args:
            url: Folder of the shards: s3, http, https, file or memory.
            folder: Of this user, on a disk of the node; None is one in the temporary folder.
            limit_bytes: Most that its files may take together.
            wait_s: So long a node that lost the network waits for it.
            tell: Takes lines for the log, from any thread.
            read: How staged shards are read; `auto` looks at the folder's file system.

        Raises:
            DataError: If the folder cannot be made, or is another's.
        """
        staging = Staging(folder, limit_bytes=limit_bytes)
        line = Line(find_remedy, wait_s=wait_s, tell=tell)
        super().__init__(Origin(url, line), staging=staging, tell=tell, read=read)


def find_remedy(exc: BaseException) -> Remedy | None:
    """Say what to do about an error that waiting does not mend; None for one that may pass."""
    status = exc.status if isinstance(exc, aiohttp.ClientResponseError) else None
    if isinstance(exc, PermissionError | boto.NoCredentialsError) or status in (401, 403, 407):
        return DENIED
    if isinstance(exc, FileNotFoundError) or status in (404, 410):
        return MISSING
    if status is not None:
        return None if status >= 500 or status in _PASSING_STATUS else ODD
    if (
        isinstance(exc, aiohttp.ClientSSLError | boto.SSLError)
        and "certificate" in str(exc).lower()
    ):
        return ODD
    if isinstance(exc, aiohttp.ClientError) and not isinstance(exc, aiohttp.InvalidURL):
        return None
    if isinstance(exc, _PASSING_BOTO):
        return None
    if isinstance(exc, OSError):
        return ODD if exc.errno in _PERMANENT_ERRNO else None
    return ODD


def _to_found(url: str, info: Mapping[str, Any]) -> Found:
    """Describe a file by what a file system other than HTTP says of it."""
    version = info.get("ETag") or info.get("mtime") or info.get("created") or ""
    kind = info.get("ContentType") or ""
    return Found(url, int(info["size"]), str(version), in_ranges=True, kind=kind)


async def _ask_http(files: Any, url: str) -> Found:
    """Ask for the first byte of a file, which tells all that is to be known.

    fsspec's own question would take any error for a missing file.
    """
    async with await _open_http(files, url, {"Range": "bytes=0-0"}) as answer:
        status, headers = answer.status, answer.headers
    version = headers.get("ETag") or headers.get("Last-Modified") or ""
    kind = headers.get("Content-Type", "")
    total = headers.get("Content-Range", "").rpartition("/")[2]
    if status == 206 and total.isdecimal():
        return Found(url, int(total), version, in_ranges=True, kind=kind)
    length = headers.get("Content-Length", "")
    whole = int(length) if status == 200 and length.isdecimal() else None
    return Found(url, whole, version, in_ranges=False, kind=kind)


async def _open_http(
    files: Any, url: str, headers: Mapping[str, str] | None = None
) -> aiohttp.ClientResponse:
    """Ask for a file; its bytes are not read yet."""
    session: aiohttp.ClientSession = await files.set_session()
    return await session.get(files.encode_url(url), headers=headers, raise_for_status=True)


async def _read_at_once(
    files: Any, url: str, starts: Sequence[int], stops: Sequence[int]
) -> list[Answer]:
    """Read ranges, all at once; an error takes the place of its range.

    As fsspec's `cat_ranges`, which leaves its requests running when it is called off.
    """
    pieces = (files._cat_file(url, start=a, end=b) for a, b in zip(starts, stops, strict=True))
    answers: list[Answer] = await asyncio.gather(*pieces, return_exceptions=True)
    return answers


def _options(url: str) -> dict[str, Any]:
    """Return what fsspec is told: when a line counts as lost, and few tries beneath ours."""
    protocol = urlsplit(url).scheme
    if protocol in ("http", "https"):
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
        # Ranges are those of the file itself, not of a compressed form.
        headers = {"Accept-Encoding": "identity"}
        session = {"timeout": timeout, "trust_env": True, "headers": headers}
        return {"client_kwargs": session | {"read_bufsize": RANGE}}
    if protocol == "s3":
        config = {
            "connect_timeout": _CONNECT_S,
            "read_timeout": _SILENCE_S,
            "retries": {"total_max_attempts": 2, "mode": "standard"},
            "max_pool_connections": 64,
        }
        return {"config_kwargs": config, "use_listings_cache": False}
    return {}
