"""Pure: the data set card that lies beside the shards."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from preprocess.composition import Composition
from preprocess.index import Index
from preprocess.planning import Settings
from preprocess.records import SampleRow, SampleState
from preprocess.split import PAIRS, Move, Split

CARD_NAME: Final = "README.md"

FIELDS: Final = {
    "key": "name of the sample, the scan's id with dashes for dots",
    "scan_id": "the scan; of a pair, the negative's",
    "item_id": "its record in the catalogue",
    "view_id": "the picture it shows",
    "group_id": "the print it shows",
    "split": "the shard's split: `train`, `val`, `test` or `pairs`",
    "view_split": "the view's split: `train`, `val` or `test`",
    "source_width": "pixels of the scan as stored, across",
    "source_height": "pixels of the scan as stored, down",
    "valid": "top, left, bottom, right (exclusive) of the picture; around it is padding",
    "size": "side of the square in pixels",
    "scan_sha256": "checksum of the scan",
}
"""What each field of a sample's JSON means, in the order they have there after `version`."""

COLUMNS: Final = {
    "key": FIELDS["key"],
    "scan_id": FIELDS["scan_id"],
    "view_id": FIELDS["view_id"],
    "item_id": FIELDS["item_id"],
    "title": "title of the record",
    "rights": "the record's rights statement",
    "split": FIELDS["split"],
    "view_split": FIELDS["view_split"],
    "shard": "the tar that holds the sample; null where there is none",
    "index": "the sample's place in it, from 0; null where there is none",
    "width": "pixels of the print in the scan, across",
    "height": "pixels of the print in the scan, down",
    "valid": FIELDS["valid"],
    "state": "`written` or `rejected`",
    "reason": "why it was rejected",
}
"""What each column of samples.parquet means, in the order they have there."""

_TITLES: Final = {
    "loc": "Photochrom prints of the Library of Congress",
    "sample": "Photochrom practice prints",
    "folder": "Colour pictures of one's own",
}

_LICENSES: Final = {
    "loc": {"license": "other", "license_name": "no-known-restrictions-on-publication"},
}
"""The front matter's word for the rights, by source; of any other source they are unknown."""

_SIZES: Final = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
"""Hugging Face's names for the number of samples, each with its exclusive end."""


@dataclass(frozen=True, slots=True)
class _Line:
    """What the card says of one split."""

    split: str
    samples: int
    views: int
    shards: int
    size_bytes: int

    @property
    def megabytes(self) -> float:
        return self.size_bytes / 1e6


def to_title(source: str, size: int) -> str:
    """Name a data set.

    Args:
        source: `sample`, `loc`, `folder`, or "" where it is not known.
        size: Side of a sample in pixels.

    Returns:
        Such as "Photochrom prints of the Library of Congress, 256 px, LAB".
    """
    return f"{_TITLES.get(source, 'Colour prints')}, {size} px, LAB"


