from pathlib import Path

import pytest

from flows.errors import ParamsError
from flows.params import read_params
from flows.project import find_project

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"


def test_the_committed_file_is_complete() -> None:
    assert read_params(PARAMS).harvest.source == "sample"


def test_an_override_wins_over_the_file() -> None:
    params = read_params(PARAMS, ["train.steps=7", "replica.images=/prints", "train.steps=9"])
    assert (params.train.steps, params.replica.images) == (9, "/prints")


def test_an_unknown_key_is_named_with_its_file_and_a_near_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(PARAMS.read_text().replace("  steps:", "  stepz:"))
    with pytest.raises(ParamsError) as caught:
        read_params(path)
    message = str(caught.value)
    assert f"{path}: train.stepz: expected a known setting" in message
    assert "did you mean train.steps?" in message
    assert f"{path}: train.steps: expected a value" in message


def test_a_near_key_is_named_however_deep() -> None:
    with pytest.raises(ParamsError, match=r"did you mean train\.slurm\.partition"):
        read_params(PARAMS, ["train.slurm.partion=gpu"])


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("train.steps=many", "--set: train.steps: input should be a valid integer"),
        ("train.steps=0", "greater than or equal to 1, got 0"),
        ("harvest.source=moon", "'sample', 'loc' or 'folder', got 'moon'"),
        ("preprocess.nosuch=1", "--set: preprocess.nosuch: expected a known"),
        ('train.slurm.extra=["-N3"]', "--set: train.slurm.extra.0: "),
        ('train.slurm.extra=["-N3"]', "match pattern '^--[a-z][a-z-]*(=[^\\s"),
        ("train.slurm.qos=a b", "'^[A-Za-z0-9_]"),
        ("train.slurm={}", "--set: train.slurm.nodes: expected a value"),
        ("train=3", "--set: train: expected a section of settings, got 3"),
        ("steps", "--set steps: expected section.key=value"),
        ("train.steps.deep=1", "steps is a setting, not a section"),
        ("train.steps=[", "expected a YAML value"),
    ],
)
def test_a_wrong_override_says_what_was_expected(override: str, expected: str) -> None:
    with pytest.raises(ParamsError) as caught:
        read_params(PARAMS, [override])
    assert expected in str(caught.value)


def test_a_value_without_end_is_shown_in_part() -> None:
    with pytest.raises(ParamsError, match=r"got '9{199}\.\.\.$"):
        read_params(PARAMS, [f"train.slurm.memory_per_gpu={'9' * 5000}G"])


@pytest.mark.parametrize("text", ["- a list", "a: [", "\x00"])
def test_a_file_that_is_no_params_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError, match=str(path)):
        read_params(path)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="name another one with --params"):
        read_params(tmp_path / "nowhere.yaml")


def test_a_project_is_found_from_below_and_missed_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").touch()
    below = tmp_path / "data" / "scans"
    below.mkdir(parents=True)
    assert find_project(below).root == tmp_path.resolve()
    with pytest.raises(ParamsError, match=r"expected a params\.yaml"):
        find_project(Path("/"))


@pytest.mark.parametrize("value", ["2026-13-45", "[" * 3000, "{" * 3000])
def test_a_value_that_the_parser_chokes_on_is_a_message(value: str) -> None:
    with pytest.raises(ParamsError, match="expected a YAML value"):
        read_params(PARAMS, [f"harvest.retries={value}"])


@pytest.mark.parametrize(
    "text",
    [
        "harvest.timeout_s=.inf",
        "harvest.timeout_s=1e300",
        "harvest.limits={loc: {www.loc.gov: ['99999999999999999999999/1']}}",
        "harvest.limits={loc: {example.org: ['1/6']}}",
        "harvest.limits={loc: {www.loc.gov: ['1/999999']}}",
        "harvest.rendition=iiif:0",
        "replica.style=odd",
    ],
)
def test_a_setting_out_of_range_is_named(text: str) -> None:
    with pytest.raises(ParamsError, match=text.partition("=")[0]):
        read_params(PARAMS, [text])


@pytest.mark.parametrize(
    "preset", sorted((PARAMS.parent / "docs" / "slurm").glob("*.yaml")), ids=lambda path: path.stem
)
def test_a_preset_of_the_docs_lies_over_the_params(preset: Path) -> None:
    read = read_params(PARAMS, preset=preset)
    plain = read_params(PARAMS)
    assert read.train.runner == "slurm"
    # There is a sample for each process, and all that is not named stays.
    slurm = read.train.slurm
    assert read.train.batch >= slurm.nodes * (slurm.gpus_per_node or 1)
    assert (read.harvest, read.train.lr) == (plain.harvest, plain.train.lr)


def test_a_preset_lies_between_the_file_and_the_overrides(tmp_path: Path) -> None:
    preset = tmp_path / "preset.yaml"
    preset.write_text("train: {steps: 3, batch: 4, slurm: {environment: {A: x y}, nodes: 2}}")
    read = read_params(PARAMS, ["train.steps=5"], preset=preset).train
    assert (read.steps, read.batch, read.slurm.nodes) == (5, 4, 2)
    assert read.slurm.environment == {"A": "x y"}
    assert read.slurm.gpus_per_node == read_params(PARAMS).train.slurm.gpus_per_node


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "train: {slurm: {partitoin: gpu}}",
            r"preset\.yaml: train\.slurm\.partitoin: .*partition\?",
        ),
        ("train: null", r"preset\.yaml: train: expected a section of settings, got None"),
        ("train: {seed: 2026-01-01}", r"preset\.yaml: train\.seed: .*got datetime\.date"),
        ("train: &a {slurm: *a}", r"preset\.yaml: train\.slurm\.slurm: expected a known setting"),
        ("- 1", r"preset\.yaml: expected sections of settings, got list"),
        ("a: b: c", r"preset\.yaml: expected YAML"),
        (None, r"preset\.yaml: .*name another one with --preset"),
    ],
)
def test_a_preset_that_is_wrong_is_named(tmp_path: Path, text: str | None, said: str) -> None:
    preset = tmp_path / "preset.yaml"
    if text is not None:
        preset.write_text(text)
    with pytest.raises(ParamsError, match=said):
        read_params(PARAMS, preset=preset)
