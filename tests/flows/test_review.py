import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from starlette.testclient import TestClient

from flows.errors import FlowsError
from flows.project import Project
from flows.review import make_app, serve_review
from preprocess.overrides import CropOverride, PairOverride, read_pair_overrides
from preprocess.records import Outcome
from tests.reviewing import CORNERS, IDS, SHAS, Row, draw_project, read_crops

ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return draw_project(tmp_path_factory.mktemp("drawn"))


@pytest.fixture
def project(drawn: Project, tmp_path: Path) -> Project:
    """A copy for a test of its own."""
    shutil.copytree(drawn.root, tmp_path / "project")
    return Project(tmp_path / "project")


@pytest.fixture
def client(project: Project) -> Iterator[TestClient]:
    with TestClient(make_app(project, source="loc"), base_url=ADDRESS) as client:
        client.headers["origin"] = ADDRESS
        yield client


def crop_message(scan_id: str = "a", **changes: Any) -> Row:
    message = {"scan_id": scan_id, "sha256": SHAS.get(scan_id, "0" * 64), "corners": [*CORNERS]}
    return {**message, "note": "", "before": None, **changes}


def test_it_serves_the_pages_and_their_pictures(client: TestClient) -> None:
    assert "<h1>Crops</h1>" in client.get("/").text
    assert "<h1>Pairs of scans</h1>" in client.get("/dedupe/dedupe.html").text
    assert client.get("/crops/sheet-0001.jpg").headers["content-type"] == "image/jpeg"
    answer = client.get("/crops/crops.html")
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("scan_id", IDS)
def test_scans_of_every_kind_come_as_jpeg(client: TestClient, scan_id: str) -> None:
    answer = client.get("/scan", params={"id": scan_id})
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.content.startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    "path",
    [
        "/crops/../scans.parquet",
        "/crops/%2e%2e%2fscans.parquet",
        "/crops/..%2f..%2fparams.yaml",
        "/crops//etc/passwd",
        "/crops/crops.html%00.jpg",
        "/crops/.hidden.jpg",
        "/scans/0.png",
        "/scan?id=../scans.parquet",
        "/scan?id=scans/0.png",
        "/scan",
        "/api/scans",
        "/dedupe/crops.html",
    ],
)
def test_no_other_file_can_be_asked_for(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_name_that_was_pointed_here_is_refused(project: Project) -> None:
    app = make_app(project, source="loc")
    for host in ("rebound.invalid:8000", "127.0.0.1.rebound.invalid", "192.0.2.7:8000"):
        client = TestClient(app, base_url=f"http://{host}")
        for path in ("/crops/crops.html", "/scan?id=a", "/api/crops"):
            assert client.get(path).status_code == 400
        origin = {"origin": f"http://{host}"}
        assert client.post("/api/crops", json=crop_message(), headers=origin).status_code == 400
    assert read_crops(project) == {}


@pytest.mark.parametrize("origin", [None, "null", "http://other.invalid", "http://127.0.0.1:9999"])
def test_another_page_of_the_browser_cannot_correct(project: Project, origin: str | None) -> None:
    client = TestClient(make_app(project, source="loc"), base_url=ADDRESS)
    headers = {} if origin is None else {"origin": origin}
    assert client.post("/api/crops", json=crop_message(), headers=headers).status_code == 403
    assert read_crops(project) == {}


def test_a_form_cannot_correct(client: TestClient, project: Project) -> None:
    body = json.dumps(crop_message())
    answer = client.post("/api/crops", content=body, headers={"content-type": "text/plain"})
    assert answer.status_code == 415
    assert read_crops(project) == {}


def test_a_correction_is_saved_listed_changed_and_taken_back(
    client: TestClient, project: Project
) -> None:
    scan_id = IDS[2]
    answer = client.post("/api/crops", json=crop_message(scan_id, note="  by its caption ")).json()
    assert "overrides/loc/crops.csv" in answer["said"]
    assert "dvc repro" in answer["said"]
    saved = CropOverride(scan_id, SHAS[scan_id], CORNERS, "by its caption")
    assert read_crops(project) == {scan_id: saved}
    assert client.get("/api/crops").json() == {"entries": [answer["entry"]]}
    again = crop_message(scan_id, corners=[41, *CORNERS[1:]], before=answer["entry"])
    changed = client.post("/api/crops", json=again).json()["entry"]
    assert read_crops(project)[scan_id].corners[0] == 41
    back = crop_message(scan_id, before=changed, gone=True)
    assert client.post("/api/crops", json=back).json()["entry"] is None
    assert read_crops(project) == {}


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (crop_message("nobody"), 404),
        (crop_message(sha256="f" * 64), 409),
        (crop_message(corners=[0] * 8), 400),
        (crop_message(corners=[*CORNERS[:7]]), 400),
        (crop_message(corners=[*CORNERS[:2], *CORNERS[4:6], *CORNERS[2:4], *CORNERS[6:]]), 400),
        (crop_message(corners=[-1, *CORNERS[1:]]), 400),
        (crop_message(corners=[*CORNERS[:4], 481, *CORNERS[5:]]), 400),
        (crop_message(corners=["NaN", *CORNERS[1:]]), 400),
        (crop_message(note="x" * 501), 400),
        (crop_message(path="/etc/passwd"), 400),
        ({"scan_id": "a"}, 400),
        ([], 400),
    ],
)
def test_what_is_no_correction_is_refused(
    client: TestClient, project: Project, message: Any, status: int
) -> None:
    answer = client.post("/api/crops", json=message)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert read_crops(project) == {}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"note": "\\ud800"}'])
