"""Fills in the templates of the pages that are drawn here."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def fill_template(name: str, shown: Mapping[str, Any]) -> str:
    """Fill in a template of flows/templates; whatever is put in is escaped.

    Args:
        name: Such as `report.html.j2`.
        shown: What it names; a name that is missing is an error.
    """
    environment = Environment(
        loader=PackageLoader("flows"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name).render(shown)
