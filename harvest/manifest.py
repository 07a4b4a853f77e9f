"""Edge: read and write manifests, the Parquet tables that stages hand to one another.

A manifest's bytes depend on its content alone: rows are sorted by the columns named in
the schema's metadata, and no time, host or absolute path is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harvest.errors import ManifestError
from harvest.files import whole_file
from harvest.records import CatalogRow, CatalogState, to_catalog_row

ROWS_PER_GROUP = 65_536
ZSTD_LEVEL = 9


def to_schema(fields: Sequence[pa.Field], *, sort: Sequence[str], stage: str) -> pa.Schema:
    """Make a manifest's schema, with what the reader and the writer must know of it.

    Args:
        fields: The columns in order; one that is not nullable is checked when written.
        sort: Columns by which rows are sorted.
        stage: The command that writes the manifest, such as "photochrom catalog".

    Returns:
        The schema; its metadata holds `sort` (comma separated) and `stage`.

    Raises:
        ValueError: If a sort column is not among the fields.
    """
    schema = pa.schema(fields, metadata={"sort": ",".join(sort), "stage": stage})
    _sort_columns(schema)
    return schema


def of_source(schema: pa.Schema, source: str) -> pa.Schema:
    """Make a schema whose manifests say which source they list.

    Args:
        schema: Such as CATALOG_SCHEMA.
        source: `harvest.source`.
    """
    return schema.with_metadata({**(schema.metadata or {}), b"source": source.encode()})


def read_source(path: Path) -> str:
    """Read which source a manifest lists; "" when it does not say.

    Raises:
        ManifestError: If the file is missing or unreadable.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (pa.ArrowException, OSError) as exc:
        raise ManifestError(
            f"{path}: not a readable manifest ({exc}); run photochrom catalog first"
        ) from exc
    return str(metadata.get(b"source", b"").decode())


def _sort_columns(schema: pa.Schema) -> list[str]:
    """Return the sort columns that a schema names."""
    columns = [
        name for name in (schema.metadata or {}).get(b"sort", b"").decode().split(",") if name
    ]
    if not columns or not set(columns) <= set(schema.names):
        raise ValueError(
            f'schema.metadata[b"sort"]: expected columns among {schema.names}, got {columns}'
        )
    return columns


def _text(name: str, *, nullable: bool = False) -> pa.Field:
    return pa.field(name, pa.string(), nullable=nullable)


RENDITION_TYPE = pa.struct(
    [
        pa.field("url", pa.string(), nullable=False),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("bytes", pa.int64()),
        pa.field("kind", pa.string(), nullable=False),
    ]
)

CATALOG_SCHEMA = to_schema(
    [
        pa.field("row", pa.int32(), nullable=False),
        _text("item_id"),
        _text("resource_id", nullable=True),
        _text("title"),
        _text("title_given"),
        _text("caption"),
        _text("role", nullable=True),
        _text("date"),
        pa.field("date_from", pa.int32()),
        pa.field("date_to", pa.int32()),
        _text("place"),
        pa.field("latitude", pa.float64()),
        pa.field("longitude", pa.float64()),
        pa.field("subjects", pa.list_(pa.string()), nullable=False),
        _text("publisher"),
        _text("print_number"),
        _text("collection_part"),
        _text("rights"),
        _text("call_number"),
        _text("reproduction_number"),
        pa.field("notes", pa.list_(pa.string()), nullable=False),
        _text("modified"),
        pa.field("renditions", pa.list_(RENDITION_TYPE), nullable=False),
        _text("state"),
        _text("reason"),
    ],
    sort=["row", "resource_id"],
    stage="photochrom catalog",
)
"""data/catalog.parquet: one row for each listing row and resource."""

