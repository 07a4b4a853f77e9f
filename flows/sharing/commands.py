"""The commands of sharing."""

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.stage_commands import ParamsFile, Settings

if TYPE_CHECKING:
    from flows.sharing.checking import Checked
    from flows.sharing.sides import Side

app = typer.Typer()

ZSTD_LEVEL = 3
"""Beyond it zstd gives little for much: 45 % of the bytes for 7 CPU seconds per 10,000 samples,
where 6 gives 44 % for 15, and 19 gives 40 % for 420 (bench/results/cold_copy.json)."""


class Format(StrEnum):
    """How an export is laid out."""

    BAGIT = "bagit"
    HUGGINGFACE = "huggingface"
    ZSTD = "zstd"


@app.command()
def verify(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FOLDER]...",
            help="Shards, bags or exports that came from elsewhere; none: the checkout's data.",
        ),
    ] = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="What was not pulled is a fault too.")
    ] = False,
    params: ParamsFile = None,
    settings: Settings = None,
) -> None:
    """Hold every byte against its manifest; fail if one is wrong."""
    from flows.sharing.saying import say_checked

    targets: list[Path | None] = [*folders] if folders else [None]
    failed = False
    for folder in targets:
        started = time.monotonic()
        if folder is None:
            checked = _verify_checkout(params, settings, complete=complete)
        else:
            checked = _verify_folder(folder, complete=complete)
        for fault in checked.faults:
            typer.secho(fault.line, fg=typer.colors.RED, err=True)
        name = "data" if folder is None else str(folder)
        typer.echo(say_checked(checked, name=name, seconds=time.monotonic() - started))
        failed = failed or bool(checked.faults)
    if failed:
        raise typer.Exit(1)


def _verify_checkout(
    params: Path | None, settings: list[str] | None, *, complete: bool
) -> "Checked":
    from flows.params import read_params
    from flows.project import find_project
    from flows.sharing.verify import verify_checkout
    from flows.terminal import bar

    project = find_project(Path.cwd())
    read = read_params(params or project.root / "params.yaml", settings or ())
    with bar("verify") as show:
        return verify_checkout(project, read.harvest.source, complete=complete, on_progress=show)


def _verify_folder(folder: Path, *, complete: bool) -> "Checked":
    from flows.sharing.received import verify_folder
    from flows.terminal import bar

    with bar("verify") as show:
        return verify_folder(folder, complete=complete, on_progress=show)


@app.command()
def release(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as v1 or 2026.11.")],
    message: Annotated[
        str, typer.Option("--message", "-m", metavar="TEXT", help="What to say of it.")
    ] = "",
    params: ParamsFile = None,
    settings: Settings = None,
) -> None:
    """Make a release: a Git tag with card, checksums and changes."""
    from flows.params import read_params
    from flows.project import find_project
    from flows.sharing.release import Order, make_release
    from flows.sharing.saying import say_release
    from flows.terminal import bar

    project = find_project(Path.cwd())
    read = read_params(params or project.root / "params.yaml", settings or ())
    with bar("release") as show:
        record = make_release(project, read, Order(name, message), say=typer.echo, on_progress=show)
    typer.echo(say_release(record))


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="A", help="A release, or any revision.")],
    new: Annotated[
        str | None, typer.Argument(metavar="[B]", help="Another; none: the checkout's data.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw a page with pictures, too.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Name every sample, not the first.")] = False,
    params: ParamsFile = None,
    settings: Settings = None,
) -> None:
    """Say which samples came, went, moved and changed."""
    from rich.console import Console

    from flows.params import read_params
    from flows.project import find_project
    from flows.sharing.changes import compare
    from flows.sharing.saying import say_each, to_table
    from flows.sharing.sides import read_checkout, read_side
    from flows.terminal import bar

    if out is not None:
        _refuse_folder(out)
    project = find_project(Path.cwd())
    read = read_params(params or project.root / "params.yaml", settings or ())
    with bar("diff") as show:
        before = read_side(project, read, old, on_progress=show)
        after = (
            read_checkout(project, read, on_progress=show)
            if new is None
            else read_side(project, read, new, on_progress=show)
        )
    Console().print(to_table(before, after))
    typer.echo(say_each(compare(before.entries, after.entries), every=every))
    if out is not None:
        _draw_diff(out, before, after)


def _draw_diff(out: Path, before: "Side", after: "Side") -> None:
    from flows.sharing.diff_page import render_diff
    from flows.terminal import bar
    from harvest.files import write_bytes

    with bar("pictures") as show:
        write_bytes(out, render_diff(before, after, on_progress=show).encode())
    typer.echo(f"Side by side: {out}")


def _refuse_folder(out: Path) -> None:
    """Refuse a folder where a file is to be written, before anything is read."""
    from flows.errors import SharingError

    if out.is_dir():
        raise SharingError(
            f"--out: expected the name of a file, got the folder {str(out)!r}; name a file, such "
            "as diff.html"
        )


@app.command()
def export(
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="The folder to make.")],
    layout: Annotated[Format, typer.Option("--format", help="How it is laid out.")],
    scans: Annotated[
        bool, typer.Option("--scans", help="The scans too; a bag alone holds them.")
    ] = False,
    level: Annotated[
        int | None,
        typer.Option(
            min=1, max=22, help=f"Of zstd: 1 is quickest, 22 smallest; else {ZSTD_LEVEL}."
        ),
    ] = None,
    params: ParamsFile = None,
    settings: Settings = None,
) -> None:
    """Copy the data set out: as BagIt, for Hugging Face, or compressed for cold storage."""
    from flows.params import read_params
    from flows.project import find_project
    from flows.sharing.export import export_bag, export_hugging_face
    from flows.sharing.saying import say_packed
    from flows.terminal import bar

    _check_options(layout, scans=scans, level=level)
    project = find_project(Path.cwd())
    read = read_params(params or project.root / "params.yaml", settings or ())
    if layout is Format.ZSTD:
        from flows.sharing.cold import export_zstd

        with bar("export") as show:
            packed = export_zstd(project, read, to, level=level or ZSTD_LEVEL, on_progress=show)
        typer.echo(say_packed(packed))
        return
    with bar("export") as show:
        if layout is Format.BAGIT:
            made = export_bag(project, read, to, scans=scans, on_progress=show)
        else:
            made = export_hugging_face(project, read, to, on_progress=show)
    size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    typer.echo(f"{made}: {size / 1e6:.0f} MB; `photochrom verify {made}` checks it")


def _check_options(layout: Format, *, scans: bool, level: int | None) -> None:
    """Refuse an option that the layout has no use for."""
    from flows.errors import SharingError

    if scans and layout is not Format.BAGIT:
        raise SharingError("--scans: expected --format bagit with it; others hold shards alone")
    if level is not None and layout is not Format.ZSTD:
        raise SharingError("--level: expected --format zstd with it; others compress nothing")


@app.command()
def unpack(
    source: Annotated[Path, typer.Argument(metavar="COPY", help="Made by --format zstd.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to make.")],
) -> None:
    """Make shards again from a copy for cold storage."""
    from flows.sharing.cold import unpack_folder
    from flows.sharing.saying import say_unpacked
    from flows.terminal import bar

    with bar("unpack") as show:
        unpacked = unpack_folder(source, folder, on_progress=show)
    typer.echo(say_unpacked(unpacked))
