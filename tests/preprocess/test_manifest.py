from dataclasses import fields

import pyarrow as pa
import pytest

from preprocess.manifest import CROPS_SCHEMA, GROUPS_SCHEMA, PAIRS_SCHEMA, SAMPLES_SCHEMA
from preprocess.records import CropRow, GroupRow, PairRow, SampleRow


@pytest.mark.parametrize(
    ("schema", "row"),
    [
        (GROUPS_SCHEMA, GroupRow),
        (CROPS_SCHEMA, CropRow),
        (PAIRS_SCHEMA, PairRow),
        (SAMPLES_SCHEMA, SampleRow),
    ],
)
def test_a_manifest_has_the_columns_of_its_rows(schema: pa.Schema, row: type) -> None:
    assert schema.names == [field.name for field in fields(row)]
    assert {"state", "reason"} <= set(schema.names)
    assert b"sort" in schema.metadata
