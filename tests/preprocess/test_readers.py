"""Tools that know nothing of this project read the shards, and all find the same."""

import io
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import webdataset
from numpy.typing import NDArray

from preprocess.split import PAIRS
from preprocess.verify import verify_shards
from tests.preprocess.folders import Folder, make_folder

Found = dict[str, dict[str, Any]]
"""For each key the members of its sample by suffix, decoded."""

KINDS = [(256, "pad"), (256, "crop"), (512, "pad"), (512, "crop")]

# WebDataset and datasets leave files that they read to the collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: f"{kind[1]}-{kind[0]}")
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    size, fit = request.param
    return make_folder(tmp_path_factory.mktemp("data"), size=size, fit=fit)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """Import Hugging Face's library so that it asks no one, and keeps all it writes here."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
            patch.setenv(name, "1")
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))
        import datasets

        datasets.disable_progress_bars()
        yield datasets


def check(found: Found, folder: Folder, *, paired: bool | None = None) -> None:
    """Hold what a reader found against the samples as they were before they were written."""
    expected = {
        key: sample
        for key, sample in folder.samples.items()
        if paired is None or (sample.bw is not None) is paired
    }
    assert set(found) == set(expected)
    for key, sample in expected.items():
        assert found[key]["json"]["scan_id"] == sample.info.scan_id
        assert list(found[key]["json"]["valid"]) == list(sample.info.valid)
        assert_array(found[key]["lab.npy"], sample.lab)
        assert (found[key].get("bw.npy") is None) is (sample.bw is None)
        if sample.bw is not None:
            assert_array(found[key]["bw.npy"], sample.bw)


def assert_array(found: Any, expected: NDArray[np.uint8]) -> None:
    array = np.asarray(found)
    assert array.shape == expected.shape
    assert (array == expected).all()


def test_webdataset(folder: Folder) -> None:
    urls = [str(folder.path / shard.name) for shard in folder.index.shards]
    found = {
        sample["__key__"]: {name: sample[name] for name in sample if not name.startswith("__")}
        for sample in webdataset.WebDataset(urls, shardshuffle=False).decode()
    }
    check(found, folder)
    assert all(sample["lab.npy"].dtype == np.uint8 for sample in found.values())


def gather(rows: Any) -> Found:
    return {row["__key__"]: row for row in rows}


@pytest.mark.parametrize("split", ["val", PAIRS])
def test_datasets_by_the_files_alone(
    folder: Folder, datasets: ModuleType, tmp_path: Path, split: str
) -> None:
    rows = datasets.load_dataset(
        "webdataset",
        data_files={split: str(folder.path / f"{split}-*.tar")},
        split=split,
        cache_dir=str(tmp_path),
        # Without the card's word for it an array is read as lists, which takes seconds to store.
        streaming=folder.index.size > 256,
    )
    samples = folder.samples
    expected = {key: sample for key, sample in samples.items() if sample.info.split == split}
    assert len(expected) == 1
    check(gather(rows.with_format("numpy")), replace(folder, samples=expected))


@pytest.mark.parametrize("config", ["prints", "pairs"])
def test_datasets_by_the_card(
    folder: Folder, datasets: ModuleType, tmp_path: Path, config: str
) -> None:
    loaded = datasets.load_dataset(str(folder.path), config, cache_dir=str(tmp_path))
    found: Found = {}
    for split, rows in loaded.items():
        for row in rows.with_format("numpy"):
            assert row["json"]["split"] == split
            found[row["__key__"]] = row
    check(found, folder, paired=config == "pairs")
    assert type(rows.features["lab.npy"]).__name__ == "Array3D"


def test_datasets_takes_the_prints_where_no_config_is_named(
    folder: Folder, datasets: ModuleType, tmp_path: Path
) -> None:
    loaded = datasets.load_dataset(str(folder.path), cache_dir=str(tmp_path))
    assert set(loaded) == {"train", "val", "test"}


def test_tarfile(folder: Folder) -> None:
    found: Found = {}
    for shard in folder.index.shards:
        with tarfile.open(folder.path / shard.name) as tar:
            for member in tar:
                key, suffix = member.name.split(".", 1)
                stream = tar.extractfile(member)
                assert stream is not None
                found.setdefault(key, {})[suffix] = decode(suffix, stream.read())
    check(found, folder)


def decode(suffix: str, content: bytes) -> Any:
    return json.loads(content) if suffix == "json" else np.load(io.BytesIO(content))


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs the tar command")
def test_tar(folder: Folder, tmp_path: Path) -> None:
    for shard in folder.index.shards:
        command = ["tar", "-xf", str(folder.path / shard.name), "-C", str(tmp_path)]
        subprocess.run(command, check=True)
    found: Found = {}
    for path in tmp_path.iterdir():
        key, suffix = path.name.split(".", 1)
        found.setdefault(key, {})[suffix] = decode(suffix, path.read_bytes())
    check(found, folder)


def test_numpy_without_a_copy(folder: Folder) -> None:
    index = json.loads((folder.path / "index.json").read_text())
    found: Found = {}
    for shard in index["shards"]:
        members: list[tuple[str, int, Any]] = [("json", shard["json_offset"], "V1024")]
        members += [
            (one["suffix"], one["offset"], (one["dtype"], tuple(one["shape"])))
            for one in shard["members"]
        ]
        names, offsets, formats = zip(*members, strict=True)
        layout: Any = {"names": names, "formats": formats, "offsets": offsets}
        kind = np.dtype(layout | {"itemsize": shard["stride"]})
        samples = np.memmap(folder.path / shard["name"], kind, "r", shape=shard["samples"])
        for sample in samples:
            info = json.loads(sample["json"].tobytes())
            arrays = {name: sample[name] for name in names if name != "json"}
            assert all(not array.flags.owndata for array in arrays.values())
            found[info["key"]] = {"json": info} | arrays
    check(found, folder)


def test_the_valid_box_holds_the_picture_and_nothing_else(folder: Folder) -> None:
    for sample in folder.samples.values():
        size = folder.index.size
        top, left, bottom, right = sample.info.valid
        mask = np.zeros((size, size), bool)
        mask[top:bottom, left:right] = True
        assert (sample.lab[~mask] == (0, 128, 128)).all()
        assert (sample.lab[mask][:, 0] > 0).all()
        if folder.plan.settings.fit == "crop":
            assert mask.all()
        else:
            assert mask.any(axis=0).all() or mask.any(axis=1).all()
            wide, high = sample.info.source_width, sample.info.source_height
            assert (right - left) / (bottom - top) == pytest.approx(wide / high, abs=0.01)
        if sample.bw is not None:
            assert (sample.bw[~mask] == 0).all()


def test_the_code_of_the_card_runs(
    datasets: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert datasets.config.HF_HUB_OFFLINE
    made = make_folder(tmp_path, size=64)
    monkeypatch.chdir(made.path)
    card = Path("README.md").read_text()
    blocks = re.findall(r"```python\n(.+?)```", card, flags=re.DOTALL)
    assert len(blocks) == 4
    labs = {sample.lab.tobytes() for sample in made.samples.values()}
    for block in blocks:
        names: dict[str, Any] = {}
        exec(block, names)
        lab = names["labs"][0] if "labs" in names else names["lab"]
        assert (lab.shape, lab.dtype) == ((64, 64, 3), np.uint8)
        assert np.asarray(lab).tobytes() in labs


def test_hugging_face_knows_the_words_of_the_card(datasets: ModuleType, tmp_path: Path) -> None:
    from datasets.info import DatasetInfosDict
    from datasets.utils.metadata import MetadataConfigs, known_task_ids
    from huggingface_hub import DatasetCard

    made = make_folder(tmp_path, size=32, source="loc")
    data = DatasetCard.load(made.path / "README.md").data
    assert (data.license, data.license_name) == ("other", "no-known-restrictions-on-publication")
    words = files("datasets.utils.resources")
    sizes = json.loads((words / "size_categories.json").read_text())
    creators = json.loads((words / "creators.json").read_text())
    assert set(data.size_categories) <= set(sizes)
    assert set(data.annotations_creators) <= set(creators["annotations"])
    assert set(data.task_categories) <= set(known_task_ids)
    assert list(MetadataConfigs.from_dataset_card_data(data)) == ["prints", "pairs"]
    features = DatasetInfosDict.from_dataset_card_data(data)["pairs"].features
    assert (features["lab.npy"].shape, features["bw.npy"].shape) == ((32, 32, 3), (32, 32))


def test_the_folder_verifies(folder: Folder) -> None:
    assert verify_shards(folder.path) == folder.index
    assert sum(shard.samples for shard in folder.index.shards) == len(folder.samples)


def test_shards_written_anew_are_read_anew(datasets: ModuleType, tmp_path: Path) -> None:
    valid = []
    for fit in ("pad", "crop"):
        made = make_folder(tmp_path / "data", size=64, fit=fit)
        cache = str(tmp_path / "cache")
        loaded = datasets.load_dataset(str(made.path), "prints", split="val", cache_dir=cache)
        valid.append(loaded[0]["json"]["valid"])
    assert valid == [[9, 0, 54, 64], [0, 0, 64, 64]]