SCANS_SCHEMA = to_schema(
    [
        _text("scan_id"),
        _text("item_id"),
        _text("role", nullable=True),
        _text("title"),
        _text("url", nullable=True),
        _text("path", nullable=True),
        _text("rendition", nullable=True),
        _text("sha256", nullable=True),
        pa.field("size_bytes", pa.int64()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        _text("state"),
        _text("reason"),
    ],
    sort=["scan_id"],
    stage="photochrom scans",
)
"""data/scans.parquet: one row for each listed catalogue row."""


def write_manifest(path: Path, rows: Sequence[Any], schema: pa.Schema) -> None:
    """Write a manifest; the same rows give the same bytes, in whatever order they come.

    Args:
        path: The Parquet file; it appears whole or not at all.
        rows: Dataclass instances or mappings, each with exactly the schema's columns.
        schema: Columns and types; `metadata[b"sort"]` names the sort columns.

    Raises:
        ManifestError: If a row has other columns, a value of another type, or a null
            where the schema allows none.
        ValueError: If the schema names no sort columns, or unknown ones.
    """
    order = _sort_columns(schema)
    records = [_to_record(row, schema=schema, path=path) for row in rows]
    records.sort(key=lambda record: _sort_key(record, order))
    columns = [_to_column(records, field=field, path=path) for field in schema]
    table = pa.Table.from_arrays(columns, schema=schema)
    with whole_file(path) as temporary:
        pq.write_table(
            table,
            temporary,
            row_group_size=ROWS_PER_GROUP,
            compression="zstd",
            compression_level=ZSTD_LEVEL,
            version="2.6",
        )


def read_manifest(path: Path, schema: pa.Schema) -> list[dict[str, Any]]:
    """Read a manifest.

    Args:
        path: The Parquet file.
        schema: The columns it must have, in this order and of these types.

    Returns:
        Its rows in the order of the file, which is sorted.

    Raises:
        ManifestError: If the file is missing or unreadable, or has other columns; the
            message names the stage to run.
    """
    stage = (schema.metadata or {}).get(b"stage", b"the stage that writes it").decode()
    if not path.is_file():
        raise ManifestError(f"{path}: expected a manifest, found none; run {stage} first")
    try:
        table = pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as exc:
        raise ManifestError(f"{path}: not a readable manifest ({exc}); run {stage} again") from exc
    if not table.schema.equals(schema, check_metadata=False):
        raise ManifestError(
            f"{path}: {_difference(schema, table.schema)}; it comes from another version: "
            f"run {stage} again"
        )
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def read_catalog_rows(path: Path) -> list[CatalogRow]:
    """Read data/catalog.parquet as the records it was written from.

    Args:
        path: The manifest.

    Raises:
        ManifestError: As `read_manifest`, if a value is not from its closed list, or if a listed
            row names no resource.
    """
    try:
        rows = [to_catalog_row(fields) for fields in read_manifest(path, CATALOG_SCHEMA)]
    except ValueError as exc:
        raise ManifestError(
            f"{path}: {exc}; it comes from another version: run photochrom catalog again"
        ) from exc
    for row in rows:
        if row.state is CatalogState.LISTED and not row.resource_id:
            raise ManifestError(
                f"{path}: expected a resource_id in each listed row, got none in that of item "
                f"{row.item_id}; run photochrom catalog again"
            )
    return rows


def _sort_key(record: Mapping[str, Any], order: Sequence[str]) -> tuple[Any, ...]:
    """Order rows by the sort columns, nulls first; the whole row breaks ties."""
    keys = [(record[name] is not None, record[name]) for name in order]
    return (*[key if key[0] else (False,) for key in keys], repr(record))


def _to_record(row: Any, *, schema: pa.Schema, path: Path) -> dict[str, Any]:
    """Turn a row into a dict with the schema's columns in the schema's order."""
    record = asdict(row) if is_dataclass(row) and not isinstance(row, type) else dict(row)
    if set(record) != set(schema.names):
        missing = sorted(set(schema.names) - set(record))
        extra = sorted(set(record) - set(schema.names))
        raise ManifestError(
            f"{path}: expected rows with the columns of the schema; one lacks {missing} "
            f"and has {extra} besides; correct the stage that makes them"
        )
    return {name: record[name] for name in schema.names}


def _to_column(records: Sequence[Mapping[str, Any]], *, field: pa.Field, path: Path) -> pa.Array:
    """Convert one column, and say which one does not fit."""
    try:
        column = pa.array([record[field.name] for record in records], type=field.type)
    except (pa.ArrowException, TypeError, OverflowError) as exc:
        raise ManifestError(
            f"{path}: column {field.name!r}: expected {field.type}, got another value ({exc})"
        ) from exc
    if column.null_count and not field.nullable:
        raise ManifestError(
            f"{path}: column {field.name!r}: {column.null_count} of {len(column)} rows are null, "
            "and the schema allows none"
        )
    return column


def _difference(expected: pa.Schema, found: pa.Schema) -> str:
    """Say in one line how two schemas differ."""
    missing = sorted(set(expected.names) - set(found.names))
    extra = sorted(set(found.names) - set(expected.names))
    if missing or extra:
        return f"expected columns {expected.names}; {missing} are missing, {extra} are foreign"
    other = [field.name for field in expected if not field.equals(found.field(field.name))]
    return f"expected {[str(expected.field(name)) for name in other] or expected.names} in order"
