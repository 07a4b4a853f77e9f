"""Edge: www.loc.gov and tile.loc.gov over HTTP on loopback, told apart by the Host header."""

import functools
import html
import json
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Host, Route, Router
from starlette.staticfiles import NotModifiedResponse

from replica.names import SLUG, STORAGE, path_of
from replica.records import RENDITION_LONG_EDGE, FileScan, Resource, Row, RowKind
from replica.renditions import media_type
from replica.replies import (
    NOT_FOUND,
    PER_PAGE,
    PER_PAGE_MAX,
    Json,
    cut,
    item_reply,
    page_of,
    resource_reply,
)
from replica.sheet import plan_sheet
from replica.store import Store

HOSTS = ("127.0.0.1", "localhost", "testserver")
"""Names by which both hosts answer at once; their paths never meet."""


class Library:
    """The two hosts: listing and pages in JSON or HTML, and the image files.

    Filters (`q`, `fa`, `dates`) are ignored, as loc.gov ignores a facet that it does not know.
    """

    def __init__(self, rows: Sequence[Row], store: Store, *, pixels: int) -> None:
        self._rows = rows
        self._store = store
        self._pixels = pixels
        self._items = {row.item_id: row for row in rows if row.kind not in _PAGES}
        resources = [(row, r) for row in rows for r in row.resources]
        self._resources = {r.digital_id: (row, r) for row, r in resources}
        self._files = {
            path_of(r.digital_id, suffix): (r, suffix)
            for _, r in resources
            for suffix in (*RENDITION_LONG_EDGE, "u.tif")
            if suffix != "v.jpg" or r.has_v
        }
        self._sizes = functools.lru_cache(maxsize=None)(self._size)

    def routes(self) -> tuple[list[Route], list[Route]]:
        """Give the routes of www.loc.gov and those of tile.loc.gov."""
        www = [
            Route(f"/collections/{SLUG}/", self._listing),
            Route("/item/{item_id}/", self._item),
            Route("/resource/{digital_id}/", self._resource),
        ]
        return www, [Route(STORAGE + "/{path:path}", self._file)]

    async def _listing(self, request: Request) -> Response:
        query = request.query_params
        per_page = min(_number(query.get("c"), PER_PAGE), PER_PAGE_MAX)
        current = _number(query.get("sp"), 1)
        if query.get("fo") == "sitemap":
            return self._sitemap(per_page, current)
        pages = -(-len(self._rows) // per_page)
        if current == pages + 1:  # further past the end, the page is empty: both are on record
            return _not_found()
        extra = {"at": query["at"]} if query.get("at") else {}
        reply = page_of(self._rows, self._sizes, per_page=per_page, current=current, extra=extra)
        return _answer(request, reply, [(r["title"], r["url"]) for r in reply["results"]])

    async def _item(self, request: Request) -> Response:
        row = self._items.get(request.path_params["item_id"])
        if row is None:
            return _not_found()
        reply = item_reply(row, self._sizes)
        return _answer(request, reply, [(r["caption"], r["url"]) for r in reply["resources"]])

    async def _resource(self, request: Request) -> Response:
        digital_id = request.path_params["digital_id"]
        if digital_id not in self._resources:
            return _not_found()
        row, _ = self._resources[digital_id]
        reply = resource_reply(row, self._sizes, digital_id=digital_id)
        return _answer(request, reply, [(row.title, reply["resource"]["url"])])

    async def _file(self, request: Request) -> Response:
        found = self._files.get(request.url.path)
        if found is None:
            return HTMLResponse("<h1>404 Not Found</h1>", status_code=404)
        resource, suffix = found
        path = await self._store.fetch(resource, suffix)
        answer = FileResponse(path, media_type=media_type(path, suffix), stat_result=path.stat())
        if answer.headers["etag"] in request.headers.get("if-none-match", ""):
            return NotModifiedResponse(answer.headers)
        return answer

    def _sitemap(self, per_page: int, current: int) -> Response:
        shown = self._rows[(current - 1) * per_page : current * per_page]
        urls = [row.item_id for row in shown if row.kind not in _PAGES]
        body = "".join(f"<url><loc>https://www.loc.gov/item/{i}/</loc></url>" for i in urls)
        head = '<?xml version="1.0" encoding="UTF-8"?>'
        space = "http://www.sitemaps.org/schemas/sitemap/0.9"
        return Response(f'{head}<urlset xmlns="{space}">{body}</urlset>', media_type="text/xml")

    def _size(self, resource: Resource) -> tuple[int, int]:
        if isinstance(resource.scan, FileScan):
            return resource.scan.width, resource.scan.height
        plan = plan_sheet(resource.scan, pixels=self._pixels)
        return plan.width, plan.height


_PAGES = (RowKind.COLLECTION, RowKind.WEB_PAGE)


def make_app(rows: Sequence[Row], store: Store, *, pixels: int) -> Starlette:
    """Make the application that answers for both hosts.

    Args:
        rows: The listing.
        store: Where the files come from; whoever opened it closes it.
        pixels: Long edge of a generated print.
    """
    www, tile = Library(rows, store, pixels=pixels).routes()
    hosts = [Host("www.loc.gov", Router(www)), Host("tile.loc.gov", Router(tile))]
    hosts += [Host(name, Router([*www, *tile])) for name in HOSTS]

    return Starlette(routes=hosts)


def _number(text: str | None, default: int) -> int:
    """Read a positive number of the query; anything else counts as not given."""
    return int(text) if text and text.isascii() and text.isdigit() and int(text) > 0 else default


def _answer(request: Request, reply: Json, links: list[tuple[str, str]]) -> Response:
    if request.query_params.get("fo") == "json":
        return _json(cut(reply, request.query_params.get("at", "")))
    items = "".join(f'<li><a href="{html.escape(u)}">{html.escape(t)}</a></li>' for t, u in links)
    head = "<!doctype html><html lang=en><head><title>Library of Congress</title></head>"
    return HTMLResponse(f"{head}<body><h1>Photochrom Prints</h1><ul>{items}</ul></body></html>")


def _json(reply: Json, status: int = 200) -> Response:
    body = json.dumps(reply, ensure_ascii=False).encode()
    headers = {"cache-control": "public, max-age=86400"}
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def _not_found() -> Response:
    return _json(NOT_FOUND, status=404)
