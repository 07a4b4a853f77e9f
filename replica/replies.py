"""Pure: what www.loc.gov answers, in JSON, with its oddities (loc/FACTS.md, a2 to a5)."""

import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from replica.names import SLUG, WWW, collection_url
from replica.records import Row
from replica.results import Sizes, to_item, to_resources, to_result

Json = dict[str, Any]

PER_PAGE = 25
PER_PAGE_MAX = 150
PER_PAGE_OPTIONS = [25, 50, 100, 150]
TIMESTAMP = 1_791_572_582_480
NOT_FOUND: Json = {"status": 404, "type": "exception", "caption": "Not Found"}


def page_of(
    rows: Sequence[Row], sizes: Sizes, *, per_page: int, current: int, extra: dict[str, str]
) -> Json:
    """Make one page of the collection's listing.

    Args:
        rows: The whole listing.
        sizes: Pixels of each scan.
        per_page: Rows a page.
        current: Page, from 1; past the end the page is empty and its range runs backwards.
        extra: Parameters that the addresses inside the reply carry along, such as `at`.

    Returns:
        The reply, all members; see `cut` for `at=`.
    """
    start = (current - 1) * per_page
    shown = rows[start : start + per_page]
    results = [to_result(row, sizes, index=start + k + 1) for k, row in enumerate(shown)]
    pagination = _pagination(len(rows), per_page, current, extra)
    here = {"c": str(per_page), "fo": "json", "sp": str(current), **extra}
    return {
        "aka": ["pgz", "https://lccn.loc.gov/2001705601"],
        "breadcrumbs": [
            {"Library of Congress": WWW},
            {"Digital Collections": f"{WWW}/collections/"},
            {"Photochrom Prints": collection_url()},
        ],
        "content": {"results": results, "pagination": pagination, "articles": [], "posts": []},
        "facets": [],
        "pagination": pagination,
        "partof": ["Prints and Photographs Division"],
        "posts": [],
        "results": results,
        "search": _search(len(rows), here),
        "shards": ["00"],
        "site_type": "collections",
        "subjects": ["Photographs, Prints & Posters", "Geography & Places"],
        "timestamp": TIMESTAMP,
        "title": "Photochrom Prints",
        "topics": ["Art & Architecture", "World Cultures & History"],
        "total": max(0, len(rows) - 12),  # the real one disagrees with pagination.of, too
        "views": {"current": "list", "list": _address(here)},
    }


def _search(hits: int, here: dict[str, str]) -> Json:
    return {
        "dates": None,
        "facet_limits": "",
        "field": None,
        "hits": hits,
        "in": "partof:photochrom prints",
        "query": "",
        "recommended": 0,
        "site": {},
        "sort_by": None,
        "type": "search",
        "union_facets": "",
        "url": _address(here),
    }


def item_reply(row: Row, sizes: Sizes) -> Json:
    """Make the reply of an item page."""
    return {
        "articles_and_essays": [],
        "cite_this": {"apa": f"{row.title} [Photochrom print].", "mla": "", "chicago": ""},
        "item": to_item(row, sizes),
        "more_like_this": [],
        "options": {"onsite": False},
        "related_items": [],
        "resources": to_resources(row.resources, sizes),
        "timestamp": TIMESTAMP,
        "type": "resource",
        "views": {"current": "item"},
    }


def resource_reply(row: Row, sizes: Sizes, *, digital_id: str) -> Json:
    """Make the reply of a resource page: the item's, with the one resource."""
    resource = next(r for r in row.resources if r.digital_id == digital_id)
    only = to_resources((resource,), sizes)
    return {
        **item_reply(row, sizes),
        "resource": only[0],
        "pagination": _pagination(1, 1, 1, {}),
        "segments": [],
    }


def cut(reply: Json, at: str) -> Json:
    """Keep the members that `at` names, a list with commas; an empty `at` keeps all."""
    wanted = [name for name in at.split(",") if name]
    return {name: reply[name] for name in wanted if name in reply} if wanted else reply


def _pagination(of: int, per_page: int, current: int, extra: dict[str, str]) -> Json:
    pages = max(1, math.ceil(of / per_page))

    def address(page: int) -> str:
        return _address({"c": str(per_page), "fo": "json", "sp": str(page), **extra})

    first, last = max(1, current - 2), min(pages, max(3, current + 2))
    page_list: list[Any] = [
        {"number": n, "url": None if n == current else address(n)} for n in range(first, last + 1)
    ]
    if last < pages:
        page_list.append("...")
    start = (current - 1) * per_page + 1 if of else 0
    to = min(of, current * per_page)
    return {
        "current": current,
        "first": None if current == 1 else address(1),
        "from": start,
        "last": None if current >= pages else address(last),  # of page_list: not the last page
        "next": None if current >= pages else address(current + 1),
        "of": of,
        "page_list": page_list,
        "perpage": per_page,
        "perpage_options": PER_PAGE_OPTIONS,
        "previous": None if current == 1 else address(current - 1),
        "results": f"{start} - {to}",
        "to": to,
        "total": pages,
    }


def _address(params: dict[str, str]) -> str:
    return f"{WWW}/collections/{SLUG}/?{urlencode(sorted(params.items()), safe=',')}"
