"""The nine stages: their commands, their flows, and the manifests they write."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of dvc.yaml and the command of the same name."""

    name: str
    flow: str
    """`module:function` of its Prefect flow."""
    help: str
    modules: tuple[str, ...]
    """What decides its result, with all that these import: the code that dvc.yaml names."""


STAGES = (
    Stage(
        "catalog",
        "flows.harvesting:catalog",
        "Ask the source what there is.",
        (
            "harvest.folder",
            "harvest.found",
            "harvest.items",
            "harvest.known",
            "harvest.listing",
            "harvest.manifest",
            "harvest.sources",
            "replica.__main__",
        ),
    ),
    Stage(
        "scans",
        "flows.harvesting:scans",
        "Download one scan of each resource.",
        (
            "harvest.copies",
            "harvest.download",
            "harvest.manifest",
            "harvest.sources",
            "replica.__main__",
        ),
    ),
    Stage(
        "dedupe",
        "flows.preprocessing:dedupe",
        "Find scans of one print and of one view.",
        (
            "preprocess.dedupe",
            "preprocess.dedupe_page",
            "preprocess.groups",
            "preprocess.manifest",
            "preprocess.overrides",
        ),
    ),
    Stage(
        "crop",
        "flows.preprocessing:crop",
        "Find the print within its mount.",
        ("preprocess.crop", "preprocess.crop_page", "preprocess.manifest"),
    ),
    Stage(
        "pairs",
        "flows.preprocessing:pairs",
        "Lay copy negatives over their colour prints.",
        ("preprocess.manifest", "preprocess.pairs"),
    ),
    Stage(
        "shards",
        "flows.preprocessing:shards",
        "Write LAB samples into WebDataset shards.",
        ("preprocess.composition", "preprocess.released", "preprocess.shards"),
    ),
    Stage(
        "train",
        "flows.training:train",
        "Train the model on the shards.",
        ("flows.tracking.live", "train.__main__"),
    ),
    Stage(
        "evaluate",
        "flows.training:evaluate",
        "Measure the model on the test split.",
        ("train.evaluation",),
    ),
    Stage(
        "report",
        "flows.reporting:report",
        "Draw everything on one page.",
        ("flows.page.report", "flows.source", "harvest.ledger"),
    ),
)
