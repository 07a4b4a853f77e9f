"""Columns of the manifests that this room writes; `harvest.manifest` reads and writes them."""

import pyarrow as pa

from harvest.manifest import to_schema


def _schema(columns: list[tuple[str, pa.DataType, bool]], *, sort: str, stage: str) -> pa.Schema:
    fields = [pa.field(name, kind, nullable=nullable) for name, kind, nullable in columns]
    return to_schema(fields, sort=[sort], stage=stage)


_TEXT = pa.string()

_LINK = pa.struct(
    [
        pa.field("other_id", _TEXT, nullable=False),
        pa.field("outcome", _TEXT, nullable=False),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("inks", pa.float32(), nullable=False),
        pa.field("distance", pa.int32(), nullable=False),
        pa.field("matches", pa.int32(), nullable=False),
        pa.field("differs", _TEXT, nullable=False),
        pa.field("by", _TEXT, nullable=False),
    ]
)
"""As `preprocess.records.Link`."""

GROUPS_SCHEMA = _schema(
    [
        ("scan_id", _TEXT, False),
        ("group_id", _TEXT, False),
        ("view_id", _TEXT, False),
        ("kept", pa.bool_(), False),
        ("role", _TEXT, False),
        ("phash", _TEXT, False),
        ("hashes", pa.list_(_TEXT), False),
        ("links", pa.list_(_LINK), False),
        ("state", _TEXT, False),
        ("reason", _TEXT, False),
    ],
    sort="scan_id",
    stage="photochrom dedupe",
)
"""data/groups.parquet: one row per stored scan."""

CROPS_SCHEMA = _schema(
    [
        ("scan_id", _TEXT, False),
        ("role", _TEXT, False),
        ("view_id", _TEXT, False),
        ("group_id", _TEXT, False),
        ("corners", pa.list_(pa.float32()), False),
        ("width", pa.int32(), False),
        ("height", pa.int32(), False),
        ("mount", _TEXT, False),
        ("confidence", pa.float32(), False),
        ("flagged", pa.bool_(), False),
        ("caption", pa.list_(pa.float32()), False),
        ("state", _TEXT, False),
        ("reason", _TEXT, False),
    ],
    sort="scan_id",
    stage="photochrom crop",
)
"""data/crops.parquet: one row per kept scan and per negative."""

PAIRS_SCHEMA = _schema(
    [
        ("scan_id", _TEXT, False),
        ("colour_scan_id", _TEXT, True),
        ("view_id", _TEXT, False),
        ("homography", pa.list_(pa.float64()), False),
        ("residual", pa.float64(), False),
        ("score", pa.float64(), False),
        ("state", _TEXT, False),
        ("reason", _TEXT, False),
    ],
    sort="scan_id",
    stage="photochrom pairs",
)
"""data/pairs.parquet: one row per cropped negative."""

SAMPLES_SCHEMA = _schema(
    [
        ("key", _TEXT, False),
        ("scan_id", _TEXT, False),
        ("view_id", _TEXT, False),
        ("item_id", _TEXT, False),
        ("title", _TEXT, False),
        ("rights", _TEXT, False),
        ("split", _TEXT, False),
        ("view_split", _TEXT, False),
        ("shard", _TEXT, True),
        ("index", pa.int32(), True),
        ("width", pa.int32(), False),
        ("height", pa.int32(), False),
        ("valid", pa.list_(pa.int32()), False),
        ("state", _TEXT, False),
        ("reason", _TEXT, False),
    ],
    sort="key",
    stage="photochrom shards",
)
"""data/shards/<size>/samples.parquet: one row per sample, written or not."""
