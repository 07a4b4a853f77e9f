"""Edge: tile.loc.gov: the image files, and the IIIF service."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.staticfiles import NotModifiedResponse

from replica.blocks import modified_at
from replica.exchange import exchange_of
from replica.iiif import ServiceState, find_size, info_of, parse_image, state_of
from replica.names import IIIF, STORAGE, iiif_id, path_of
from replica.records import RENDITION_LONG_EDGE, FileScan, Resource, Row
from replica.renditions import fit, media_type
from replica.results import Sizes
from replica.store import Store, Stored

_CORS = {"access-control-allow-origin": "*"}


class Storage:
    """The files of every scan, and the same through IIIF.

    ETag and Last-Modified follow from bytes and record, so that another replica of the same
    collection says the same, and a transfer can go on there.
    """

    def __init__(self, rows: Sequence[Row], store: Store, sizes: Sizes) -> None:
        """Serve the scans of a listing.

        Args:
            rows: The listing.
            store: Where the files come from; whoever opened it closes it.
            sizes: Gives width and height of a scan's master; 0, 0 when unknown.
        """
        self._store = store
        self._sizes = sizes
        owned = [(row, resource) for row in rows for resource in row.resources]
        self._files = {
            path_of(resource.digital_id, suffix): (row, resource, suffix)
            for row, resource in owned
            for suffix in (*RENDITION_LONG_EDGE, "u.tif")
            if suffix != "v.jpg" or resource.has_v
        }
        self._images = {
            iiif_id(resource.digital_id, master=master): (row, resource, master)
            for row, resource in owned
            for master in (True, False)
        }

    def routes(self) -> list[Route]:
        """Give the routes of tile.loc.gov."""
        return [
            Route(STORAGE + "/{path:path}", self._file),
            Route(IIIF + "/{image}/info.json", self._info),
            Route(IIIF + "/{image}/{rest:path}", self._image),
        ]

    async def _file(self, request: Request) -> Response:
        found = self._files.get(request.url.path)
        if found is None:
            return _not_found()
        row, resource, suffix = found
        stored = await self._store.fetch(resource, suffix)
        return _serve(request, stored, suffix, modified=_modified_at(row, resource))

    async def _info(self, request: Request) -> Response:
        name = request.path_params["image"]
        found = self._images.get(name)
        if found is None or state_of(found[1]) is ServiceState.ABSENT:
            return _not_found()
        return JSONResponse(info_of(name, *self._full(found[1], found[2])), headers=_CORS)

    async def _image(self, request: Request) -> Response:
        found = self._images.get(request.path_params["image"])
        if found is None or state_of(found[1]) is ServiceState.ABSENT:
            return _not_found()
        row, resource, master = found
        full = self._full(resource, master)
        try:
            size = find_size(parse_image(request.path_params["rest"]), *full)
        except ValueError as exc:
            return Response(str(exc), status_code=400, media_type="text/plain")
        if master and state_of(resource) is ServiceState.TOO_LARGE:
            return Response("Internal Server Error", status_code=500, media_type="text/plain")
        stored = await self._store.fetch_scaled(resource, size)
        return _serve(request, stored, ".jpg", modified=_modified_at(row, resource))

    def _full(self, resource: Resource, master: bool) -> tuple[int, int]:
        width, height = self._sizes(resource)
        return (width, height) if master else fit(width, height, long_edge=1024)


def _modified_at(row: Row, resource: Resource) -> datetime:
    """Tell since when a scan's files are as they are, in whole seconds."""
    if isinstance(resource.scan, FileScan):
        return datetime.fromtimestamp(int(resource.scan.path.stat().st_mtime), UTC)
    return modified_at(row)


def _serve(request: Request, stored: Stored, suffix: str, *, modified: datetime) -> Response:
    exchange_of(request.scope).sha256 = stored.sha256
    headers = {
        **_CORS,
        "etag": f'"{stored.sha256[:32]}"',
        "last-modified": format_datetime(modified, usegmt=True),
        "cache-control": "public, max-age=86400",
    }
    kind = media_type(stored.path, suffix)
    stat = stored.path.stat()
    answer = FileResponse(stored.path, headers=headers, media_type=kind, stat_result=stat)
    if _is_unchanged(request, headers["etag"], modified):
        return NotModifiedResponse(answer.headers)
    return answer


def _is_unchanged(request: Request, etag: str, modified: datetime) -> bool:
    """Judge the request's conditions; an ETag goes before a date (RFC 9110, 13.2.2)."""
    tags = request.headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or etag in [t.strip() for t in tags.split(",")]
    since = request.headers.get("if-modified-since")
    if since is None:
        return False
    try:
        return parsedate_to_datetime(since) >= modified
    except (ValueError, TypeError):
        return False


def _not_found() -> Response:
    return Response("<h1>404 Not Found</h1>", status_code=404, media_type="text/html")
