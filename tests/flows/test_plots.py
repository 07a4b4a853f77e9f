"""DVC's plots as files, from small projects of a test's own."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from flows.errors import PlotsError
from flows.plots import draw_plots, to_drawing, to_label
from flows.plots_commands import app
from tests.dvc_projects import DvcProject, make_dvc_project

PLOTS = [
    {
        "loss": {
            "template": "simple",
            "x": "step",
            "y": {"data/curve.csv": ["train_loss", "val_loss"]},
            "title": "Loss of a run",
            "y_label": "Huber loss",
        }
    },
    "data/grid.png",
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> DvcProject:
    """A project of two commits whose curves and pictures differ; no test changes it."""
    project = make_dvc_project(tmp_path_factory.mktemp("plots") / "project")
    (project.root / "params.yaml").touch()
    (project.root / "dvc.yaml").write_text(yaml.safe_dump({"plots": PLOTS}))
    lay(project, loss=3, grey=10)
    project.commit("one")
    project.git("tag", "v1")
    lay(project, loss=2, grey=200)
    project.commit("two")
    return project


def lay(project: DvcProject, *, loss: int, grey: int) -> None:
    data = project.root / "data"
    data.mkdir(exist_ok=True)
    rows = [f"{step},{loss + step},{loss + 1}" for step in range(3)]
    (data / "curve.csv").write_text("\n".join(["step,train_loss,val_loss", *rows]) + "\n")
    Image.new("L", (8, 8), grey).save(data / "grid.png")


def words(path: Path) -> set[str]:
    return {text.strip() for text in ET.parse(path).getroot().itertext() if text.strip()}


def test_the_workspace_is_drawn_with_titles_and_no_address_outside(
    project: DvcProject, tmp_path: Path
) -> None:
    out = tmp_path / "drawn"
    written = draw_plots(project.root, (), out=out)
    assert {path.name for path in written} == {"loss.svg", "loss.png", "grid.png"}
    assert {path.name for path in out.iterdir()} == {path.name for path in written}
    said = words(out / "loss.svg")
    assert {"Loss of a run", "Huber loss", "step", "train_loss", "val_loss", "workspace"} <= said
    text = (out / "loss.svg").read_text()
    outside = text.replace("http://www.w3.org/2000/svg", "").replace(
        "http://www.w3.org/1999/xlink", ""
    )
    assert "http" not in outside
    with Image.open(out / "loss.png") as picture:
        assert picture.width > 1120
        assert len(picture.convert("L").getcolors() or ()) > 10
    assert (out / "grid.png").read_bytes() == (project.root / "data/grid.png").read_bytes()


def test_revisions_are_laid_over_each_other_and_pictures_beside_each_other(
    project: DvcProject, tmp_path: Path
) -> None:
    out = tmp_path / "drawn"
    draw_plots(project.root, ("v1", "HEAD"), out=out)
    assert {"v1", "HEAD"} <= words(out / "loss.svg")
    greys = []
    for name in ("grid@v1.png", "grid@HEAD.png"):
        with Image.open(out / name) as picture:
            greys.append(picture.getpixel((0, 0)))
    assert greys == [10, 200]


def test_the_command_names_every_file_it_wrote(
    project: DvcProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root / "data")
    out = tmp_path / "drawn"
    result = CliRunner().invoke(app, ["v1", "HEAD", "--out", str(out)])
    assert result.exit_code == 0
    assert sorted(result.stdout.split()) == sorted(str(path) for path in out.iterdir())


def test_one_revision_is_compared_with_the_workspace(project: DvcProject, tmp_path: Path) -> None:
    draw_plots(project.root, ("v1",), out=tmp_path / "drawn")
    assert {"v1", "workspace"} <= words(tmp_path / "drawn" / "loss.svg")


def test_an_unknown_revision_is_said_and_nothing_is_written(
    project: DvcProject, tmp_path: Path
) -> None:
    with pytest.raises(PlotsError, match=r"nosuch.*dvc exp list"):
        draw_plots(project.root, ("nosuch",), out=tmp_path / "drawn")
    assert not (tmp_path / "drawn").exists()


def test_nothing_to_draw_says_what_to_run(tmp_path: Path) -> None:
    project = make_dvc_project(tmp_path / "empty")
    with pytest.raises(PlotsError, match="dvc repro"):
        draw_plots(project.root, (), out=tmp_path / "drawn")
    assert not (tmp_path / "drawn").exists()


def test_a_plot_whose_data_is_nowhere_is_named(tmp_path: Path) -> None:
    project = make_dvc_project(tmp_path / "bare")
    (project.root / "dvc.yaml").write_text(yaml.safe_dump({"plots": PLOTS}))
    with pytest.raises(PlotsError, match=r"of workspace to draw.*dvc pull"):
        draw_plots(project.root, (), out=tmp_path / "drawn")
    assert not (tmp_path / "drawn").exists()


@pytest.mark.parametrize("revisions", [(), ("HEAD",)])
def test_a_curve_whose_file_is_empty_is_named(tmp_path: Path, revisions: tuple[str, ...]) -> None:
    project = make_dvc_project(tmp_path / "torn")
    (project.root / "dvc.yaml").write_text(yaml.safe_dump({"plots": PLOTS}))
    lay(project, loss=1, grey=1)
    project.commit("whole")
    draw_plots(project.root, revisions, out=tmp_path / "whole")
    assert (tmp_path / "whole" / "loss.svg").is_file()
    (project.root / "data/curve.csv").write_bytes(b"")
    with pytest.raises(PlotsError, match="expected data for loss, found none"):
        draw_plots(project.root, revisions, out=tmp_path / "drawn")
    assert not (tmp_path / "drawn").exists()


@pytest.mark.parametrize("revision", ["", "--out=/x"])
def test_what_cannot_be_a_revision_never_reaches_dvc(tmp_path: Path, revision: str) -> None:
    with pytest.raises(PlotsError, match="expected a commit, a tag or an experiment"):
        draw_plots(tmp_path, (revision,), out=tmp_path / "drawn")


@pytest.mark.parametrize(
    ("name", "revisions", "expected"),
    [
        ("data/model/curve.png", (), "model-curve"),
        ("data/model/curve.png", ("HEAD~1",), "model-curve@HEAD~1"),
        ("colour-difference", (), "colour-difference"),
        ("Loss: all/of it", ("origin/main", "v1.0"), "Loss-all-of-it@origin-main@v1.0"),
        ("../../up.png", (), "up"),
    ],
)
def test_a_file_is_named_after_its_plot_and_never_leads_out(
    name: str, revisions: tuple[str, ...], expected: str
) -> None:
    assert to_label(name, revisions) == expected


def test_a_plot_without_channels_is_only_made_larger() -> None:
    drawing = to_drawing({"mark": "line", "width": 300})
    assert (drawing["mark"], drawing["width"], drawing["encoding"]) == ("line", 560, {})
