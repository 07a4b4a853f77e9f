"""Edge: adapters of a session, which pace requests and lead them to a replica."""

import ipaddress
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.sessions import SessionRedirectMixin

from harvest.connections import Switch, lead
from harvest.errors import AstrayError
from harvest.pace import Pace

MOST_REDIRECTS = 5


class Session(requests.Session):
    """A session that follows no redirect, nor reads what one brings; `follow` does."""

    def get_redirect_target(self, resp: Response) -> None:
        """Say that an answer leads nowhere."""


class PacedAdapter(HTTPAdapter):
    """Sends every request, the hops of a redirect too, at the pace of its host."""

    def __init__(self, pace: Pace, *, switch: Switch, connections: int) -> None:
        """Make an adapter for one host.

        Args:
            pace: The host's pace.
            switch: Ends all transfers.
            connections: Connections that are kept open.
        """
        super().__init__(pool_connections=1, pool_maxsize=connections, max_retries=0)
        self.pace, self.switch = pace, switch
        lead(self.poolmanager, pace, switch)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Find or make the manager for a proxy; its connections keep the pace too."""
        manager = super().proxy_manager_for(*args, **kwargs)
        lead(manager, self.pace, self.switch)
        return manager

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send a request as soon as the pace allows.

        Raises:
            BlockedError: If the host has blocked us.
            StoppedError: If everything is to end.
        """
        self.pace.approach()
        return super().send(request, *args, **kwargs)


class LoopbackAdapter(PacedAdapter):
    """Sends the requests for a canonical host to a replica on loopback.

    The Host header, and the addresses that anyone sees, stay canonical.
    """

    def __init__(self, pace: Pace, *, switch: Switch, connections: int, base: str) -> None:
        """Make an adapter for one canonical host.

        Args:
            pace: The host's pace.
            switch: Ends all transfers.
            connections: Connections that are kept open.
            base: Such as "http://127.0.0.1:8123".

        Raises:
            ValueError: If `base` is not on loopback.
        """
        super().__init__(pace, switch=switch, connections=connections)
        parts = urlsplit(base)
        host = parts.hostname or ""
        if parts.scheme != "http" or (host != "localhost" and not _is_loopback(host)):
            raise ValueError(f"expected a replica on loopback, got {base!r}")
        self._base = base.rstrip("/")

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send a request to the replica, and answer as if the canonical host had.

        Raises:
            BlockedError: If the host has blocked us.
            StoppedError: If everything is to end.
        """
        led = request.copy()
        led.headers["Host"] = urlsplit(str(request.url)).netloc
        led.url = self._base + request.path_url
        response = super().send(led, *args, **kwargs)
        response.request = request
        response.url = str(request.url)
        return response


def follow(url: str, *, get: Callable[[str], Response], hosts: Collection[str]) -> Response:
    """Ask, and follow where the answer leads within the Library.

    Args:
        url: Canonical.
        get: Asks one address.
        hosts: The Library's, as far as this client asks them.

    Raises:
        AstrayError: If it leads anywhere else, or in a circle.
    """
    asked = url
    for _ in range(MOST_REDIRECTS + 1):
        response = get(url)
        location = SessionRedirectMixin().get_redirect_target(response)
        if location is None:
            return response
        response.close()
        url = to_hop(url, location, hosts=hosts)
    raise AstrayError(
        f"{asked}: led astray, over more than {MOST_REDIRECTS} redirects; look at it in a "
        "browser, and report it"
    )


def to_hop(url: str, location: str, *, hosts: Collection[str]) -> str:
    """Find where a redirect leads, if it stays with the Library.

    Args:
        url: Canonical address that was asked.
        location: What the answer names, absolute or not.
        hosts: The Library's, as far as this client asks them.

    Raises:
        AstrayError: If it leads to another host, port or scheme, or names a user.
    """
    try:
        hop = urljoin(url, location)
        parts = urlsplit(hop)
        stays = parts.scheme == "https" and parts.netloc.lower() in hosts
    except ValueError:
        stays = False
    if not stays:
        raise AstrayError(
            f"{url}: led astray, to {location[:200]!r}; only https addresses of "
            f"{' and '.join(hosts)} are asked: look at it in a browser, and report it"
        )
    return hop


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
