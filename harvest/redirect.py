"""Edge: adapters of a session, which pace requests and lead them to a replica."""

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import requests
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.sessions import SessionRedirectMixin

from harvest.connections import Switch, lead
from harvest.errors import AstrayError
from harvest.pace import Pace

MOST_REDIRECTS = 5
_SLASHES = re.compile(r"^(https?://[^/]+)/+")


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
    asked = [url]
    while len(asked) <= MOST_REDIRECTS + 1:
        response = get(asked[-1])
        location = _read_location(response)
        if location is None:
            return response
        response.close()
        hop = to_hop(asked[-1], location, hosts=hosts)
        if hop in asked:
            raise AstrayError(f"{url}: led astray, in a circle over {hop}; report it")
        asked.append(hop)
    raise AstrayError(
        f"{url}: led astray, over more than {MOST_REDIRECTS} redirects; look at it in a "
        "browser, and report it"
    )


def to_sent(url: str, params: Mapping[str, str | int] | None = None) -> str:
    """Bring an address into the form in which it goes over the line.

    It is what robots.txt is held against: dot segments, even percent-encoded ones, and a second
    slash after the host go, and the host is in lower case.

    Args:
        url: Absolute, http or https.
        params: The query.

    Raises:
        ValueError: If it is no address.
    """
    try:
        once = requests.Request("GET", url, params=dict(params or {})).prepare().url
        # Again, for the dots that the first time has decoded.
        sent = requests.Request("GET", _SLASHES.sub(r"\1/", str(once))).prepare().url
    except requests.RequestException as exc:
        raise ValueError(str(exc)) from exc
    return _SLASHES.sub(r"\1/", str(sent))


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
        hop = to_sent(urldefrag(urljoin(url, location)).url)
        parts = urlsplit(hop)
        stays = parts.scheme == "https" and parts.netloc in hosts
    except ValueError:
        stays = False
    if not stays:
        raise AstrayError(
            f"{url}: led astray, to {location[:200]!r}; only https addresses of "
            f"{' and '.join(hosts)} are asked: look at it in a browser, and report it"
        )
    return hop


def _read_location(response: Response) -> str | None:
    """Read what a redirect names; None where the answer is no redirect."""
    try:
        return SessionRedirectMixin().get_redirect_target(response)
    except UnicodeDecodeError as exc:
        response.close()
        raise AstrayError(
            f"{response.url}: led astray, to {response.headers['Location'][:200]!r}, no UTF-8; "
            "look at it in a browser, and report it"
        ) from exc


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
