"""Tells the `prefect` command, run in a checkout, where the checkout's own server is."""

from flows.project import Project
from flows.server import Server
from harvest.files import write_bytes

HEAD = "# Written by `photochrom ui`, removed by `photochrom down`."


def write_address(project: Project, server: Server) -> bool:
    """Write prefect.toml, which Prefect reads in the working directory.

    Args:
        project: The checkout.
        server: Its own.

    Returns:
        False if there is one that a person wrote: it is let be.
    """
    path = project.root / "prefect.toml"
    if path.exists() and not path.read_text("utf-8").startswith(HEAD):
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
    if path.exists() and path.read_text("utf-8").startswith(HEAD):
        path.unlink()
