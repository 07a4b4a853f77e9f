"""The report, gathered from what every stage wrote; the template lays it out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flows.account import Line, read_account
from flows.page.collection import gather_places, gather_samples
from flows.page.curation import gather_curation
from flows.page.leaks import gather_leaks
from flows.page.results import gather_results, read_figures
from flows.page.spending import gather_costs, say_bytes, say_seconds
from flows.page.templates import fill_template
from flows.params import Params
from flows.project import Project
from harvest.manifest import CATALOG_SCHEMA, read_manifest
from preprocess.manifest import SAMPLES_SCHEMA

SECTIONS = (
    ("account", "The account"),
    ("places", "Places"),
    ("inks", "Inks"),
    ("gallery", "Gallery"),
    ("groups", "One view, several scans"),
    ("pairs", "Real black and white"),
    ("crops", "Crops"),
    ("leaks", "Splits"),
    ("training", "Training"),
    ("test", "Test pictures"),
    ("metrics", "Figures"),
    ("costs", "Costs"),
    ("next", "What next"),
)


@dataclass(frozen=True, slots=True)
class Harvested:
    """What the ledger says of the files that came."""

    files: int
    bytes: int
    seconds: float


def render_report(project: Project, params: Params, harvested: Harvested) -> str:
    """Draw the report: one page that needs nothing beside it.

    Raises:
        ManifestError: If a manifest is missing.
        AccountError: If the model is missing, or has not been evaluated.
        OSError: If one of its pictures cannot be read.
    """
    return render(gather(project, params, harvested=harvested))


def render(shown: Mapping[str, Any]) -> str:
    """Lay out what was gathered.

    Args:
        shown: As `gather` gives it; a name that is missing is an error.
    """
    return fill_template("report.html.j2", shown)


def gather(project: Project, params: Params, *, harvested: Harvested) -> dict[str, Any]:
    """Gather what the template needs, every picture as a data URI.

    Args:
        project: The checkout.
        params: Its settings.
        harvested: What the ledger says of the source's files.

    Raises:
        ManifestError: If a manifest is missing.
        AccountError: If the model is missing, or has not been evaluated.
        OSError: If one of its pictures cannot be read.
    """
    data, size = project.data, params.preprocess.size
    shards = project.shards(size)
    account = read_account(project, size=size)
    figures = read_figures(data)
    catalog = read_manifest(data / "catalog.parquet", CATALOG_SCHEMA)
    written = _read_written(shards)
    titles = {row["key"]: row["title"] for row in written}
    return (
        {
            "version": version("photochrom"),
            "source": _say_source(params),
            "sections": SECTIONS,
            "facts": _facts(account, figures),
            "account": account,
            "harvest_text": _say_harvest(harvested, source=params.harvest.source),
            "shards": shards.relative_to(project.root).as_posix(),
        }
        | gather_places(catalog)
        | gather_samples(shards, written, catalog, titles)
        | gather_curation(project, account, shards=shards, titles=titles)
        | gather_leaks(project, params)
        | gather_results(data, figures, titles)
        | gather_costs(project, source=params.harvest.source, size=size)
    )


def _say_source(params: Params) -> str:
    if params.harvest.source == "folder":
        return "Pictures from a folder of one's own"
    if params.harvest.source == "loc":
        return "Prints of the Library of Congress"
    if params.replica.images is None:
        return "Generated prints, harvested over HTTP from a replica of loc.gov on this machine"
    return "Prints from a folder, harvested over HTTP from a replica of loc.gov on this machine"


def _facts(account: Sequence[Line], figures: Mapping[str, Any]) -> list[dict[str, str]]:
    passed = {line.stage: line.passed for line in account}
    ours, bar = figures["model"]["de00"], figures["baselines"]["lightness_by_row"]["de00"]
    gain = figures["difference"]["lightness_by_row"]["de00"]
    return [
        {"value": f"{passed['scans']:,}", "label": "scans harvested"},
        {"value": f"{passed['shards']:,}", "label": "samples in shards"},
        {"value": f"{ours['mean']:.2f}", "label": "dE00 of the model, test split"},
        {"value": f"{bar['mean']:.2f}", "label": "dE00 of the lightness-by-row table"},
        {
            "value": _say_signed(gain["mean"]),
            "label": f"difference, 95 % {_say_signed(gain['low'])} to {_say_signed(gain['high'])}, "
            f"{figures['views']} views",
        },
    ]


def _say_signed(number: float) -> str:
    return f"{number:+.2f}".replace("-", "−")


def _read_written(shards: Path) -> list[dict[str, Any]]:
    rows = read_manifest(shards / "samples.parquet", SAMPLES_SCHEMA)
    return [row for row in rows if row["state"] == "written"]


def _say_harvest(harvested: Harvested, *, source: str) -> str:
    how = "were copied from a folder" if source == "folder" else "came over HTTP"
    return (
        f"{harvested.files:,} files, {say_bytes(harvested.bytes)}, {how} in "
        f"{say_seconds(harvested.seconds)} of transfer, all downloads added up. When and how each "
        "came is in .photochrom/ledger.sqlite."
    )
