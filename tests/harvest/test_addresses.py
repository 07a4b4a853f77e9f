import pytest

from harvest.addresses import Stem, to_canonical, to_item_id, to_resource_id, to_stem
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
        "https://tile.loc.gov/image-services/iiif/service:pnp:cph:3a06053/full/pct:25/0/default.jpg",
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