def to_card(
    index: Index,
    rows: Sequence[SampleRow],
    *,
    settings: Settings,
    made: Composition,
    moved: Sequence[Move],
) -> str:
    """Write the card of a folder of shards.

    Args:
        index: The shards.
        rows: All samples, written or rejected.
        settings: What the shards were made with.
        made: What the data set is made of.
        moved: Released views that are in another split now.

    Returns:
        Markdown with the front matter that Hugging Face reads.
    """
    written = [row for row in rows if row.state == SampleState.WRITTEN]
    order = [str(split) for split in (*Split, PAIRS)]
    lines = [_count_split(name, index, written) for name in order]
    example = min(index.shards, key=lambda shard: order.index(shard.split), default=None)
    environment = Environment(
        loader=PackageLoader("preprocess"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("card.md.j2").render(
        front=_to_front(index, lines, made.source),
        title=to_title(made.source, index.size),
        source=made.source,
        size=index.size,
        fit=settings.fit,
        inset=settings.inset,
        caption=settings.caption,
        table=lines,
        written=len(written),
        rejected=len(rows) - len(written),
        reasons=_to_list(_rank(row.reason for row in rows if row.state != SampleState.WRITTEN)),
        example=example.name if example else "train-000000.tar",
        split=example.split if example else Split.TRAIN.value,
        config="pairs" if example and example.split == PAIRS else "prints",
        place=index.shards.index(example) if example else 0,
        fields=FIELDS.items(),
        columns=COLUMNS.items(),
        rights=[(_to_cell(said), count) for said, count in _rank(row.rights for row in written)],
        made=made,
        cropped=sum(count for _, count in made.mounts),
        mounts=_to_list(made.mounts),
        not_aligned=_to_list(made.not_aligned),
        moved=moved,
    )


def _count_split(split: str, index: Index, written: Sequence[SampleRow]) -> _Line:
    shards = [shard for shard in index.shards if shard.split == split]
    return _Line(
        split=split,
        samples=sum(shard.samples for shard in shards),
        views=len({row.view_id for row in written if row.split == split}),
        shards=len(shards),
        size_bytes=sum(shard.size_bytes for shard in shards),
    )


def _to_front(index: Index, lines: Sequence[_Line], source: str) -> str:
    """Write the front matter; pairs have other members, so they are a config of their own."""
    configs = {
        "prints": [line for line in lines if line.split != PAIRS and line.samples],
        "pairs": [line for line in lines if line.split == PAIRS and line.samples],
    }
    written = sum(line.samples for line in lines)
    front: dict[str, Any] = {
        "pretty_name": to_title(source, index.size),
        **_LICENSES.get(source, {"license": "unknown"}),
        "annotations_creators": ["no-annotation"],
        "source_datasets": ["original"],
        "task_categories": ["image-to-image"],
        "tags": ["colorization", "photochrom", "webdataset", "croissant"],
        "size_categories": [next((name for end, name in _SIZES if written < end), "10M<n<100M")],
        "configs": [_to_config(name, found, index) for name, found in configs.items() if found],
        "dataset_info": [
            _to_info(name, found, index.size) for name, found in configs.items() if found
        ],
    }
    return yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=100)


def _to_config(name: str, lines: Sequence[_Line], index: Index) -> dict[str, Any]:
    """Name the files of a config.

    The description names the very shards: `datasets` keeps what it has read under a hash of this
    front matter, not of the files, and would go on giving the old samples of a folder that was
    written anew.
    """
    splits = {line.split for line in lines}
    sums = "".join(shard.sha256 for shard in index.shards if shard.split in splits)
    return {
        "config_name": name,
        "description": f"shards {hashlib.sha256(sums.encode()).hexdigest()}",
        "data_files": [{"split": line.split, "path": f"{line.split}-*.tar"} for line in lines],
    } | ({"default": True} if name == "prints" else {})


def _to_info(name: str, lines: Sequence[_Line], size: int) -> dict[str, Any]:
    """Describe the columns of a config: read as arrays they take a tenth of the time of lists."""
    text = ["key", "scan_id", "item_id", "view_id", "group_id", "split", "view_split"]
    kinds: dict[str, Any] = {"version": "int64"} | dict.fromkeys(text, "string")
    kinds |= dict.fromkeys(("source_width", "source_height"), "int64")
    info = [{"name": field, "dtype": kind} for field, kind in kinds.items()]
    info += [{"name": "valid", "list": "int64"}, {"name": "size", "dtype": "int64"}]
    info.append({"name": "scan_sha256", "dtype": "string"})
    features: list[dict[str, Any]] = [
        {"name": "__key__", "dtype": "string"},
        {"name": "__url__", "dtype": "string"},
        {"name": "json", "struct": info},
        {"name": "lab.npy", "dtype": {"array3_d": {"shape": [size, size, 3], "dtype": "uint8"}}},
    ]
    if name == PAIRS:
        kind = {"array2_d": {"shape": [size, size], "dtype": "uint8"}}
        features.append({"name": "bw.npy", "dtype": kind})
    total = sum(line.size_bytes for line in lines)
    return {
        "config_name": name,
        "features": features,
        "splits": [
            {"name": line.split, "num_bytes": line.size_bytes, "num_examples": line.samples}
            for line in lines
        ],
        "download_size": total,
        "dataset_size": total,
    }


def _rank(names: Iterable[str]) -> list[tuple[str, int]]:
    return sorted(Counter(str(name) for name in names).items(), key=lambda item: (-item[1], item))


def _to_list(counts: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts)


def _to_cell(statement: str) -> str:
    """Write a rights statement as one cell of a table."""
    return " ".join(statement.replace("|", "/").split()) or "(none given)"
