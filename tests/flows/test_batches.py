from uuid import uuid4

import pytest

from flows.batches import progress


@pytest.mark.parametrize(("pause_s", "updates"), [(1e9, [100.0]), (0.0, [50.0, 100.0])])
def test_the_stage_waits_for_few_updates_of_its_progress(
    pause_s: float, updates: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[float] = []
    monkeypatch.setattr("flows.batches.EVERY_S", pause_s)
    monkeypatch.setattr("flows.batches.create_progress_artifact", lambda **_: uuid4())
    monkeypatch.setattr(
        "flows.batches.update_progress_artifact", lambda _, progress: sent.append(progress)
    )
    with progress("crop") as show:
        for share in (0.5, 0.501, 1.0):
            show(share)
    assert sent == updates
