from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replica.errors import PlanError
from replica.faults import Dice, FaultPlan, read_plan
from replica.kinds import Kind, routes_for
from replica.routes import Route

ADDRESSES = [f"/storage-services/service/pnp/ppmsc/0{n}v.jpg" for n in range(400)]


def _plan(**settings: Any) -> FaultPlan:
    return FaultPlan.model_validate({"seed": 1, **settings})


def _throws(plan: FaultPlan, address: str, count: int) -> list[str]:
    dice = Dice(plan)
    thrown = [dice.throw(Route.FILE, "tile.loc.gov", address) for _ in range(count)]
    return ["" if rule is None else rule.kind for rule in thrown]


def test_a_fault_depends_on_address_and_number_and_not_on_what_came_between() -> None:
    plan = _plan(faults=[{"kind": "cut", "route": "file", "rate": 0.5}])
    alone = {address: _throws(plan, address, 5) for address in ADDRESSES[:20]}
    dice = Dice(plan)
    mixed: dict[str, list[str]] = {address: [] for address in alone}
    for _ in range(5):
        for address in reversed(alone):
            rule = dice.throw(Route.FILE, "tile.loc.gov", address)
            mixed[address].append("" if rule is None else rule.kind)
    assert mixed == alone
    assert len({tuple(thrown) for thrown in alone.values()}) > 5


def test_a_fault_comes_at_its_rate() -> None:
    plan = _plan(faults=[{"kind": "cut", "route": "any", "rate": 0.2}])
    hits = sum(_throws(plan, address, 1) == ["cut"] for address in ADDRESSES)
    assert 0.14 < hits / len(ADDRESSES) < 0.26


@given(most=st.integers(1, 4), seed=st.integers(0, 1000))
def test_an_address_is_served_well_after_most_faults_in_a_row(most: int, seed: int) -> None:
    plan = _plan(seed=seed, most=most, faults=[{"kind": "cut", "route": "any", "rate": 1.0}])
    expected = (["cut"] * most + [""]) * 2
    assert _throws(plan, ADDRESSES[0], len(expected)) == expected


def test_a_rule_with_times_happens_no_more_often_to_one_address() -> None:
    rules = [
        {"kind": "not_found", "route": "file", "rate": 1, "times": 1},
        {"kind": "reset", "route": "file", "rate": 1, "times": 2},
    ]
    plan = _plan(most=9, faults=rules)
    assert _throws(plan, ADDRESSES[0], 5) == ["not_found", "reset", "reset", "", ""]


def test_a_rule_with_match_happens_to_those_addresses_alone() -> None:
    plan = _plan(faults=[{"kind": "cut", "route": "any", "rate": 1, "match": "07v"}])
    assert _throws(plan, "/storage-services/x/05007v.jpg", 1) == ["cut"]
    assert _throws(plan, "/storage-services/x/05008v.jpg", 1) == [""]


def test_any_means_the_routes_where_a_fault_makes_sense() -> None:
    plan = _plan(faults=[{"kind": "empty_page", "route": "any", "rate": 1}])
    assert _throws(plan, ADDRESSES[0], 2) == ["", ""]
    assert Dice(plan).throw(Route.LISTING, "www.loc.gov", "/") is not None
    assert all(Route.ABOUT not in routes_for(kind) for kind in Kind)


def test_a_plan_is_read_with_everything_it_may_say(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(
        "seed: 4\nmost: 2\nfaults:\n"
        "  - {kind: trickle, route: [file, iiif], rate: 0.1, seconds: 3, amount: 10}\n"
        "enforce: {www.loc.gov: ['20/60/300', '80/60']}\n"
        "robots: {crawl_delay: 5}\nrevise: {rate: 0.1}\n"
    )
    plan = read_plan(path)
    assert plan.faults[0].route == (Route.FILE, Route.IIIF)
    assert plan.enforce == {"www.loc.gov": ("20/60/300", "80/60")}
    assert plan.revise is not None
    assert plan.revise.new_bytes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("faults: []", "seed: Field required"),
        ("seed: 1\nfaults: [{kind: hiccup, route: any, rate: 1}]", "faults.0.kind: Input should"),
        ("seed: 1\nfaults: [{kind: cut, route: attic, rate: 1}]", "faults.0.route"),
        ("seed: 1\nfaults: [{kind: cut, route: any, rate: 2}]", "faults.0.rate"),
        ("seed: 1\nfaults: [{kind: truncated, route: item, rate: 1}]", "expected routes among"),
        ("seed: 1\nfaults: [{kind: cut, route: any, rate: 1, seconds: 3}]", "expected no seconds"),
        ("seed: 1\nfaults: [{kind: cut, route: any, rate: 1, match: '('}]", "regular expression"),
        ("seed: 1\nenforce: {www.loc.gov: ['20']}", "limit '20': expected requests/seconds"),
        ("seed: 1\nenforce: {example.org: ['1/6']}", "enforce.example.org"),
        ("seed: 1\nwishes: 3", "wishes: Extra inputs"),
        ("seed: [", "expected YAML"),
        ("seed: 2026-13-45", "expected YAML, got month must be in"),
        ("seed: " + "[" * 3_000, "expected YAML, got maximum recursion"),
        ("3", "the plan: Input should be"),
    ],
)
def test_a_wrong_plan_is_a_clear_error(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(PlanError) as caught:
        read_plan(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_a_plan_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="expected a fault plan"):
        read_plan(tmp_path / "none.yaml")
