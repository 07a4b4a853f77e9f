"""Edge: www.loc.gov and tile.loc.gov over HTTP on loopback, told apart by the Host header."""

import asyncio
import functools
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Host, Route, Router

from replica.making import size_of
from replica.names import SLUG
from replica.older import OlderSite
from replica.records import Row, RowKind
from replica.replies import (
    PER_PAGE,
    PER_PAGE_MAX,
    Json,
    cut,
    item_reply,
    page_of,
    resource_reply,
)
from replica.replying import not_found, to_json, to_number
from replica.results import Sizes
from replica.routes import ABOUT
from replica.storage import Storage
from replica.store import Store

HOSTS = ("127.0.0.1", "localhost", "testserver")
"""Names by which both hosts answer at once; their paths never meet."""

ROBOTS = "User-agent: *\nDisallow: /search\n"
"""As reported in 2026 (loc/FACTS.md, a7), without the Crawl-delay."""

KEPT_PAGES = 64
"""Listing pages that are kept once made: of 150 rows, all of the collection's, some 50 MB."""


@dataclass(frozen=True, slots=True)
class Extras:
    """What is served besides the collection.

    Attributes:
        robots: Text of robots.txt, on both hosts.
        about: What the replica says of itself.
    """

    robots: str = ROBOTS
    about: Mapping[str, Any] = field(default_factory=dict)


class Library:
    """www.loc.gov: listing and pages in JSON or HTML.

    Filters (`q`, `fa`, `dates`) are ignored, as loc.gov ignores a facet that it does not know.
    """

    def __init__(self, rows: Sequence[Row], sizes: Sizes) -> None:
        """Serve a listing.

        Args:
            rows: The listing.
            sizes: Gives width and height of a scan's master.
        """
        self._rows = rows
        self._sizes = sizes
        self._items = {row.item_id: row for row in rows if row.kind not in _PAGES}
        self._resources = {r.digital_id: row for row in rows for r in row.resources}
        self._json_page = functools.lru_cache(maxsize=KEPT_PAGES)(self._make_json_page)

    def routes(self) -> list[Route]:
        """Give the routes of www.loc.gov but those of the older site."""
        return [
            Route(f"/collections/{SLUG}/", self._listing),
            Route("/item/{item_id}/", self._item),
            Route("/resource/{digital_id}/", self._resource),
        ]

    async def _listing(self, request: Request) -> Response:
        query = request.query_params
        per_page = min(to_number(query.get("c"), PER_PAGE), PER_PAGE_MAX)
        current = to_number(query.get("sp"), 1)
        if query.get("fo") == "sitemap":
            return self._sitemap(per_page, current)
        pages = -(-len(self._rows) // per_page)
        if current == pages + 1:  # further past the end, the page is empty: both are on record
            return not_found()
        at = query.get("at", "")
        if query.get("fo") == "json":  # off the loop: arrivals are to be stamped in time
            return await asyncio.to_thread(self._json_page, per_page, current, at)
        reply = self._page(per_page, current, at)
        return _html([(r["title"], r["url"]) for r in reply["results"]])

    async def _item(self, request: Request) -> Response:
        row = self._items.get(request.path_params["item_id"])
        if row is None:
            return not_found()
        reply = item_reply(row, self._sizes)
        return _answer(request, reply, [(r["caption"], r["url"]) for r in reply["resources"]])

    async def _resource(self, request: Request) -> Response:
        digital_id = request.path_params["digital_id"]
        if digital_id not in self._resources:
            return not_found()
        row = self._resources[digital_id]
        reply = resource_reply(row, self._sizes, digital_id=digital_id)
        return _answer(request, reply, [(row.title, reply["resource"]["url"])])

    def _make_json_page(self, per_page: int, current: int, at: str) -> Response:
        return to_json(cut(self._page(per_page, current, at), at))

    def _page(self, per_page: int, current: int, at: str) -> Json:
        extra = {"at": at} if at else {}
        return page_of(self._rows, self._sizes, per_page=per_page, current=current, extra=extra)

    def _sitemap(self, per_page: int, current: int) -> Response:
        shown = self._rows[(current - 1) * per_page : current * per_page]
        urls = [row.item_id for row in shown if row.kind not in _PAGES]
        body = "".join(f"<url><loc>https://www.loc.gov/item/{i}/</loc></url>" for i in urls)
        head = '<?xml version="1.0" encoding="UTF-8"?>'
        space = "http://www.sitemaps.org/schemas/sitemap/0.9"
        return Response(f'{head}<urlset xmlns="{space}">{body}</urlset>', media_type="text/xml")


_PAGES = (RowKind.COLLECTION, RowKind.WEB_PAGE)


def make_app(
    rows: Sequence[Row], store: Store, *, pixels: int, extras: Extras | None = None
) -> Starlette:
    """Make the application that answers for both hosts.

    Args:
        rows: The listing.
        store: Where the files come from; whoever opened it closes it.
        pixels: Long edge of a generated print.
        extras: What is served besides; None takes the usual robots.txt.
    """
    extras = extras or Extras()

    async def robots(_: Request) -> Response:
        return PlainTextResponse(extras.robots)

    async def about(_: Request) -> Response:
        return JSONResponse(dict(extras.about))

    sizes = functools.lru_cache(maxsize=None)(functools.partial(size_of, pixels=pixels))
    both = [Route("/robots.txt", robots)]
    www = [*Library(rows, sizes).routes(), *OlderSite(rows, sizes).routes()]
    tile = Storage(rows, store, sizes).routes()
    hosts = [Host("www.loc.gov", Router([*both, *www]))]
    hosts += [Host("tile.loc.gov", Router([*both, *tile]))]
    here = [*both, Route(ABOUT, about), *www, *tile]
    hosts += [Host(name, Router(here)) for name in HOSTS]
    return Starlette(routes=hosts)


def _answer(request: Request, reply: Json, links: list[tuple[str, str]]) -> Response:
    if request.query_params.get("fo") == "json":
        return to_json(cut(reply, request.query_params.get("at", "")))
    return _html(links)


def _html(links: list[tuple[str, str]]) -> Response:
    items = "".join(f'<li><a href="{html.escape(u)}">{html.escape(t)}</a></li>' for t, u in links)
    head = "<!doctype html><html lang=en><head><title>Library of Congress</title></head>"
    return HTMLResponse(f"{head}<body><h1>Photochrom Prints</h1><ul>{items}</ul></body></html>")
