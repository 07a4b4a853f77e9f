import pytest

from harvest.addresses import (
    Stem,
    check_item_id,
    has_bad_id,
    is_foreign,
    to_canonical,
    to_item_id,
    to_picture_id,
    to_resource_id,
    to_stem,
)
from harvest.records import Kind

TILE = "https://tile.loc.gov/storage-services/service/pnp"


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("//cdn.loc.gov/service/pnp/ds/04400/04479r.jpg", f"{TILE}/ds/04400/04479r.jpg"),
        ("http://lcweb2.loc.gov/service/pnp/a/b.jpg", f"{TILE}/a/b.jpg"),
        ("http://memory.loc.gov/service/pnp/a/b.jpg", f"{TILE}/a/b.jpg"),
        ("//www.loc.gov/pictures/cdn/service/pnp/a/b.jpg", f"{TILE}/a/b.jpg"),
        (f"{TILE}/ppmsc/06700/06712v.jpg#h=1&w=2", f"{TILE}/ppmsc/06700/06712v.jpg"),
        ("http://www.loc.gov/item/98518971/", "https://www.loc.gov/item/98518971/"),
        ("https://www.loc.gov/search/?q=a&fo=json", "https://www.loc.gov/search/?q=a&fo=json"),
    ],
)
def test_old_addresses_become_canonical(url: str, canonical: str) -> None:
    assert to_canonical(url) == canonical


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a.jpg",
        "https://tile.loc.gov.example.org/a.jpg",
        "https://tile.loc.gov@example.org/a.jpg",
        "https://user@tile.loc.gov/a.jpg",
        "https://tile.loc.gov:8080/a.jpg",
        "https://tile.loc.gov:99999999/a.jpg",
        "ftp://tile.loc.gov/a.jpg",
        "http://[::1/a.jpg",
        "file:///etc/passwd",
        "",
    ],
)
def test_other_hosts_have_no_canonical_address(url: str) -> None:
    assert to_canonical(url) is None


def test_the_last_letter_of_a_name_is_not_taken_for_the_kind() -> None:
    found = to_stem(f"{TILE}/bbc/0500/0550/0550fr.jpg")
    assert found == (Stem("bbc", "0500/0550/", "0550f"), Kind.R)
    assert found[0].digital_id == "bbc.0550f"


@pytest.mark.parametrize(
    "url",
    [
        "https://www.loc.gov/static/images/original-format/group-of-images.svg",
        "https://tile.loc.gov/image-services/iiif/service:pnp:cph:3a06053/info.json",
        "https://tile.loc.gov/image-services/iiif/service:gmd:x:y/full/pct:25/0/default.jpg",
        f"{TILE}/ppmsc/06700/{'1' * 300}v.jpg",
        f"{TILE}/ppmsc/../../secret/06712v.jpg",
        f"{TILE}/ppmsc/06700/06712.pdf",
    ],
)
def test_what_is_no_picture_file_has_no_stem(url: str) -> None:
    assert to_stem(url) is None


def test_the_master_lies_beside_the_service_files() -> None:
    stem = Stem("cph", "3b40000/3b49000/3b49000/", "3b49078")
    master = "https://tile.loc.gov/storage-services/master/pnp"
    assert stem.to_url(Kind.MASTER) == f"{master}/cph/3b40000/3b49000/3b49000/3b49078u.tif"
    assert stem.to_url(Kind.V) == f"{TILE}/cph/3b40000/3b49000/3b49000/3b49078v.jpg"


def test_ids_are_read_from_their_own_routes_only() -> None:
    assert to_item_id("//www.loc.gov/item/2001697000/?fo=json") == "2001697000"
    assert to_item_id("https://www.loc.gov/collections/photochrom-prints/") is None
    assert to_item_id("https://www.loc.gov/item/../") is None
    assert to_resource_id("https://www.loc.gov/resource/cph.3b49078/") == "cph.3b49078"
    assert to_resource_id("https://www.loc.gov/resource/../../x/") is None


def test_the_image_server_and_the_storage_tell_the_same_resource() -> None:
    stem = Stem("cph", "3a00000/3a06000/3a06000/", "3a06053")
    server = "https://tile.loc.gov/image-services/iiif"
    path = "pnp:cph:3a00000:3a06000:3a06000:3a06053"
    assert stem.to_iiif_url(800) == f"{server}/master:{path}u/full/!800,800/0/default.jpg"
    assert to_stem(f"{server}/service:{path}/full/pct:25/0/default.jpg") == (stem, Kind.IIIF)
    assert to_stem(stem.to_iiif_url(800)) == (stem, Kind.IIIF)
    with pytest.raises(ValueError, match="expected a positive number"):
        stem.to_iiif_url(0)


def test_an_item_of_the_older_site_is_read_in_and_out_of_its_collection() -> None:
    assert to_picture_id("//www.loc.gov/pictures/collection/pgz/item/98518971/") == "98518971"
    assert to_picture_id("http://www.loc.gov/pictures/item/98518971/?st=grid") == "98518971"
    assert to_picture_id("https://www.loc.gov/pictures/item/98518971/resource/") == "98518971"
    assert to_picture_id("https://www.loc.gov/pictures/item/../98518971/") is None
    assert to_picture_id("https://www.loc.gov/pictures/collection/pgz/") is None
    assert to_picture_id("https://www.loc.gov/item/98518971/") is None


@pytest.mark.parametrize(
    "item_id", ["", "..", ".x", "a/b", "a\\b", "/etc", "a\x00", "a\n", "1" * 49]
)
def test_an_id_that_could_name_another_file_is_refused(item_id: str) -> None:
    with pytest.raises(ValueError, match="expected an LCCN"):
        check_item_id(item_id)
    assert to_item_id(f"https://www.loc.gov/item/{item_id}/") != item_id


@pytest.mark.parametrize(
    ("url", "foreign", "bad"),
    [
        ("https://www.loc.gov/item/98518971/", False, False),
        ("https://www.loc.gov/collections/photochrom-prints/", False, False),
        ("https://www.loc.gov/static/images/x.svg", False, False),
        ("//cdn.loc.gov/service/pnp/ds/04400/04479r.jpg", False, False),
        ("https://www.loc.gov/item/..%2f..%2fx/", False, True),
        ("https://www.loc.gov/resource/../../x/", False, True),
        ("../../x", False, True),
        ("/etc/passwd", False, True),
        ("http://127.0.0.1/item/1/", True, False),
        ("file:///etc/passwd", True, False),
        ("http://[::1/a.jpg", True, False),
        ("", False, False),
    ],
)
def test_foreign_addresses_and_bad_ids_are_told_apart(url: str, foreign: bool, bad: bool) -> None:
    assert (is_foreign(url), has_bad_id(url)) == (foreign, bad)
