"""Edge: the older site, www.loc.gov/pictures/: search and items, in JSON or HTML."""

import asyncio
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from replica.ppoc import CODE, LISTED, PER_GRID, PER_LIST, PER_PAGE_MAX, item_reply, search_reply
from replica.ppoc_pages import grid_page, item_page
from replica.records import Row
from replica.replying import not_found, to_json, to_number
from replica.results import Sizes


class OlderSite:
    """Search and item pages; rows that are no items are unknown here."""

    def __init__(self, rows: Sequence[Row], sizes: Sizes) -> None:
        """Serve a listing.

        Args:
            rows: The listing.
            sizes: Gives width and height of a scan's master.
        """
        self._rows = [row for row in rows if row.kind in LISTED]
        self._items = {row.item_id: row for row in self._rows}
        self._sizes = sizes

    def routes(self) -> list[Route]:
        """Give the routes of the site."""
        return [
            Route("/pictures/search/", self._search),
            Route("/pictures/item/{item_id}/", self._item),
            Route(f"/pictures/collection/{CODE}/item/{{item_id}}/", self._item),
        ]

    async def _search(self, request: Request) -> Response:
        query = request.query_params
        usual = PER_GRID if query.get("st") == "grid" else PER_LIST
        count = min(to_number(query.get("c"), usual), PER_PAGE_MAX)
        start = (to_number(query.get("sp"), 1) - 1) * count
        start = to_number(query.get("si"), start + 1) - 1
        rows = self._rows if query.get("co", CODE) == CODE else []
        if _wants_json(request):
            return await asyncio.to_thread(
                lambda: to_json(search_reply(rows, self._sizes, start=start, count=count))
            )
        return HTMLResponse(grid_page(rows, start=start, count=count))

    async def _item(self, request: Request) -> Response:
        row = self._items.get(request.path_params["item_id"])
        if row is None:
            if _wants_json(request):
                return not_found()
            return HTMLResponse("<h1>404 Not Found</h1>", status_code=404)
        if _wants_json(request):
            return to_json(item_reply(row, self._sizes))
        return HTMLResponse(item_page(row, self._sizes))


def _wants_json(request: Request) -> bool:
    accepts = request.headers.get("accept", "")
    return request.query_params.get("fo") == "json" or "application/json" in accepts
