import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from replica.catalogue import list_rows
from replica.names import path_of
from replica.records import Role, RowKind

LISTING = "/collections/photochrom-prints/?fo=json"


def _page(replica: Any, query: str) -> dict[str, Any]:
    reply = replica.www(LISTING + query)
    assert reply.headers["content-type"] == "application/json"
    page: dict[str, Any] = reply.json()
    return page


def _tile(url: str) -> str:
    return url.removeprefix("https:").removeprefix("//tile.loc.gov")


@pytest.mark.parametrize("count", [1, 3, 7, 25, 40, 150])
def test_the_pages_give_every_row_once(replica: Any, count: int) -> None:
    seen: list[str] = []
    address = f"{LISTING}&c={count}&at=results,pagination"
    while address:
        page = replica.www(address).json()
        assert set(page) == {"results", "pagination"}
        assert page["pagination"]["perpage"] == count
        seen += [row["url"] for row in page["results"]]
        following = page["pagination"]["next"]
        address = following.removeprefix("https://www.loc.gov") if following else ""
    rows = list_rows(30, 7)
    assert len(seen) == len(set(seen)) == len(rows) == page["pagination"]["of"]


def test_pagination_has_the_oddities_of_the_real_one(replica: Any) -> None:
    page = _page(replica, "&c=3")
    pagination = page["pagination"]
    assert pagination["first"] is None
    assert pagination["previous"] is None
    assert pagination["total"] == -(-pagination["of"] // 3)
    assert pagination["last"].endswith("?c=3&fo=json&sp=3")  # the last of page_list
    assert pagination["page_list"][0]["url"] is None
    assert pagination["page_list"][-1] == "..."
    assert page["total"] != pagination["of"]
    assert page["search"]["hits"] == pagination["of"]


def test_past_the_end_comes_404_or_an_empty_page(replica: Any) -> None:
    pages = _page(replica, "")["pagination"]["total"]
    reply = replica.www(f"{LISTING}&sp={pages + 1}")
    assert reply.status_code == 404
    assert reply.json() == {"status": 404, "type": "exception", "caption": "Not Found"}
    late = _page(replica, "&sp=99")
    assert late["results"] == []
    assert late["pagination"]["from"] > late["pagination"]["to"]


def test_results_have_the_shapes_and_the_junk_of_the_real_ones(replica: Any) -> None:
    results = _page(replica, "&c=150")["results"]
    items = [row for row in results if "/item/" in row["url"] and row.get("resources")]
    others = [row for row in results if "/item/" not in row["url"]]
    assert len(items) == 30
    assert {row["original_format"][0] for row in others} == {"collection", "web page"}
    orders = {tuple(u.partition("#")[0][-9:] for u in row["image_url"]) for row in items}
    assert len({tuple(name[-5:] for name in order) for order in orders}) > 3  # shuffled
    fragments = [u.partition("#")[2] for row in items for u in row["image_url"]]
    assert all(f.startswith("h=") and "&w=" in f for f in fragments)
    assert all(isinstance(r["files"], int) for row in items for r in row["resources"])
    assert {type(row["description"]) for row in items} == {str, list}
    assert any(row["id"].startswith("//") for row in items)
    assert any(row["id"].startswith("http://") for row in items)
    assert any(u.startswith("//") for row in items for u in row["image_url"])
    assert any(not any("v.jpg" in u for u in row["image_url"]) for row in items)


def test_an_item_page_lists_the_files_of_every_resource(replica: Any) -> None:
    row = next(r for r in list_rows(30, 7) if len(r.resources) == 2)
    reply = replica.www(f"/item/{row.item_id}/?fo=json").json()
    assert [r["caption"] for r in reply["resources"]] == [r.caption for r in row.resources]
    assert [r["files"] for r in reply["item"]["resources"]] == [1, 1]
    assert isinstance(reply["item"]["partof"][0], dict)
    for resource in reply["resources"]:
        (files,) = resource["files"]
        kinds = [f["mimetype"] for f in files]
        assert kinds[-1] == "image/tiff"
        assert {"image/jpeg", "image/gif"} <= set(kinds)


def test_the_sizes_that_are_promised_are_those_that_come(replica: Any) -> None:
    for row in list_rows(30, 7)[:8]:
        for resource in row.resources:
            reply = replica.www(f"/item/{row.item_id}/?fo=json&at=resources").json()
            files = [f for r in reply["resources"] for f in r["files"][0]]
            for file in files:
                if resource.digital_id.partition(".")[2] in file["url"]:
                    body = replica.tile(_tile(file["url"])).content
                    with Image.open(io.BytesIO(body)) as image:
                        image.load()
                        assert image.size == (file["width"], file["height"])
                        plain = "L" if resource.role == Role.NEGATIVE else "RGB"
                        assert image.mode == ("P" if "gif" in file["mimetype"] else plain)


def test_a_resource_page_shows_the_one_resource(replica: Any) -> None:
    row = next(r for r in list_rows(30, 7) if len(r.resources) == 2)
    second = row.resources[1]
    reply = replica.www(f"/resource/{second.digital_id}/?fo=json").json()
    assert reply["resource"]["caption"] == second.caption
    assert {"item", "pagination", "segments"} <= set(reply)


def test_without_fo_json_comes_html(replica: Any) -> None:
    row = next(r for r in list_rows(30, 7) if r.kind == RowKind.ITEM)
    for path in ("/collections/photochrom-prints/", f"/item/{row.item_id}/"):
        reply = replica.www(path)
        assert reply.headers["content-type"].startswith("text/html")
        assert reply.text.startswith("<!doctype html>")


def test_what_is_not_there_is_404(replica: Any) -> None:
    assert replica.www("/item/1/?fo=json").json()["caption"] == "Not Found"
    assert replica.www("/item/1/?fo=json").status_code == 404
    assert replica.tile("/storage-services/service/pnp/ppmsc/99900/99999v.jpg").status_code == 404


def test_the_hosts_answer_for_their_own_paths_alone(replica: Any) -> None:
    path = path_of("ppmsc.05000", "r.jpg")
    assert replica.tile(LISTING).status_code == 404
    assert replica.www(path).status_code == 404
    assert replica.ask("example.org", LISTING).status_code == 404


def test_unknown_facets_are_ignored_and_odd_counts_work(replica: Any) -> None:
    page = _page(replica, "&fa=colour:blue&c=5&q=x")
    assert page["pagination"]["of"] == len(list_rows(30, 7))
    assert len(page["results"]) == 5
    assert _page(replica, "&c=none")["pagination"]["perpage"] == 25


def test_storage_honours_ranges_conditions_and_head(replica: Any) -> None:
    row = next(r for r in list_rows(30, 7) if r.resources and r.resources[0].has_v)
    for suffix in ("u.tif", "v.jpg"):
        path = path_of(row.resources[0].digital_id, suffix)
        whole = replica.tile(path)
        assert whole.headers["accept-ranges"] == "bytes"
        size = len(whole.content)
        part = replica.tile(path, headers={"range": "bytes=100-199"})
        assert part.status_code == 206
        assert part.content == whole.content[100:200]
        assert part.headers["content-range"] == f"bytes 100-199/{size}"
        head = requests.head(replica.url + path, headers={"host": "tile.loc.gov"}, timeout=30)
        assert int(head.headers["content-length"]) == size
        rest = replica.tile(path, headers={"range": f"bytes={size - 7}-"})
        assert rest.content == whole.content[-7:]
        assert replica.tile(path, headers={"range": f"bytes={size}-"}).status_code == 416
        again = replica.tile(path, headers={"if-none-match": whole.headers["etag"]})
        assert again.status_code == 304
        assert again.content == b""


def test_two_replicas_give_the_same_bytes(replica: Any, launch: Any) -> None:
    _, other = launch("--items", "31", "--seed", "7", "--pixels", "320")
    for row in list_rows(30, 7)[:6]:
        for resource in row.resources:
            for suffix in ("u.tif", "r.jpg", "t.gif"):
                path = path_of(resource.digital_id, suffix)
                assert replica.tile(path).content == other.tile(path).content


def test_a_print_that_many_ask_for_at_once_is_drawn_whole_for_all(replica: Any) -> None:
    digital_id = list_rows(30, 7)[-1].resources[0].digital_id
    paths = [path_of(digital_id, suffix) for suffix in ("r.jpg", "t.gif", "u.tif")] * 6
    with ThreadPoolExecutor(12) as pool:
        bodies = list(pool.map(lambda path: replica.tile(path).content, paths))
    for k in range(3):
        assert len(set(bodies[k::3])) == 1
        with Image.open(io.BytesIO(bodies[k])) as image:
            image.load()


def test_a_folder_is_served_with_its_own_bytes(tmp_path: Path, serve_folder: Any) -> None:
    Image.new("RGB", (300, 200), (90, 120, 60)).save(tmp_path / "a small print.jpg", quality=71)
    Image.effect_noise((1500, 900), 60).convert("RGB").save(tmp_path / "large.png")
    Image.new("RGBA", (800, 40), (9, 9, 9, 90)).save(tmp_path / "wide.tif")
    (tmp_path / "README.md").write_text("not a print")
    client = serve_folder(tmp_path)
    results = client.www(LISTING).json()["results"]
    assert [r["title"] for r in results] == ["a small print", "large", "wide"]
    sizes = {}
    for row in results:
        reply = client.www(row["url"].removeprefix("https://www.loc.gov") + "?fo=json").json()
        files = {f["url"].rpartition("/")[2][8:]: f for f in reply["resources"][0]["files"][0]}
        bodies = {k: client.tile(_tile(f["url"])).content for k, f in files.items()}
        for kind, body in bodies.items():
            with Image.open(io.BytesIO(body)) as image:
                assert image.size == (files[kind]["width"], files[kind]["height"])
                sizes[row["title"], kind] = image.size
        assert files["u.tif"]["size"] == len(bodies["u.tif"])
        (path,) = tmp_path.glob(row["title"] + ".*")
        assert bodies["u.tif"] == path.read_bytes()
        if row["title"] == "a small print":
            assert bodies["v.jpg"] == bodies["r.jpg"] == path.read_bytes()
    assert sizes["large", "v.jpg"] == (1024, 614)
    assert sizes["large", "r.jpg"] == (640, 384)
    assert sizes["wide", "v.jpg"] == (800, 40)  # never enlarged


def test_broken_files_of_a_folder_are_listed_and_served(tmp_path: Path, serve_folder: Any) -> None:
    Image.effect_noise((1400, 900), 60).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:9000])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("<html>not a picture</html>")
    Image.new("RGB", (1, 1)).save(tmp_path / "point.png")
    client = serve_folder(tmp_path)
    results = client.www(LISTING).json()["results"]
    assert [r["title"] for r in results] == ["cut", "empty", "point", "text", "whole"]
    for row in results:
        digital_id = row["resources"][0]["url"].rstrip("/").rpartition("/")[2]
        for suffix in ("u.tif", "v.jpg", "r.jpg"):
            body = client.tile(path_of(digital_id, suffix))
            assert body.status_code == 200
            (path,) = tmp_path.glob(row["title"] + ".*")
            if row["title"] in ("cut", "empty", "text"):
                assert body.content == path.read_bytes()


