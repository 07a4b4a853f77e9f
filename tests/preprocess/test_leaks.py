from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preprocess.audit import Neighbour
from preprocess.leaks import Verdict, confirm_leaks

Scene = Callable[..., np.ndarray]
Store = Callable[[str, np.ndarray], str]
Rows = tuple[list[dict[str, object]], list[dict[str, object]]]


def to_neighbour(scan_id: str, other_id: str) -> Neighbour:
    return Neighbour(scan_id, "test", scan_id, other_id, other_id, 9, False)


@pytest.fixture
def rows(scene: Scene, store: Store, rescan: Callable[..., np.ndarray]) -> Rows:
    """Give crops and scans: a training scan, and test scans that are it, turned, and another."""
    pictures = {
        "train": scene(1),
        "again": rescan(scene(1)),
        "turned": np.ascontiguousarray(rescan(scene(1))[:, ::-1]),
        "other": scene(2),
    }
    crops: list[dict[str, object]] = []
    scans: list[dict[str, object]] = []
    for scan_id, picture in pictures.items():
        height, width = picture.shape[:2]
        corners = [0.0, 0.0, width, 0.0, width, height, 0.0, height]
        crops.append({"scan_id": scan_id, "corners": corners})
        scans.append({"scan_id": scan_id, "path": store(scan_id, picture)})
    return crops, scans


def test_a_view_in_two_splits_raises_the_alarm(rows: Rows, tmp_path: Path) -> None:
    crops, scans = rows
    neighbours = [to_neighbour(name, "train") for name in ("again", "turned", "other")]
    found = confirm_leaks(neighbours, crops=crops, scans=scans, data=tmp_path, same_view=0.75)
    assert [one.verdict for one in found] == [Verdict.LEAK, Verdict.LEAK, Verdict.CLEAR]
    assert [one.neighbour for one in found] == neighbours
    assert min(found[0].score, found[1].score) > 0.75 > 0.3 > abs(found[2].score)
    assert found[2].agreement == 0.0


def test_a_view_that_agrees_but_correlates_less_is_for_a_person(rows: Rows, tmp_path: Path) -> None:
    crops, scans = rows
    (found,) = confirm_leaks(
        [to_neighbour("again", "train")], crops=crops, scans=scans, data=tmp_path, same_view=1.0
    )
    assert found.verdict is Verdict.ALIKE
    assert found.agreement > 0.5


def test_only_the_nearest_are_looked_at(rows: Rows, tmp_path: Path) -> None:
    crops, scans = rows
    near = [to_neighbour("other", "train")] * 3
    found = confirm_leaks(near, crops=crops, scans=scans, data=tmp_path, same_view=0.75, most=2)
    assert len(found) == 2


def test_a_scan_that_is_gone_is_told(rows: Rows, tmp_path: Path) -> None:
    crops, scans = rows
    near = [to_neighbour("other", "train")]
    (tmp_path / str(scans[3]["path"])).unlink()
    (found,) = confirm_leaks(near, crops=crops, scans=scans, data=tmp_path, same_view=0.75)
    assert (found.verdict, found.score) == (Verdict.UNREADABLE, 0.0)
    with pytest.raises(ValueError, match="not cropped"):
        confirm_leaks(near, crops=crops[:3], scans=scans, data=tmp_path, same_view=0.75)
