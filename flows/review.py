"""The pages on which a person corrects crops and judges pairs, served on loopback.

Anything in a browser may send requests to loopback, so a request must name loopback as its host (a
foreign name that was made to point here is refused), and one that changes anything must come from
a page of this server, as its Origin says, and be JSON. Only names that the server knows lead to
files: no path is ever taken from a request.
"""

import io
import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import uvicorn
from PIL import Image
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows.corrections import CropMessage, Desk, Entry, PairMessage, RefusedError
from flows.errors import FlowsError
from flows.project import Project
from harvest.errors import HarvestError
from preprocess.errors import PreprocessError, ScanError
from preprocess.images import read_scan

M = TypeVar("M", bound=BaseModel)

HOSTS: Final = ("127.0.0.1", "localhost")
LONG_SIDE: Final = 2560
"""Of a scan as the page shows it, in pixels: one of a master at full size would be 100 MB."""

QUALITY: Final = 90
MOST_BYTES: Final = 65_536
"""Of a correction: a note of 500 letters fits many times."""

PAGES: Final = {
    "crops": re.compile(r"crops\.html|sheet-[0-9]{4,7}\.jpg"),
    "dedupe": re.compile(r"dedupe\.html|[0-9a-f]{16}(-[0-9a-f]{16})?\.jpg"),
}
"""What each page's folder may be asked for."""

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def serve_review(
    project: Project, *, source: str, announce: Callable[[str], None], port: int = 0
) -> None:
    """Serve the pages until Ctrl-C or SIGTERM.

    Args:
        project: The checkout whose pages are shown.
        source: `harvest.source`; corrections go to overrides/<source>/.
        announce: Takes the line that says where to look.
        port: Port on 127.0.0.1; 0 takes a free one.

    Raises:
        FlowsError: If there is no page yet, or the port is taken.
    """
    if not any(_page(project, kind).is_file() for kind in PAGES):
        raise FlowsError(
            f"{project.data}: expected crops/crops.html or dedupe/dedupe.html, found neither; "
            "run `photochrom dedupe` and `photochrom crop` first"
        )
    with _listen(port) as listener:
        config = uvicorn.Config(
            make_app(project, source=source),
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=3,
        )
        address = f"http://{HOSTS[0]}:{listener.getsockname()[1]}/"
        announce(f"Review: {address}   (Ctrl-C ends it)")
        # uvicorn shuts down and then raises the signal anew.
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def make_app(project: Project, *, source: str) -> ASGIApp:
    """Make the application.

    Args:
        project: The checkout whose pages are shown.
        source: `harvest.source`; corrections go to overrides/<source>/.
    """
    review = _Review(project, Desk(project, source=source))
    return Starlette(
        routes=[
            Route("/", review.start),
            Route("/scan", review.show_scan),
            Route("/api/{kind}", review.list_entries, methods=["GET"]),
            Route("/api/{kind}", review.take_entry, methods=["POST"]),
            Route("/{kind}/{name}", review.show_file),
        ],
        middleware=[
            Middleware(_SafeHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False),
        ],
    )


class _SafeHeaders:
    """Adds the headers that keep a browser from doing more with a page than it is for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self._app(scope, receive, send_safely)


class _Review:
    """The server's answers."""

    def __init__(self, project: Project, desk: Desk) -> None:
        self._project = project
        self._desk = desk
        self._decoders = threading.Semaphore(2)  # a master takes memory while it is decoded

    def start(self, request: Request) -> Response:
        """Lead to the page that there is."""
        kind = next((kind for kind in PAGES if _page(self._project, kind).is_file()), "crops")
        return RedirectResponse(f"/{kind}/{kind}.html")

    def show_file(self, request: Request) -> Response:
        """Answer with a page, or one of the pictures beside it."""
        kind, name = request.path_params["kind"], request.path_params["name"]
        if kind not in PAGES or not PAGES[kind].fullmatch(name):
            return PlainTextResponse("There is no such page.", 404)
        path = self._project.data / kind / name
        if not path.is_file():
            stage = "crop" if kind == "crops" else "dedupe"
            return PlainTextResponse(f"Not drawn yet; run `photochrom {stage}` first.", 404)
        return FileResponse(path, headers={"Cache-Control": "no-cache"})

    def show_scan(self, request: Request) -> Response:
        """Answer with a scan, reduced to what a page can show."""
        try:
            scan = self._desk.find_scan(request.query_params.get("id", ""))
            with self._decoders:
                content = _draw_scan(self._project.data / scan["path"])
        except RefusedError as exc:
            return PlainTextResponse(str(exc), exc.status)
        except (ScanError, HarvestError) as exc:
            return PlainTextResponse(str(exc), 404)
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": "no-cache"})

    def list_entries(self, request: Request) -> Response:
        """Answer with the corrections that stand."""
        lists = {"crops": self._desk.list_crops, "pairs": self._desk.list_pairs}
        kind = request.path_params["kind"]
        if kind not in lists:
            return _refuse(404, "there is no such table")
        try:
            return JSONResponse({"entries": lists[kind]()}, headers={"Cache-Control": "no-store"})
        except PreprocessError as exc:
            return _refuse(500, str(exc))

    async def take_entry(self, request: Request) -> Response:
        """Take a correction from one of our own pages."""
        origin, kind = request.headers.get("origin"), request.path_params["kind"]
        if origin != f"http://{request.headers['host']}":
            return _refuse(403, "expected a request of a page of this server")
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return _refuse(415, "expected JSON")
        content = b""
        async for chunk in request.stream():
            content += chunk
            if len(content) > MOST_BYTES:
                return _refuse(413, f"expected at most {MOST_BYTES:,} bytes")
        return await run_in_threadpool(self._take, kind, content)

    def _take(self, kind: str, content: bytes) -> Response:
        try:
            if kind == "crops":
                return _answer(content, CropMessage, self._desk.correct_crop)
            if kind == "pairs":
                return _answer(content, PairMessage, self._desk.judge_pair)
        except ValidationError as exc:
            faults = "; ".join(
                f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in exc.errors()
            )
            return _refuse(400, f"this is no correction: {faults}")
        except RefusedError as exc:
            return _refuse(exc.status, str(exc), entry=exc.entry)
        except (PreprocessError, HarvestError, ValueError, OSError) as exc:
            return _refuse(500, str(exc))
        return _refuse(404, "there is no such table")


def _answer(content: bytes, kind: type[M], take: Callable[[M], Entry]) -> Response:
    return JSONResponse(take(kind.model_validate_json(content)))


def _refuse(status: int, said: str, *, entry: Entry | None = None) -> Response:
    return JSONResponse({"error": said, "entry": entry}, status)


def _page(project: Project, kind: str) -> Path:
    return project.data / kind / f"{kind}.html"


def _draw_scan(path: Path) -> bytes:
    picture = Image.fromarray(read_scan(path, least=LONG_SIDE).rgb)
    picture.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
    sink = io.BytesIO()
    picture.save(sink, "JPEG", quality=QUALITY, subsampling=0)
    return sink.getvalue()


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOSTS[0], port))
    except OSError as exc:
        listener.close()
        raise FlowsError(
            f"{HOSTS[0]}:{port}: expected a free port, but it is taken ({exc.strerror}); "
            "choose another with --port, or none"
        ) from exc
    listener.listen(128)  # connections wait from here on, so the address may be announced
    return listener