def test_an_items_number_follows_its_files_name(tmp_path: Path, serve_folder: Any) -> None:
    for name in ("b.jpg", "d.jpg"):
        Image.new("RGB", (80, 80)).save(tmp_path / name)
    before = {r["title"]: r["url"] for r in serve_folder(tmp_path).www(LISTING).json()["results"]}
    Image.new("RGB", (80, 80)).save(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").unlink()
    after = {r["title"]: r["url"] for r in serve_folder(tmp_path).www(LISTING).json()["results"]}
    assert after["d"] == before["d"]
    assert len(set(after.values())) == 2


def test_a_replaced_file_of_a_folder_is_known_as_another(tmp_path: Path, serve_folder: Any) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (80, 80)).save(path)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    client = serve_folder(tmp_path)
    (row,) = client.www(LISTING).json()["results"]
    address = path_of(row["resources"][0]["url"].rstrip("/").rpartition("/")[2], "u.tif")
    first = client.tile(address)
    assert first.headers["last-modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    Image.new("RGB", (90, 80)).save(path)
    conditions = {"if-none-match": first.headers["etag"]}
    assert client.tile(address, headers=conditions).status_code == 200
    later = {"if-modified-since": first.headers["last-modified"]}
    assert client.tile(address, headers=later).content == path.read_bytes()
