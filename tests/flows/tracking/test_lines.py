from typing import Any

import pytest

from flows.tracking.lines import say_event

STEP = {"event": "step", "step": 80, "of": 640, "loss": 2.5312, "data_wait": 0.0004}
FOUND = {"event": "validation", "step": 80, "train_loss": 3.0, "lr": 0.002}


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ({"event": "note", "message": "one batch is all"}, "one batch is all"),
        (
            STEP | {"images_per_s": 128.04, "gpu_gb": None},
            "step 80 of 640: loss 2.531, 128 images/s, data wait 0.0 %",
        ),
        (
            STEP | {"images_per_s": 1280.0, "gpu_gb": 3.456},
            "step 80 of 640: loss 2.531, 1280 images/s, data wait 0.0 %, 3.46 GB on the GPU",
        ),
        # As a job of an earlier version reports it.
        (STEP, "step 80 of 640: loss 2.531, data wait 0.0 %"),
        (
            FOUND | {"val_loss": 2.9, "val_dE00": 4.869, "best_step": 80},
            "validation of step 80: train_loss 3, val_loss 2.9, val_dE00 4.869, the best so far, "
            "lr 0.002",
        ),
        (
            FOUND | {"val_loss": 2.9, "val_dE00": 4.869, "best_step": 40},
            "validation of step 80: train_loss 3, val_loss 2.9, val_dE00 4.869, the best was of "
            "step 40, lr 0.002",
        ),
        (
            FOUND | {"val_loss": None, "val_dE00": None, "best_step": 0},
            "validation of step 80: train_loss 3, lr 0.002",
        ),
        (
            {"event": "saved", "step": 80, "paused_s": 0.0123, "took_s": 0.5},
            "saved step 80: the training stood still for 0.0123 s, writing took 0.5 s",
        ),
        (
            {"event": "pictures", "step": 80, "path": "pictures/step-00000080.jpg"},
            "pictures of step 80: pictures/step-00000080.jpg",
        ),
        (
            {"event": "done", "step": 640, "of": 640, "data_wait": 0.013},
            "done at step 640 of 640: data wait 1.3 %",
        ),
        ({"event": "other", "step": 3, "share": 0.25, "none": None}, "other: step 3, share 0.25"),
    ],
)
def test_an_event_is_a_line_that_reads(event: dict[str, Any], line: str) -> None:
    assert say_event(event) == line


def test_a_start_says_what_there_is_to_learn_from() -> None:
    start = {"event": "start", "step": 0, "of": 640, "train": 1200, "val": 30, "processes": 2}
    assert say_event(start | {"device": "cpu", "table_val_dE00": 5.5}) == (
        "start at step 0 of 640: 1,200 train and 30 val samples, 2 processes on cpu; the table "
        "alone has val_dE00 5.5"
    )
