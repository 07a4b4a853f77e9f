from typing import Any

import pytest
from pydantic import ValidationError

from harvest.errors import HarvestError
from harvest.params import HarvestParams
from harvest.sources import open_client, to_manners, to_workers

LOCAL = {"www.loc.gov": "http://127.0.0.1:9", "tile.loc.gov": "http://127.0.0.1:9"}


def params(**change: Any) -> HarvestParams:
    values = {
        "source": "loc",
        "road": "json",
        "rendition": "v",
        "page_size": 150,
        "detail": "listing",
        "folder": None,
        "contact": "someone@example.org",
        "limits": {
            "sample": {},
            "loc": {"www.loc.gov": ["1/6", "10/60"], "tile.loc.gov": ["1/3", "20/60"]},
        },
        "guard_s": 0.25,
        "retries": 4,
        "timeout_s": 30,
        "workers": 8,
    }
    return HarvestParams.model_validate(values | change)


def test_the_library_knows_who_asks() -> None:
    assert "someone@example.org" in to_manners(params(), state=None).user_agent
    assert to_manners(params(), state=None).user_agent.startswith("photochrom/")


@pytest.mark.parametrize("contact", [None, "", "   ", "me", "a\r\nHost: b"])
def test_the_library_is_not_asked_without_a_contact(contact: str | None) -> None:
    with pytest.raises(HarvestError, match=r"harvest\.contact: expected"):
        open_client(params(contact=contact), redirect=None, state=None)


def test_the_library_is_not_asked_without_limits() -> None:
    limits = {"loc": {"www.loc.gov": ["1/6"]}}
    with pytest.raises(HarvestError, match=r"limits for \['tile\.loc\.gov'\]"):
        open_client(params(limits=limits), redirect=None, state=None)


def test_the_library_is_asked_once_at_a_time_and_the_sample_as_often_as_wanted() -> None:
    assert to_workers(params()) == 1
    assert to_workers(params(source="sample")) == 8


def test_the_sample_needs_no_contact() -> None:
    with open_client(params(source="sample", contact=None), redirect=LOCAL, state=None):
        pass


def test_source_and_replica_belong_together() -> None:
    with pytest.raises(HarvestError, match="expected a replica"):
        open_client(params(source="sample"), redirect=None, state=None)
    with pytest.raises(HarvestError, match="expected no replica"):
        open_client(params(), redirect=LOCAL, state=None)


def test_limits_that_contradict_one_another_are_refused() -> None:
    limits = {"loc": {"www.loc.gov": ["5/10", "1/60"], "tile.loc.gov": ["1/3"]}}
    with pytest.raises(HarvestError, match=r"harvest\.limits\.loc"):
        open_client(params(limits=limits), redirect=None, state=None)


@pytest.mark.parametrize(
    "change",
    [
        {"source": "elsewhere"},
        {"rendition": "t"},
        {"page_size": 151},
        {"limits": {"loc": {"www.loc.gov": ["0/6"]}}},
        {"limits": {"loc": {"www.loc.gov": ["1/0"]}}},
        {"limits": {"other": {}}},
        {"retries": -1},
        {"timeout_s": 0},
        {"workers": 0},
        {"colour": "red"},
    ],
)
def test_a_wrong_setting_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        params(**change)


@pytest.mark.parametrize("limit", ["1/6", "10/60", "3/0.5", "1/0.05"])
def test_a_limit_may_be_of_parts_of_a_second(limit: str) -> None:
    assert params(limits={"loc": {"www.loc.gov": [limit]}}).limits["loc"]["www.loc.gov"] == [limit]
