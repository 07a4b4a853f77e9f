"""What the report says of the leak audit."""

from flows.page.leaks import SHOWN, choose, say_alarm, say_audit
from preprocess.audit import Audit, Neighbour
from preprocess.leaks import Confirmed, Verdict

NEAR = Neighbour(
    view_id="a",
    split="test",
    scan_id="a",
    other_id="b",
    other_view_id="b",
    distance=8,
    mirrored=False,
)


def test_a_leak_raises_an_alarm_that_says_what_to_do() -> None:
    alarm = say_alarm([Confirmed(NEAR, Verdict.LEAK, 0.97, 0.9)])
    assert "a and b" in alarm
    assert "photochrom review" in alarm


def test_lookalikes_raise_none() -> None:
    assert say_alarm([Confirmed(NEAR, Verdict.CLEAR, 0.2, 0.1)]) == ""


def test_the_audit_counts_what_it_looked_at() -> None:
    audit = Audit(
        neighbours=(NEAR,),
        histograms={"test": (0,) * 65, "val": (0,) * 65},
        near_pairs={10: 1, 14: 3},
        largest_view="c",
        largest_scans=5,
        unhashed=("d",),
    )
    said = say_audit(audit, [Confirmed(NEAR, Verdict.CLEAR, 0.2, 0.1)])
    assert "1 within 10 and 3 within 14" in said
    assert "1 are two views" in said
    assert "1 sample has no hash" in said


def test_no_training_view_is_said() -> None:
    nothing = Audit((), {"test": (0,) * 65, "val": (0,) * 65}, {10: 0, 14: 0}, "", 0, ())
    assert "no training view" in say_audit(nothing, [])


def test_every_doubtful_pair_is_shown_and_of_the_others_the_nearest() -> None:
    clear = [Confirmed(NEAR, Verdict.CLEAR, 0.01 * number, 0.1) for number in range(12)]
    leak = Confirmed(NEAR, Verdict.LEAK, 0.97, 0.9)
    assert choose([*clear, leak]) == [leak, *clear[: SHOWN - 1]]
    assert choose([leak] * 20) == [leak] * 20
