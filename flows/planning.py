"""What a harvest will ask for, laid out before it starts; and whom the Library may write to."""

import sys
from io import BytesIO
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter

from flows.params import Params
from flows.project import Project
from harvest.errors import HarvestError
from harvest.files import write_bytes
from harvest.folder import find_folder, walk_folder
from harvest.manifest import read_catalog_rows, read_source
from harvest.params import HarvestParams
from harvest.plan import COLLECTION_ROWS, HostPlan, Plan, plan_harvest
from harvest.records import CatalogRow
from harvest.sources import check_contact

GB = 1e9
CACHE_HINT = "dvc config cache.type reflink,hardlink,copy"


def show_plan(project: Project, params: Params, *, path: Path) -> None:
    """Print the plan; on a terminal, ask for the contact that `loc` needs.

    Args:
        project: The checkout.
        params: All settings.
        path: The params file, into which the contact goes.

    Raises:
        HarvestError: If `loc` lacks a contact and nobody can be asked, or gave none; if the
            source is `folder` and the folder cannot be used.
        ManifestError: If there is a catalogue that cannot be read.
    """
    if params.harvest.source == "folder":
        typer.echo(say_folder(open_own(project, params)))
        return
    print_plan(make_plan(project, params), params.harvest)
    try:
        check_contact(params.harvest)
    except HarvestError:
        if not sys.stdin.isatty():
            raise
        ask_contact(params.harvest, path=path)


def announce(project: Project, params: Params) -> None:
    """Before anything is asked of the Library: see that it can write to us, and print the plan.

    Raises:
        HarvestError: If `loc` lacks a contact; if the source is `folder` and the folder cannot
            be used.
    """
    if params.harvest.source == "folder":
        open_own(project, params)
        return
    check_contact(params.harvest)
    if params.harvest.source == "loc":
        print_plan(make_plan(project, params), params.harvest)


def open_own(project: Project, params: Params) -> Path:
    """Find the folder of one's own pictures, apart from where this project writes.

    Raises:
        HarvestError: If `harvest.folder` is not set, or cannot be used.
    """
    apart = (project.data, project.state)
    return find_folder(params.harvest.folder, root=project.root, apart=apart)


def say_folder(folder: Path) -> str:
    """Say what a harvest of one's own pictures would copy, for a terminal of 80 columns.

    Raises:
        HarvestError: If the folder cannot be read.
    """
    seen, _ = walk_folder(folder)
    size = f"{sum(one.stamp.size_bytes for one in seen) / 1e6:,.0f} MB"
    return (
        f"{folder}: {len(seen):,} files, {size}; nobody is asked.\n"
        "Those that are pictures are copied into data/scans/folder, and DVC's cache holds\n"
        f"as much again where it copies; to avoid that, before the first run:\n  {CACHE_HINT}"
    )


def make_plan(project: Project, params: Params) -> Plan:
    """Plan a harvest from the catalogue that is there, or else from how many items are known of.

    Raises:
        ManifestError: If there is a catalogue that cannot be read.
    """
    generates = params.harvest.source == "sample" and params.replica.images is None
    expected = params.replica.items if generates else COLLECTION_ROWS
    rows = _read_known(project, params)
    return plan_harvest(params.harvest, rows=rows, expected=expected)


def print_plan(plan: Plan, params: HarvestParams) -> None:
    """Print a plan, for a terminal of 80 columns."""
    console = Console(highlight=False)
    console.print(to_table(plan))
    known = "as data/catalog.parquet lists them" if plan.is_exact else "one a record, at the least"
    low, high = plan.bytes_low / GB, plan.bytes_high / GB
    console.print(
        f"\nThe files are {known}; retries come on top. The hours are by "
        f"harvest.limits.{params.source}, at the least.\n"
        f"On disk, and as much again ({to_range(low, high)} GB) in DVC's cache where it copies; "
        f"to avoid that, before the first run:\n  {CACHE_HINT}"
    )


def to_table(plan: Plan) -> Table:
    """Lay a plan out: a line for each host, and one for all."""
    table = Table(box=None, pad_edge=False)
    table.add_column("host")
    for name in ("requests", "of which", "hours at the limits", "gigabytes"):
        table.add_column(name, justify="left" if name == "of which" else "right")
    for host in plan.hosts:
        table.add_row(
            host.host,
            f"{host.requests:,}",
            to_purposes(host),
            f"{host.hours:.1f}",
            to_range(host.bytes_low / GB, host.bytes_high / GB),
        )
    whole = to_range(plan.bytes_low / GB, plan.bytes_high / GB)
    table.add_row("together", f"{plan.requests:,}", "", f"{plan.hours:.1f}", whole)
    return table


def to_purposes(host: HostPlan) -> str:
    """Say what the requests to a host are for, such as "51 pages, 1 robots.txt"."""
    counts = {
        "pages": host.listing,
        "items": host.items,
        "files": host.files,
        "robots": host.robots,
    }
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def to_range(low: float, high: float) -> str:
    """Write a range of numbers with no more digits than they deserve, such as "0.6 to 3.4"."""
    ends = [f"{end:.0f}" if end >= 10 else f"{end:.1g}" for end in (low, high)]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def ask_contact(params: HarvestParams, *, path: Path) -> None:
    """Ask on the terminal for a contact, and write it into the params file.

    Args:
        params: The `harvest` section.
        path: The params file; its comments and order stay.

    Raises:
        HarvestError: If what was typed is no contact; then the file stays as it is.
    """
    typer.echo("\nThe Library must be able to write to whoever asks it.")
    contact = typer.prompt("Your e-mail address or web page, for the User-Agent").strip()
    check_contact(params.model_copy(update={"contact": contact}))
    save_contact(path, contact)
    typer.echo(f"{path.name}: harvest.contact is {contact}")


def save_contact(path: Path, contact: str) -> None:
    """Write a contact into a params file, whose comments and order stay."""
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096
    yaml.representer.add_representer(type(None), _write_null)
    tree = yaml.load(path)
    tree["harvest"]["contact"] = contact
    written = BytesIO()
    yaml.dump(tree, written)
    write_bytes(path, written.getvalue())


def _write_null(representer: RoundTripRepresenter, _: None) -> ScalarNode:
    """Write `null` as params.yaml does, and not as nothing."""
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _read_known(project: Project, params: Params) -> list[CatalogRow] | None:
    """Read the catalogue that is there, if it is this source's."""
    path = project.data / "catalog.parquet"
    if not path.is_file() or read_source(path) != params.harvest.source:
        return None
    return read_catalog_rows(path)
