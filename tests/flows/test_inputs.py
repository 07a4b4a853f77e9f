from pathlib import Path

import pytest

from flows.inputs import find_inputs
from flows.params import read_params
from flows.project import Project
from tests.pipeline import ROOT
from train.run import Inputs


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("null", None),
        ("mine/{00..03}.tar", "/project/mine/{00..03}.tar"),
        ("/disk/{00..03}.tar", "/disk/{00..03}.tar"),
        ("s3://bucket/{00..03}.tar", "s3://bucket/{00..03}.tar"),
    ],
)
def test_a_training_reads_what_the_settings_name(said: str, expected: str | None) -> None:
    settings = (f"train.data={said}", "preprocess.size=128")
    params = read_params(ROOT / "params.yaml", settings)
    assert find_inputs(Project(Path("/project")), params) == Inputs(
        shards=Path("/project/data/shards/128"),
        size=128,
        indexes=Path("/project/.photochrom/indexes"),
        data=expected,
    )