def test_what_is_no_json_is_refused(client: TestClient, content: bytes) -> None:
    headers = {"content-type": "application/json"}
    assert client.post("/api/crops", content=content, headers=headers).status_code == 400
    huge = b" " * 70_000
    assert client.post("/api/crops", content=huge, headers=headers).status_code == 413


def test_two_tabs_do_not_overwrite_each_other_unseen(client: TestClient, project: Project) -> None:
    first = client.post("/api/crops", json=crop_message(note="mine")).json()["entry"]
    other = client.post("/api/crops", json=crop_message(note="yours"))
    assert other.status_code == 409
    assert other.json()["entry"] == first
    assert read_crops(project)["a"].note == "mine"
    seen = client.post("/api/crops", json=crop_message(note="yours", before=first))
    assert seen.status_code == 200
    assert read_crops(project)["a"].note == "yours"


def test_corrections_that_come_at_once_are_all_kept(project: Project) -> None:
    apps = [make_app(project, source="loc") for _ in range(2)]

    def correct(number: int) -> int:
        client = TestClient(apps[number % 2], base_url=ADDRESS, headers={"origin": ADDRESS})
        return int(client.post("/api/crops", json=crop_message(IDS[number])).status_code)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(correct, range(4))) == [200] * 4
    assert set(read_crops(project)) == set(IDS)


def test_a_verdict_is_saved_and_checked(client: TestClient, project: Project) -> None:
    verdict = {
        "scan_id": "a", "other_id": "b", "outcome": "mirrored", "note": "", "before": None,
    }  # fmt: skip
    for wrong in (
        {"outcome": "same_scan"}, {"outcome": "alike"}, {"scan_id": "b", "other_id": "a"},
        {"other_id": "a"}, {"other_id": "n"},
    ):  # fmt: skip
        assert client.post("/api/pairs", json={**verdict, **wrong}).status_code == 400
    assert client.post("/api/pairs", json={**verdict, "other_id": "z"}).status_code == 404
    assert client.post("/api/pairs", json=verdict).status_code == 200
    path = project.root / "overrides" / "loc" / "pairs.csv"
    assert read_pair_overrides(path) == {("a", "b"): PairOverride("a", "b", Outcome.MIRRORED, "")}


def test_a_table_that_is_broken_is_named_and_left_alone(
    client: TestClient, project: Project
) -> None:
    path = project.root / "overrides" / "loc" / "crops.csv"
    path.parent.mkdir(parents=True)
    path.write_text("scan,corners\n")
    for answer in (client.get("/api/crops"), client.post("/api/crops", json=crop_message())):
        assert answer.status_code == 500
        assert "crops.csv, line 1: expected the header" in answer.json()["error"]
    assert path.read_text() == "scan,corners\n"


def test_without_pages_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(FlowsError, match="photochrom crop"):
        serve_review(Project(tmp_path), source="loc", announce=lambda line: None)


def test_it_says_where_it_is_and_ends_quietly(project: Project) -> None:
    script = (
        "import functools, pathlib, sys\n"
        "from flows.project import Project\n"
        "from flows.review import serve_review\n"
        "say = functools.partial(print, flush=True)\n"
        "serve_review(Project(pathlib.Path(sys.argv[1])), source='loc', announce=say)\n"
    )
    command = [sys.executable, "-c", script, str(project.root)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            address = process.stdout.readline().split()[1]
            assert address.startswith("http://127.0.0.1:")
            assert "Crops" in requests.get(address, timeout=30).text
            process.send_signal(signal.SIGINT)
            out, error = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, out, error) == (0, "", "")
