import pytest

from harvest.errors import AstrayError
from harvest.redirect import to_sent
from tests.harvest.conftest import Answer, Library, MakeClient, json_answer

PAGE = "https://www.loc.gov/item/1/"
FILE = "https://tile.loc.gov/storage-services/service/pnp/ppmsc/06700/06712v.jpg"


def test_a_circle_of_redirects_ends(library: Library, make_client: MakeClient) -> None:
    library.tell(PAGE, Answer(302, b"", {"Location": f"{FILE}#again"}))
    library.tell(FILE, Answer(302, b"", {"Location": PAGE}))
    with pytest.raises(AstrayError, match="led astray, in a circle"):
        make_client().get_json(PAGE)
    assert len(library.asked) == 2


def test_a_chain_of_redirects_ends(library: Library, make_client: MakeClient) -> None:
    library.tell(PAGE, Answer(302, b"", {"Location": "/1"}))
    for number in range(1, 9):
        hop = Answer(302, b"", {"Location": f"/{number + 1}"})
        library.tell(f"https://www.loc.gov/{number}", hop)
    with pytest.raises(AstrayError, match="led astray, over more than 5 redirects"):
        make_client().get_json(PAGE)
    assert len(library.asked) == 6


@pytest.mark.parametrize("location", ["https://WWW.LOC.GOV/x", "HTTPS://www.Loc.gov/x#y"])
def test_a_redirect_that_shouts_stays_with_the_library(
    library: Library, make_client: MakeClient, location: str
) -> None:
    library.tell(PAGE, Answer(302, b"", {"Location": location}))
    library.tell("https://www.loc.gov/x", json_answer({"a": 1}))
    assert make_client().get_json(PAGE).data == {"a": 1}


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://www.loc.gov", "https://www.loc.gov/"),
        ("https://WWW.loc.gov/a/./../b", "https://www.loc.gov/b"),
        ("https://www.loc.gov/a/%2e%2E//b", "https://www.loc.gov/b"),
        ("https://www.loc.gov/%62/ä?q=ö", "https://www.loc.gov/b/%C3%A4?q=%C3%B6"),
        ("https://www.loc.gov/a%2Fb%252e", "https://www.loc.gov/a%2Fb%252e"),
    ],
)
def test_an_address_has_one_form_on_the_line(url: str, sent: str) -> None:
    assert to_sent(url) == sent
    assert to_sent(sent) == sent


@pytest.mark.parametrize("url", ["https://", "https://www.loc.gov:x/", "https://[::1/"])
def test_what_is_no_address_has_none(url: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        to_sent(url)
