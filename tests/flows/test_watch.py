import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from uuid import UUID, uuid4

import httpx
import pytest
from prefect import State
from prefect.exceptions import CancelledRun
from prefect.states import Cancelling, Running

import flows.watch
from flows.watch import watch_run
from harvest.errors import BlockedError, StoppedError


class Server:
    """Answers what a run's state is; an error in the script is raised."""

    def __init__(self, *script: State | Exception) -> None:
        self.script = list(script)
        self.asked = 0

    @contextmanager
    def open(self, *, sync_client: bool) -> Iterator["Server"]:
        yield self

    def read_flow_run(self, run_id: UUID) -> SimpleNamespace:
        self.asked += 1
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(state=answer)


Serve = Callable[..., Server]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    def serve(*script: State | Exception) -> Server:
        server = Server(*script)
        monkeypatch.setattr(flows.watch, "get_client", server.open)
        monkeypatch.setattr(flows.watch, "get_run_logger", logging.getLogger)
        monkeypatch.setattr(flows.watch, "flow_run", SimpleNamespace(id=str(uuid4())))
        monkeypatch.setattr(flows.watch, "TICK_S", 0.005)
        return server

    return serve


def test_a_cancel_stops_the_work_although_the_server_hiccuped(serve: Serve) -> None:
    serve(Running(), httpx.ConnectError("gone"), httpx.ReadTimeout("slow"), Cancelling())
    stopped = threading.Event()
    with (
        pytest.raises(CancelledRun, match="what came so far is kept"),
        watch_run(stop=stopped.set, publish=lambda: None),
    ):
        assert stopped.wait(30)
        raise StoppedError("as a stopped client says")


def test_an_error_of_the_work_is_not_hidden_by_one_of_the_server(serve: Serve) -> None:
    server = serve(Running())
    published = threading.Event()

    def publish() -> None:
        published.set()
        raise httpx.ConnectError("gone")

    with pytest.raises(BlockedError), watch_run(stop=pytest.fail, publish=publish):
        assert published.wait(30)
        raise BlockedError("an hour")
    assert server.asked > 0


def test_progress_is_published_at_the_end_too(serve: Serve) -> None:
    serve(Running())
    done: list[int] = []
    shown: list[int] = []
    with watch_run(stop=pytest.fail, publish=lambda: shown.append(len(done))):
        done.append(1)
    assert shown[-1] == 1
