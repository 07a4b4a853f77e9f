"""The server's database is PostgreSQL by one setting."""

from pathlib import Path

import pytest

from flows.deploying.processes import find_family
from tests.deploying import make_house
from tests.postgres import serve_postgres


@pytest.mark.drill
def test_one_setting_puts_the_server_on_postgresql(tmp_path: Path) -> None:
    with serve_postgres() as postgres:
        setting = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
        house = make_house(tmp_path / "house", **{setting: postgres.url})
        try:
            house.must("photochrom", "ui", "--workers", "1")
            token = house.record("workers")["token"]
            assert postgres.count("deployment") == 6
            assert not list((house.root / ".photochrom").rglob("prefect.db"))
            # Should the server be killed, a stage starts it again, on the same database.
            assert all(one.environ()[setting] == postgres.url for one in house.family())
        finally:
            house.must("photochrom", "down")
        assert find_family(token) == []
