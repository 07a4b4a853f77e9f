import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harvest.answers import LONGEST_WAIT_S
from harvest.bucket import LONGEST_GUARD_MS, LONGEST_WINDOW_MS, to_rates
from harvest.clock import Clock
from harvest.errors import BlockedError, HarvestError, StoppedError
from harvest.pace import LONGEST_LAG_MS, Pace
from harvest.plan import find_floor_s

HOST = "tile.loc.gov"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Hands:
    """A clock that moves only when someone waits, or is told to."""

    def __init__(self) -> None:
        self.ms = 1_000_000.0
        self.waits: list[float] = []
        self.clock = Clock(
            steady_ms=lambda: int(self.ms),
            time_of_day=lambda: NOON + timedelta(milliseconds=self.ms),
            wait=self.wait,
        )

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.waits.append(seconds)
        self.ms += 1000 * seconds
        return event.is_set()


@pytest.fixture
def hands() -> Hands:
    return Hands()


def start(
    hands: Hands,
    *limits: str,
    guard_s: float = 0.0,
    folder: Path | None = None,
    origin: str = "",
) -> Pace:
    return Pace(HOST, limits, guard_s=guard_s, folder=folder, origin=origin, clock=hands.clock)


def most_in_a_window(stamps: Sequence[int], window_ms: float) -> int:
    return max(sum(0 <= other - stamp <= window_ms for other in stamps) for stamp in stamps)


def test_limits_are_requests_in_seconds() -> None:
    assert [(rate.limit, rate.interval) for rate in to_rates(["1/6", "10/60", "1/0.5"][:2])] == [
        (1, 6000),
        (10, 60000),
    ]
    assert to_rates(["1/0.5"])[0].interval == 500


@pytest.mark.parametrize("limit", ["", "5", "0/6", "1/0", "a/b", "1/nan", "1/inf"])
def test_a_limit_that_allows_nothing_is_refused(limit: str) -> None:
    with pytest.raises(ValueError, match="requests/seconds"):
        to_rates([limit])


@pytest.mark.parametrize(
    "limits", [("1/6", "10/60"), ("1/3", "20/60"), ("20/10", "119/60"), ("3/0.5", "4/1", "9/10")]
)
@pytest.mark.parametrize("guard_s", [0.0, 0.25])
def test_no_window_ever_holds_more_than_its_limit_and_nothing_is_wasted(
    hands: Hands, limits: tuple[str, ...], guard_s: float
) -> None:
    with start(hands, *limits, guard_s=guard_s) as pace:
        stamps = [pace.wait().at_ms for _ in range(150)]
    for rate in to_rates(limits):
        assert most_in_a_window(stamps, rate.interval + 1000 * guard_s) <= rate.limit
    widened = [f"{rate.limit}/{rate.interval / 1000 + guard_s}" for rate in to_rates(limits)]
    floor_ms = 1000 * find_floor_s(150, widened)
    assert floor_ms <= stamps[-1] - stamps[0] <= floor_ms + 2 * 150


def test_checkouts_with_other_limits_and_guards_keep_the_strictest_for_each_other(
    hands: Hands, tmp_path: Path
) -> None:
    with (
        start(hands, "5/3600", guard_s=5, folder=tmp_path) as strict,
        start(hands, "20/60", guard_s=0, folder=tmp_path) as loose,
    ):
        for _ in range(5):
            strict.wait()
        hands.ms += 120_000
        loose.wait()  # looks over all stamps, and forgets those that no one needs
        before = hands.ms
        strict.wait()
        assert hands.ms - before >= 3_000_000


@pytest.mark.parametrize("answer_ms", [5, 100, 240, 400])
def test_a_request_counts_from_its_answer_or_from_the_guard_whichever_is_sooner(
    hands: Hands, tmp_path: Path, answer_ms: int
) -> None:
    with start(hands, "1/6", "10/60", guard_s=0.25, folder=tmp_path) as pace:
        sent = []
        for _ in range(25):
            stamp = pace.wait()
            sent.append(stamp.at_ms)
            hands.ms += answer_ms
            pace.settle(stamp)
    arrives_ms = min(answer_ms, 250)
    assert most_in_a_window(sent, 6000 + arrives_ms) == 1
    assert most_in_a_window(sent, 60_000 + arrives_ms) <= 10
    assert sent[1] - sent[0] == 6001 + arrives_ms


