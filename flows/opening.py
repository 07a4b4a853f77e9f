"""Opens what a harvest brings its catalogue and its files by, and closes it afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

from flows.errors import SourceError
from flows.params import Params
from flows.planning import open_own
from flows.project import Project
from flows.source import open_source, scope_of
from harvest.client import Client
from harvest.copies import FolderClient
from harvest.locks import try_hold
from harvest.sources import open_client, to_state


@contextmanager
def alone(project: Project) -> Iterator[None]:
    """Let one process at a time ask for a checkout's catalogue.

    Raises:
        SourceError: If another one is at it.
    """
    lock = project.state / "locks" / "catalog.lock"
    with try_hold(lock) as free:
        if not free:
            raise SourceError(
                f"{lock}: another process of this checkout is asking for the catalogue; wait for "
                "it, or end it"
            )
        yield


@contextmanager
def open_asked(project: Project, params: Params) -> Iterator[tuple[Client, str]]:
    """Open a source that is asked over HTTP; yield the client and the scope of its files.

    Raises:
        SourceError: If the replica does not start.
        HarvestError: If the settings do not suit the source.
    """
    state = to_state(params.harvest, project.state / "limits")
    with (
        open_source(project, params) as source,
        open_client(params.harvest, redirect=source.redirect, state=state) as client,
    ):
        yield client, source.scope


@contextmanager
def open_files(project: Project, params: Params) -> Iterator[tuple[Client | FolderClient, str]]:
    """Open what brings the files of any source; yield it and their scope.

    Raises:
        SourceError: If the replica does not start.
        HarvestError: If the settings do not suit the source, or the folder cannot be used.
    """
    if params.harvest.source == "folder":
        yield FolderClient(open_own(project, params)), scope_of(project, params)
        return
    with open_asked(project, params) as opened:
        yield opened
