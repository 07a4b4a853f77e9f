"""A checkout with 24 samples, made once and copied for each test that needs one."""

import shutil
from pathlib import Path

import pytest

from flows.params import Params, read_params
from flows.project import Project
from tests.flows.sharing.tiny import lay_checkout, make_item, rebuild
from tests.pipeline import ROOT

ITEMS = 24


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout that is copied; never changed itself."""
    root = tmp_path_factory.mktemp("sharing") / "built"
    lay_checkout(root, ROOT)
    rebuild(root, [make_item(number) for number in range(ITEMS)])
    return root


@pytest.fixture
def project(built: Path, tmp_path: Path) -> Project:
    root = tmp_path / "project"
    shutil.copytree(built, root, symlinks=True)
    return Project(root)


@pytest.fixture
def params(project: Project) -> Params:
    return read_params(project.root / "params.yaml")
