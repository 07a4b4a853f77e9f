import hashlib
import io
from typing import Any

import numpy as np
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from replica.catalogue import list_rows
from replica.iiif import ServiceState, find_size, parse_image, state_of
from replica.making import size_of
from replica.names import iiif_id, path_of
from replica.plain import plain_pixels
from replica.records import RENDITION_LONG_EDGE, Resource, Role
from replica.renditions import fit
from replica.tiff import to_tiff

ITEMS, SEED, PIXELS = 60, 3, 1100
SCANS = [r for row in list_rows(ITEMS, SEED) for r in row.resources]


@pytest.fixture(scope="module")
def plain(launch_for_module: Any) -> Any:
    args = ("--items", str(ITEMS), "--seed", str(SEED), "--pixels", str(PIXELS))
    return launch_for_module(*args, "--style", "plain")[1]


def _image_path(resource: Resource, rest: str, *, master: bool = True) -> str:
    return f"/image-services/iiif/{iiif_id(resource.digital_id, master=master)}/{rest}"


def _in_state(state: ServiceState) -> Resource:
    return next(r for r in SCANS if state_of(r) is state)


def test_plain_files_have_the_promised_dimensions_and_differ_from_scan_to_scan(plain: Any) -> None:
    seen = set()
    for resource in SCANS[:12]:
        whole = size_of(resource, pixels=PIXELS)
        for suffix in (*RENDITION_LONG_EDGE, "u.tif"):
            if suffix == "v.jpg" and not resource.has_v:
                continue
            body = plain.tile(path_of(resource.digital_id, suffix)).content
            seen.add(hashlib.sha256(body).hexdigest())
            with Image.open(io.BytesIO(body)) as image:
                image.load()
                long_edge = RENDITION_LONG_EDGE.get(suffix, max(whole))
                assert image.size == fit(*whole, long_edge=long_edge)
                if suffix != "t.gif":
                    assert image.mode == ("L" if resource.role is Role.NEGATIVE else "RGB")
    assert len(seen) >= 12 * 4


def test_masters_come_in_both_byte_orders_with_the_directory_at_the_end(plain: Any) -> None:
    orders = set()
    for resource in SCANS[:8]:
        body = plain.tile(path_of(resource.digital_id, "u.tif")).content
        order = {b"II": "little", b"MM": "big"}[body[:2]]
        start = int.from_bytes(body[4:8], order)  # type: ignore[arg-type]
        assert start > 0.99 * len(body)
        orders.add(order)
        tail = plain.tile(
            path_of(resource.digital_id, "u.tif"), headers={"range": f"bytes={start}-"}
        ).content
        assert tail == body[start:]
    assert orders == {"little", "big"}


@given(st.integers(1, 40), st.integers(1, 40), st.booleans(), st.booleans())
def test_a_tiff_reads_back_as_it_was(width: int, height: int, grey: bool, big: bool) -> None:
    shape = (height, width) if grey else (height, width, 3)
    pixels = np.random.default_rng(width * 41 + height).integers(0, 256, shape, dtype=np.uint8)
    with Image.open(io.BytesIO(to_tiff(pixels, big_endian=big))) as image:
        assert np.array_equal(np.asarray(image), pixels)


def test_a_tiff_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="expected shape"):
        to_tiff(np.zeros((2, 2, 4), np.uint8), big_endian=False)


def test_plain_pixels_follow_from_their_key() -> None:
    one, same, other = (plain_pixels(k, width=90, height=60, grey=False) for k in "aab")
    assert one.shape == (60, 90, 3)
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_another_replica_says_the_same_of_a_file_and_knows_it_unchanged(
    plain: Any, launch: Any
) -> None:
    args = ("--items", "61", "--seed", str(SEED), "--pixels", str(PIXELS), "--style", "plain")
    _, other = launch(*args)
    path = path_of(SCANS[0].digital_id, "r.jpg")
    one, two = plain.tile(path), other.tile(path)
    assert one.content == two.content
    for name in ("etag", "last-modified"):
        assert one.headers[name] == two.headers[name]
    assert not one.headers["etag"].startswith("W/")
    conditions = {
        "if-none-match": one.headers["etag"],
        "if-modified-since": one.headers["last-modified"],
    }
    for name, value in conditions.items():
        assert other.tile(path, headers={name: value}).status_code == 304
    both = {**conditions, "if-none-match": '"other"'}
    assert other.tile(path, headers=both).status_code == 200  # the ETag goes first
    early = {"if-modified-since": "Thu, 01 Jan 1998 00:00:00 GMT"}
    assert other.tile(path, headers=early).status_code == 200
    assert other.tile(path, headers={"if-modified-since": "junk"}).status_code == 200


@pytest.mark.parametrize(
    "size", ["!640,640", "640,", ",400", "pct:25", "full", "max", "!9999,9999"]
)
def test_the_image_service_gives_a_picture_in_the_size_asked(plain: Any, size: str) -> None:
    resource = _in_state(ServiceState.READY)
    whole = size_of(resource, pixels=PIXELS)
    reply = plain.tile(_image_path(resource, f"full/{size}/0/default.jpg"))
    assert reply.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(reply.content)) as image:
        assert image.size == find_size(size, *whole)
    info = plain.tile(_image_path(resource, "info.json")).json()
    assert (info["width"], info["height"]) == whole
    assert info["@id"].endswith(iiif_id(resource.digital_id, master=True))


def test_some_masters_are_too_large_for_the_service_and_some_not_there(plain: Any) -> None:
    large, absent = _in_state(ServiceState.TOO_LARGE), _in_state(ServiceState.ABSENT)
    rest = "full/!640,640/0/default.jpg"
    assert plain.tile(_image_path(large, rest)).status_code == 500
    assert plain.tile(_image_path(large, "info.json")).status_code == 200
    assert plain.tile(_image_path(large, rest, master=False)).status_code == 200
    assert plain.tile(_image_path(absent, rest)).status_code == 404
    assert plain.tile(_image_path(absent, "info.json")).status_code == 404


def test_what_the_image_service_does_not_offer_is_a_bad_request(plain: Any) -> None:
    resource = _in_state(ServiceState.READY)
    for rest in ("full/640/0/default.jpg", "0,0,9,9/640,/0/default.jpg", "full/640,/0/x.png"):
        assert plain.tile(_image_path(resource, rest)).status_code == 400


@given(st.integers(1, 9000), st.integers(1, 9000), st.integers(1, 9000))
def test_a_size_to_fit_keeps_within_the_box_and_never_enlarges(w: int, h: int, box: int) -> None:
    width, height = find_size(f"!{box},{box}", w, h)
    assert 1 <= width <= min(w, box)
    assert 1 <= height <= min(h, box)
    assert max(width, height) == min(box, max(w, h))


@pytest.mark.parametrize("size", ["", ",", "!,", "0,", "pct:0", "^640,", "640", "-3,"])
def test_a_size_of_another_form_is_refused(size: str) -> None:
    with pytest.raises(ValueError, match="expected a size"):
        find_size(size, 100, 80)
    with pytest.raises(ValueError, match="expected full"):
        parse_image("square/100,/0/default.jpg")


def test_images_of_the_service_carry_a_strong_etag_and_honour_ranges(plain: Any) -> None:
    path = _image_path(_in_state(ServiceState.READY), "full/!640,640/0/default.jpg")
    whole = plain.tile(path)
    part = plain.tile(path, headers={"range": "bytes=10-19", "if-range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    head = requests.head(plain.url + path, headers={"host": "tile.loc.gov"}, timeout=30)
    assert int(head.headers["content-length"]) == len(whole.content)
