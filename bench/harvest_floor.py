"""How near a harvest comes to the floor that its limits set, and that it never passes below.

Three `photochrom scans` at once harvest 2,000 items from one replica, whose log a judge reads:
no window of any limit may be exceeded at arrival. The floor is the least time in which so many
requests can go out under those windows; both come from one run. The windows are those of
`harvest.limits.loc`; only their counts are raised, or the run would take two hours. Then a
refresh, which must ask for no image and leave every manifest as it is, and a listing of 7,500
items, for its time apart from waiting and its memory. Run it by `make bench-harvest`; it writes
bench/results/harvest_floor.json, and takes about 10 minutes on two cores.
"""

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _record import write_record
from rich.console import Console
from rich.table import Table

from harvest.plan import find_floor_s

ROOT = Path(__file__).resolve().parents[1]
ITEMS, PROCESSES, ROUNDS = 2000, 3, 3
LISTED = 7500
WWW, TILE = "www.loc.gov", "tile.loc.gov"
RAISED = {WWW: ["50/6", "500/60"], TILE: ["50/3", "1000/60"]}
"""The windows of `loc`, 50 times as many requests in each."""


def main() -> None:
    """Run everything, write the record and print the table."""
    if sys.argv[1:2] == ["listing"]:
        sys.stdout.write(json.dumps(read_listing(sys.argv[2], Path(sys.argv[3]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        runs = [harvest(Path(folder) / f"run{number}") for number in range(ROUNDS)]
        listing = measure_listing(Path(folder) / "listing")
    path = write_record(
        "harvest_floor",
        packages=("pyrate-limiter", "requests", "prefect"),
        items=ITEMS,
        processes=PROCESSES,
        limits=RAISED,
        runs=runs,
        median={"ratio": statistics.median(run["ratio"] for run in runs)},
        listing=listing,
    )
    Console().print(to_table(runs, listing))
    sys.stdout.write(f"{path}\n")
    refreshes = [run["refresh"] for run in runs]
    broken = {
        "a limit was exceeded": any(run["excess"] for run in runs),
        "a harvest took more than 1.05 of its floor": any(run["ratio"] > 1.05 for run in runs),
        "a refresh asked for files": any(one["files"] for one in refreshes),
        "a refresh changed a manifest": not all(one["manifests_identical"] for one in refreshes),
        "a listing took over 20 s": any(one["cpu_s"] > 20 for one in listing["runs"]),
        "a listing took over 400 MB": any(one["resident_mb"] > 400 for one in listing["runs"]),
    }
    sys.exit("; ".join(what for what, happened in broken.items() if happened) or 0)


def harvest(root: Path) -> dict[str, Any]:
    """Harvest a replica by several processes at once, then refresh; judge both by its log."""
    root.mkdir()
    shutil.copy(ROOT / "params.yaml", root)
    log = root / "log.jsonl"
    with serve(ITEMS, "--log", str(log)) as url:
        settings = [f"replica.items={ITEMS}", f"replica.url={url}", "replica.style=plain"]
        settings.append(f"harvest.limits={json.dumps({'sample': RAISED, 'loc': {}})}")
        try:
            call(root, settings, ["catalog"])
            wall_s = call(root, settings, *[["scans"]] * PROCESSES)
            asked = read_log(log)
            before = {name: (root / "data" / name).read_bytes() for name in MANIFESTS}
            call(root, settings, ["catalog"])
            call(root, settings, ["scans"])
            refreshed = read_log(log)[len(asked) :]
            after = {name: (root / "data" / name).read_bytes() for name in MANIFESTS}
        finally:
            subprocess.run(["photochrom", "down"], cwd=root, capture_output=True, check=True)
    files = [line for line in asked if line["route"] == "file"]
    floor_s = find_floor_s(sum(line["host"] == TILE for line in asked), RAISED[TILE])
    span_s = max(line["t"] + line["seconds"] for line in files) - min(line["t"] for line in files)
    return {
        "files": len(files),
        "floor_s": floor_s,
        "span_s": round(span_s, 2),
        "ratio": round(span_s / floor_s, 4),
        "wall_s": round(wall_s, 1),
        "fullest": {host: find_fullest(asked, host) for host in (WWW, TILE)},
        "excess": count_excess([*asked, *refreshed]),
        "refresh": {
            "requests": len(refreshed),
            "files": sum(line["route"] == "file" for line in refreshed),
            "manifests_identical": before == after,
        },
    }


MANIFESTS = ("catalog.parquet", "scans.parquet")


def find_fullest(lines: Sequence[Mapping[str, Any]], host: str) -> dict[str, int]:
    """Count the requests in the fullest half-open window of each limit; not the judge's code."""
    times = sorted(line["t"] for line in lines if line["host"] == host)
    most = {}
    for limit in RAISED[host]:
        seconds = float(limit.partition("/")[2])
        first, fullest = 0, 0
        for last, arrived in enumerate(times):
            while arrived - times[first] >= seconds:
                first += 1
            fullest = max(fullest, last - first + 1)
        most[limit] = fullest
    return most


def count_excess(lines: Sequence[Mapping[str, Any]]) -> int:
    """Count by how many requests the fullest windows exceed their limits, added up."""
    return sum(
        max(0, most - int(limit.partition("/")[0]))
        for host in (WWW, TILE)
        for limit, most in find_fullest(lines, host).items()
    )


def measure_listing(root: Path) -> dict[str, Any]:
    """Read and write a listing of 7,500 items in a process of its own."""
    root.mkdir()
    with serve(LISTED) as url:
        words = [sys.executable, __file__, "listing", url, str(root)]
        runs = [
            json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
            for _ in range(ROUNDS)
        ]
    return {"items": LISTED, "runs": runs}


def read_listing(url: str, root: Path) -> dict[str, Any]:
    """Ask for the whole listing and write the manifest; say what that took of this process."""
    import yaml

    from harvest.listing import fetch_catalog
    from harvest.manifest import CATALOG_SCHEMA, write_manifest
    from harvest.params import HarvestParams
    from harvest.sources import open_client

    params = HarvestParams(**yaml.safe_load((ROOT / "params.yaml").read_text())["harvest"])
    started = time.monotonic()
    with open_client(params, redirect=dict.fromkeys((WWW, TILE), url), state=None) as client:
        rows, _ = fetch_catalog(
            client,
            road=params.road,
            page_size=params.page_size,
            detail=params.detail,
            raw=root / "raw",
        )
    write_manifest(root / "catalog.parquet", rows, CATALOG_SCHEMA)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "rows": len(rows),
        "wall_s": round(time.monotonic() - started, 2),
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "resident_mb": round(used.ru_maxrss / 1024, 1),
    }


@contextmanager
def serve(items: int, *words: str) -> Iterator[str]:
    """Serve a replica of plain pictures; yield its address."""
    command = [sys.executable, "-m", "replica", "--items", str(items), "--seed", "1"]
    command += ["--style", "plain", "--until-stdin-closes", *words]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield json.loads(process.stdout.readline())["url"]
        process.stdin.close()


def call(root: Path, settings: Sequence[str], *commands: Sequence[str]) -> float:
    """Run `photochrom` commands at once, and say how many seconds they took together."""
    laid = [word for setting in settings for word in ("--set", setting)]
    started = time.monotonic()
    running = [subprocess.Popen(["photochrom", *words, *laid], cwd=root) for words in commands]
    codes = [process.wait() for process in running]
    if any(codes):
        sys.exit(f"{commands}: exit codes {codes}")
    return time.monotonic() - started


def read_log(path: Path) -> list[dict[str, Any]]:
    """Read the replica's log of requests."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def to_table(runs: Sequence[Mapping[str, Any]], listing: Mapping[str, Any]) -> Table:
    """Lay floors and figures out for a terminal of 80 columns."""
    table = Table(box=None, pad_edge=False)
    for name in ("run", "files", "floor", "took", "ratio", "fullest windows", "refresh asked"):
        table.add_column(name, justify="left" if name == "fullest windows" else "right")
    for number, run in enumerate(runs, 1):
        full = [
            f"{most} of {limit}"
            for limits in run["fullest"].values()
            for limit, most in limits.items()
        ]
        table.add_row(
            str(number),
            f"{run['files']:,}",
            f"{run['floor_s']:.1f} s",
            f"{run['span_s']:.1f} s",
            f"{run['ratio']:.3f}",
            "\n".join(full),
            f"{run['refresh']['files']} files",
        )
    for one in listing["runs"]:
        table.add_row(
            "list",
            f"{one['rows']:,}",
            "",
            f"{one['cpu_s']:.1f} s",
            "",
            f"{one['resident_mb']:.0f} MB resident",
            "",
        )
    return table


if __name__ == "__main__":
    main()
