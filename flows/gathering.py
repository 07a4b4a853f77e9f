"""What the harvest's flows do for a folder of one's own pictures, of which nobody is asked."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from flows.batches import run_batches, spread
from flows.errors import SourceError
from flows.params import Params
from flows.planning import open_own
from flows.progress import Tally, show_progress
from flows.project import Project
from flows.watch import watch_run
from harvest.copies import FolderClient
from harvest.errors import CatalogError
from harvest.files import disk_explained, write_bytes
from harvest.folder import Seen, look_at_all, walk_folder
from harvest.found import read_listing, to_listing, to_own_rows
from harvest.known import Known, read_known, write_known
from harvest.records import CatalogRow, CatalogState

LISTING = "listing.json"


def check_roads(params: Params) -> None:
    """See that there are two roads to compare.

    Raises:
        SourceError: If the source is a folder.
    """
    if params.harvest.source == "folder":
        raise SourceError(
            "--crosscheck: expected the Library or the sample, whose catalogue has two roads, got "
            "harvest.source folder, which has one; leave it out"
        )


def gather_catalog(project: Project, params: Params, *, raw: Path) -> list[CatalogRow]:
    """List the folder of one's own pictures.

    Args:
        project: The checkout.
        params: All settings.
        raw: Folder of the source's raw replies; the listing goes there.

    Returns:
        A row for everything that lies in the folder.

    Raises:
        CatalogError: If there is no picture in it.
        HarvestError: If the folder cannot be used, or the disk refuses.
        CancelledRun: If the run was cancelled.
    """
    client = FolderClient(open_own(project, params))
    began_ns = time.time_ns()
    seen, others = walk_folder(client.folder)
    known = _look(
        client, seen, kept=project.state / "folder.json", began_ns=began_ns, params=params
    )
    found = [*others, *(known[one.path][1] for one in seen)]
    rows = to_own_rows(found)
    if not any(row.state is CatalogState.LISTED for row in rows):
        raise CatalogError(
            f"{client.folder}: expected pictures (JPEG, PNG, TIFF or GIF, whatever their names), "
            f"found none among {len(rows)} files and folders; put some there, or set "
            "harvest.folder to another folder"
        )
    with disk_explained(raw):
        write_bytes(raw / LISTING, to_listing(found))
    return rows


def regather_catalog(raw: Path) -> list[CatalogRow]:
    """Make the catalogue of a folder anew from its last listing, without a look at the folder.

    Raises:
        CatalogError: If there is no listing, or it is torn.
    """
    path = raw / LISTING
    try:
        return to_own_rows(read_listing(path.read_bytes()))
    except (OSError, ValueError) as exc:
        raise CatalogError(
            f"{path}: expected the listing of your folder ({exc}); run photochrom catalog without "
            "--rebuild"
        ) from exc


@contextmanager
def attend_copies(tally: Tally, *, stop: Callable[[], None]) -> Iterator[None]:
    """Show how many pictures are copied, and heed a Cancel in the UI, while the block copies.

    Args:
        tally: Counted by the block.
        stop: Ends what the block does, soon.

    Raises:
        CancelledRun: If the run was cancelled.
    """

    def say() -> str:
        return (
            f"**{tally.host}**: {tally.done:,} of {tally.total:,} pictures done, "
            f"{tally.failed.total():,} of no use"
        )

    with show_progress(tally, say) as publish, watch_run(stop=stop, publish=publish):
        yield


def _look(
    client: FolderClient, seen: Sequence[Seen], *, kept: Path, began_ns: int, params: Params
) -> Known:
    """Look at every file that is not known; keep what was found, also of a run that was ended."""
    paths = {one.path for one in seen}
    known = {path: one for path, one in read_known(kept).items() if path in paths}
    workers = params.harvest.workers
    look = partial(look_at_all, folder=client.folder, known=known, stopping=client.stopping)
    try:
        with watch_run(stop=client.stop, publish=_nothing):
            run_batches(
                look, spread(seen, workers), stage="catalog", workers=workers, stop=client.stop
            )
    finally:
        write_known(kept, known, began_ns=began_ns)
    return known


def _nothing() -> None:
    """Show nothing: the batches' own progress does."""