def test_paces_of_one_folder_keep_the_limit_together(hands: Hands, tmp_path: Path) -> None:
    with (
        start(hands, "1/6", "10/60", folder=tmp_path) as one,
        start(hands, "1/6", "10/60", folder=tmp_path) as other,
    ):
        stamps = [pace.wait().at_ms for _ in range(15) for pace in (one, other)]
    with start(hands, "1/6", "10/60", folder=tmp_path) as later:
        stamps.append(later.wait().at_ms)
    assert most_in_a_window(stamps, 6000) == 1
    assert most_in_a_window(stamps, 60000) <= 10


def test_processes_of_one_folder_keep_the_limit_together(tmp_path: Path) -> None:
    code = (
        "import json, sys; from pathlib import Path; from harvest.pace import Pace\n"
        "with Pace('tile.loc.gov', ['2/0.1'], guard_s=0, folder=Path(sys.argv[1])) as pace:\n"
        "    print(json.dumps([pace.wait().at_ms for _ in range(6)]))\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    stamps = [stamp for process in processes for stamp in json.loads(process.communicate()[0])]
    assert len(stamps) == 18
    assert most_in_a_window(stamps, 100) <= 2


def test_requests_of_all_threads_keep_the_limit(hands: Hands) -> None:
    stamps: list[int] = []

    def ask(pace: Pace) -> None:
        stamps.extend(pace.wait().at_ms for _ in range(10))

    with start(hands, "1/2") as pace:
        threads = [threading.Thread(target=ask, args=(pace,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most_in_a_window(stamps, 2000) == 1
    assert len(stamps) == 30


def test_the_stamp_is_made_after_the_connection(hands: Hands) -> None:
    def connect() -> None:
        hands.ms += 5000

    with start(hands, "1/6") as pace:
        assert pace.is_fresh(pace.wait(connect))


def test_a_stamp_that_grew_old_is_not_used(hands: Hands) -> None:
    with start(hands, "1/6") as pace:
        stamp = pace.wait()
        hands.ms += LONGEST_LAG_MS + 1
        assert not pace.is_fresh(stamp)


def test_a_host_without_limits_is_never_waited_for(hands: Hands) -> None:
    with start(hands) as pace:
        stamps = [pace.wait().at_ms for _ in range(200)]
    assert (len(set(stamps)), hands.waits) == (1, [])


def test_a_pause_holds_everyone(hands: Hands, tmp_path: Path) -> None:
    with (
        start(hands, folder=tmp_path, guard_s=0.5) as one,
        start(hands, folder=tmp_path, guard_s=0.5) as other,
    ):
        one.pause(20)
        one.pause(5)
        one.pause(0)
        before = hands.ms
        assert other.wait().at_ms - before >= 20_000
        assert one.wait().at_ms - before >= 20_000


def test_a_pause_set_when_the_time_of_day_was_ahead_is_no_longer_than_any(
    hands: Hands, tmp_path: Path
) -> None:
    ahead = Hands()
    ahead.ms += 3_600_000
    with start(ahead, folder=tmp_path) as pace:
        pace.pause(10)
    with start(hands, folder=tmp_path) as pace:
        pace.wait()
    assert sum(hands.waits) == pytest.approx(LONGEST_WAIT_S, abs=0.01)


def test_a_long_block_outlives_the_run_and_ends(hands: Hands, tmp_path: Path) -> None:
    until = hands.clock.time_of_day() + timedelta(hours=1)
    with start(hands, "1/6", folder=tmp_path) as pace:
        pace.block(BlockedError("one hour", until=until))
        pace.block(BlockedError("less", until=until - timedelta(minutes=9)))
    with start(hands, "1/6", folder=tmp_path) as later:
        with pytest.raises(BlockedError, match="one hour") as caught:
            later.wait()
        assert caught.value.until == until
        assert later.usage().not_before == until
        hands.ms += 3_600_001
        assert later.wait().at_ms > 0


def test_a_challenge_stops_whoever_runs_and_a_later_run_may_ask(
    hands: Hands, tmp_path: Path
) -> None:
    with start(hands, folder=tmp_path) as one, start(hands, folder=tmp_path) as other:
        one.block(BlockedError("first"))
        other.block(BlockedError("second"))
        for pace in (one, other):
            with pytest.raises(BlockedError, match="first"):
                pace.wait()
        with start(hands, folder=tmp_path) as later:
            later.wait()
            later.block(BlockedError("third"))
            with pytest.raises(BlockedError, match="third"):
                later.wait()


def test_what_another_replica_asked_is_not_heeded(hands: Hands, tmp_path: Path) -> None:
    until = hands.clock.time_of_day() + timedelta(hours=1)
    with start(hands, folder=tmp_path, origin="http://127.0.0.1:1") as pace:
        pace.block(BlockedError("a drill", until=until))
    with start(hands, folder=tmp_path, origin="http://127.0.0.1:2") as pace:
        pace.wait()


def test_a_stop_ends_a_wait(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def ask(pace: Pace) -> None:
        try:
            while True:
                pace.wait()
        except StoppedError as exc:
            errors.append(exc)

    with Pace(HOST, ["1/3600"], guard_s=0, folder=tmp_path) as pace:
        threads = [threading.Thread(target=ask, args=(pace,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        pace.stop()
        for thread in threads:
            thread.join(60)
    assert len(errors) == 3


def test_stamps_from_before_a_new_start_of_the_machine_hold_no_one_for_long(
    hands: Hands, tmp_path: Path
) -> None:
    with start(hands, "1/6", folder=tmp_path) as pace:
        pace.wait()
    hands.ms = 5.0
    with start(hands, "1/6", folder=tmp_path) as pace:
        assert 6000 < pace.wait().at_ms <= 6010 + LONGEST_GUARD_MS


def test_old_stamps_are_forgotten(hands: Hands, tmp_path: Path) -> None:
    with start(hands, "10/60", folder=tmp_path) as pace:
        for _ in range(100):
            pace.wait()
        hands.ms += 2 * LONGEST_WINDOW_MS
        pace.wait()
        assert pace._bucket is not None
        assert pace._bucket.count() == 1


def test_a_wish_to_be_asked_more_slowly_is_one_more_limit(hands: Hands) -> None:
    with start(hands, "1/6", "10/60", guard_s=0.25) as pace:
        pace.slow_down(20)
        pace.slow_down(6)
        stamps = [pace.wait().at_ms for _ in range(4)]
        assert pace.usage().allowed_per_minute == 3
    assert most_in_a_window(stamps, 20_250) == 1
    with start(hands) as pace:
        pace.slow_down(5)
        stamps = [pace.wait().at_ms for _ in range(4)]
    assert most_in_a_window(stamps, 5000) == 1


def test_usage_counts_the_last_minute_of_everyone(hands: Hands, tmp_path: Path) -> None:
    with start(hands, "1/6", folder=tmp_path) as one, start(hands, "1/6", folder=tmp_path) as other:
        for _ in range(15):
            one.wait()
        for pace in (one, other):
            usage = pace.usage()
            assert (usage.host, usage.sent_last_minute) == (HOST, 10)
            assert (usage.allowed_per_minute, usage.not_before) == (10, None)
    with start(hands) as free:
        for _ in range(3):
            free.wait()
        hands.ms += 59_000
        free.wait()
        assert (free.usage().sent_last_minute, free.usage().allowed_per_minute) == (4, None)
        hands.ms += 2_000
        assert free.usage().sent_last_minute == 1


@pytest.mark.parametrize("name", [f"{HOST}.json", f"{HOST}.sqlite"])
def test_state_that_cannot_be_read_is_named(hands: Hands, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no state " * 1000)
    with pytest.raises(HarvestError, match=name):
        start(hands, "1/6", folder=tmp_path)


def test_a_folder_that_cannot_be_made_is_named(hands: Hands, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HarvestError, match="cannot be made"):
        start(hands, "1/6", folder=tmp_path / "file" / "limits")
