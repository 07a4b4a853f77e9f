"""Edge: adapters of a session, which pace requests and lead them to a replica."""

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from harvest.pace import Pace


class PacedAdapter(HTTPAdapter):
    """Sends every request, the hops of a redirect too, at the pace of its host."""

    def __init__(self, pace: Pace, *, connections: int) -> None:
        """Make an adapter for one host.

        Args:
            pace: The host's pace.
            connections: Connections that are kept open.
        """
        super().__init__(pool_connections=1, pool_maxsize=connections, max_retries=0)
        self.pace = pace

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send a request as soon as the pace allows.

        Raises:
            BlockedError: If the host has blocked us.
        """
        self.pace.wait()
        return super().send(request, *args, **kwargs)


class LoopbackAdapter(PacedAdapter):
    """Sends the requests for a canonical host to a replica on loopback.

    The Host header, and the addresses that anyone sees, stay canonical.
    """

    def __init__(self, pace: Pace, *, connections: int, base: str) -> None:
        """Make an adapter for one canonical host.

        Args:
            pace: The host's pace.
            connections: Connections that are kept open.
            base: Such as "http://127.0.0.1:8123".

        Raises:
            ValueError: If `base` is not on loopback.
        """
        super().__init__(pace, connections=connections)
        host = urlsplit(base).hostname or ""
        if host != "localhost" and not _is_loopback(host):
            raise ValueError(f"expected a replica on loopback, got {base!r}")
        self._base = base.rstrip("/")

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send a request to the replica, and answer as if the canonical host had.

        Raises:
            BlockedError: If the host has blocked us.
        """
        led = request.copy()
        led.headers["Host"] = urlsplit(str(request.url)).netloc
        led.url = self._base + request.path_url
        response = super().send(led, *args, **kwargs)
        response.request = request
        response.url = str(request.url)
        return response


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
