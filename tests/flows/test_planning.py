from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from flows.params import read_params
from flows.planning import save_contact, to_range, to_table
from harvest.plan import plan_harvest

ROOT = Path(__file__).resolve().parents[2]


def test_a_contact_is_written_and_the_file_stays_as_it_is_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes((ROOT / "params.yaml").read_bytes())
    save_contact(path, "you@example.org")
    assert read_params(path).harvest.contact == "you@example.org"
    before = (ROOT / "params.yaml").read_text().splitlines()
    after = path.read_text().splitlines()
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 1
    assert changed[0].startswith("  contact: you@example.org  # your address")


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.61, 3.42, "0.6 to 3"), (127.5, 825.1, "128 to 825"), (0.012, 0.012, "0.01")],
)
def test_a_range_has_no_more_digits_than_it_deserves(low: float, high: float, said: str) -> None:
    assert to_range(low, high) == said


def test_a_plan_has_a_line_for_each_host_and_one_for_all() -> None:
    params = read_params(ROOT / "params.yaml", ["harvest.source=loc", "harvest.detail=item"])
    console = Console(width=80, record=True, file=StringIO())
    console.print(to_table(plan_harvest(params.harvest, rows=None)))
    lines = console.export_text().splitlines()
    first = [line.split()[0] for line in lines[1:] if not line.startswith(" ")]
    assert first == ["www.loc.gov", "tile.loc.gov", "together"]
    assert "51 pages, 7,501 items" in lines[1]
