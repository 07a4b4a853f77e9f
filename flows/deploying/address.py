"""Tells the `prefect` command, run in a checkout, where the checkout's own server is."""

import tomllib
from pathlib import Path

from flows.errors import DeployError
from flows.project import Project
from flows.server import Server
from harvest.files import write_bytes

HEAD = "# Written by `photochrom ui`, removed by `photochrom down`."


def check_address(project: Project) -> None:
    """See that Prefect can read the prefect.toml here, if there is one.

    Raises:
        DeployError: If it is no TOML, or not in UTF-8.
    """
    path = project.root / "prefect.toml"
    if not path.is_file():
        return
    try:
        tomllib.loads(path.read_text("utf-8"))
    except ValueError as exc:
        raise DeployError(
            f"{path}: expected TOML in UTF-8, which Prefect reads here ({exc}); mend the file, or "
            "remove it"
        ) from exc


def write_address(project: Project, server: Server) -> bool:
    """Write prefect.toml, which Prefect reads in the working directory.

    Args:
        project: The checkout.
        server: Its own.

    Returns:
        False if there is one that a person wrote: it is let be.
    """
    path = project.root / "prefect.toml"
    if path.exists() and not _is_ours(path):
        return False
    lines = (
        HEAD,
        'home = ".photochrom/prefect"',
        "[api]",
        f'url = "{server.url}/api"',
        "[server]",
        "analytics_enabled = false",
        "",
    )
    write_bytes(path, "\n".join(lines).encode())
    return True


def remove_address(project: Project) -> None:
    """Remove prefect.toml, if it is the one that `write_address` wrote."""
    path = project.root / "prefect.toml"
    if _is_ours(path):
        path.unlink()


def _is_ours(path: Path) -> bool:
    return path.is_file() and path.read_bytes().startswith(HEAD.encode())
