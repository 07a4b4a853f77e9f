from train.rows import Row, replay, to_row


def make_row(step: int, de00: float | None) -> Row:
    return {"step": step, "train_loss": 1.5, "val_loss": de00, "val_dE00": de00, "lr": 0.1}


def test_rows_are_told_again_with_the_best_step_of_their_time() -> None:
    curve = [make_row(step, de00) for step, de00 in ((2, 5.0), (4, 6.0), (6, 4.0), (8, 4.0))]
    events = list(replay(curve))
    assert [event["best_step"] for event in events] == [2, 2, 6, 6]
    assert {event["event"] for event in events} == {"validation"}
    assert [to_row(event) for event in events] == curve


def test_without_a_validation_split_there_is_no_best_step() -> None:
    assert [event["best_step"] for event in replay([make_row(2, None)])] == [0]
