import hashlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from harvest.errors import DownloadError, NotFoundError, TooLargeError
from harvest.partial import Partial, Rest
from tests.harvest.conftest import Answer, Library, MakeClient, files_below, picture, picture_answer

FILE = "https://tile.loc.gov/storage-services/master/pnp/ppmsc/06700/06712u.tif"
MOST = 1 << 20
BODY = picture(400, 300)
HALF = len(BODY) // 2


def rangeable(
    body: bytes = BODY, *, cut: int | None = None, marks: dict[str, str] | None = None
) -> Answer:
    answer = picture_answer(body, **(marks or {}))
    answer.ranges, answer.cut = True, cut
    return answer


def leave_part(target: Path, *, came: int = HALF, url: str = FILE, size: int = len(BODY)) -> None:
    """Leave what a killed process leaves."""
    try:
        with Partial(target, url=url).begin(validator='"e1"', size_bytes=size) as sink:
            sink.write(BODY[:came])
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass


def test_a_cut_transfer_goes_on_where_it_ended(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    library.tell(FILE, rangeable(cut=HALF), rangeable(cut=1000), rangeable())
    came = make_client().download(FILE, tmp_path / "a.tif", most_bytes=MOST)
    assert came is not None
    assert (tmp_path / "a.tif").read_bytes() == BODY
    assert came.sha256 == hashlib.sha256(BODY).hexdigest()
    assert (came.size_bytes, came.attempts) == (len(BODY), 3)
    ranges = [asked.headers.get("Range") for asked in library.asked]
    assert ranges == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]
    assert library.asked[1].headers["If-Range"] == '"e1"'
    assert files_below(tmp_path) == ["a.tif"]


def test_what_a_killed_process_left_is_gone_on_with(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    library.tell(FILE, rangeable())
    leave_part(tmp_path / "a.tif")
    assert files_below(tmp_path) == [".a.tif.part", ".a.tif.part.json"]
    make_client().download(FILE, tmp_path / "a.tif", most_bytes=MOST)
    assert (tmp_path / "a.tif").read_bytes() == BODY
    assert [asked.headers.get("Range") for asked in library.asked] == [f"bytes={HALF}-"]
    assert files_below(tmp_path) == ["a.tif"]


def test_a_part_that_is_whole_is_proved_by_its_last_byte(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    library.tell(FILE, rangeable())
    leave_part(tmp_path / "a.tif", came=len(BODY))
    make_client().download(FILE, tmp_path / "a.tif", most_bytes=MOST)
    assert (tmp_path / "a.tif").read_bytes() == BODY
    assert library.asked[0].headers["Range"] == f"bytes={len(BODY) - 1}-"


def test_a_file_that_changed_meanwhile_is_taken_whole(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    other = picture(300, 400)
    library.tell(FILE, rangeable(other, marks={"ETag": '"e2"'}))
    leave_part(tmp_path / "a.tif")
    came = make_client().download(FILE, tmp_path / "a.tif", most_bytes=MOST)
    assert came is not None
    assert (came.etag, came.attempts) == ('"e2"', 1)
    assert (tmp_path / "a.tif").read_bytes() == other


@pytest.mark.parametrize(
    "answer",
    [
        Answer(304),
        Answer(412),
        Answer(412, b"<h1>no</h1>", {"Content-Type": "text/html"}),
        Answer(416, b"", {"Content-Range": f"bytes */{len(BODY)}"}),
        Answer(206, BODY[5:], {"Content-Range": f"bytes 5-{len(BODY) - 1}/{len(BODY)}"}),
        Answer(206, BODY[HALF:], {"Content-Range": f"bytes {HALF}-{len(BODY) - 1}/*"}),
        Answer(206, BODY[HALF:], {"Content-Range": "bytes nonsense"}),
        Answer(206, BODY[HALF:]),
        Answer(
            206,
            BODY[HALF:],
            {"Content-Range": f"bytes {HALF}-{len(BODY) - 1}/{len(BODY)}", "ETag": '"e9"'},
        ),
        Answer(
            206,
            BODY[HALF:],
            {
                "Content-Range": f"bytes {HALF}-{len(BODY) - 1}/{len(BODY)}",
                "Content-Encoding": "gzip",
            },
        ),
    ],
)
def test_a_rest_that_is_not_ours_begins_the_file_anew(
    library: Library, make_client: MakeClient, tmp_path: Path, answer: Answer
) -> None:
    library.tell(FILE, answer, picture_answer(BODY))
    leave_part(tmp_path / "a.tif")
    came = make_client().download(FILE, tmp_path / "a.tif", most_bytes=MOST)
    assert came is not None
    assert (tmp_path / "a.tif").read_bytes() == BODY
    assert came.attempts == 2
    assert "Range" not in library.asked[1].headers
    assert files_below(tmp_path) == ["a.tif"]


def test_a_rest_longer_than_the_file_is_thrown_away(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    long = Answer(
        206,
        BODY[HALF:] + b"more",
        {"Content-Range": f"bytes {HALF}-{len(BODY) - 1}/{len(BODY)}", "ETag": '"e1"'},
    )
    library.tell(FILE, long, picture_answer(BODY))
    leave_part(tmp_path / "a.tif")
    make_client().download(FILE, tmp_path / "a.tif", most_bytes=MOST)
    assert (tmp_path / "a.tif").read_bytes() == BODY


def test_a_transfer_is_kept_for_the_next_run_when_the_retries_are_spent(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    library.tell(FILE, rangeable(cut=1000))
    with pytest.raises(DownloadError, match="no whole answer"):
        make_client(retries=1).download(FILE, tmp_path / "a.tif", most_bytes=MOST)
    assert files_below(tmp_path) == [".a.tif.part", ".a.tif.part.json"]
    library.tell(FILE, rangeable())
    make_client().download(FILE, tmp_path / "a.tif", most_bytes=MOST)
    assert library.asked[-1].headers["Range"] == "bytes=2000-"
    assert (tmp_path / "a.tif").read_bytes() == BODY


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": 'W/"weak"'},
        {"ETag": ""},
        {"ETag": "no mark"},
        {"ETag": "", "Last-Modified": "soon"},
        {"ETag": "", "Last-Modified": "now"},
    ],
)
def test_without_a_strong_mark_a_transfer_begins_anew(
    library: Library, make_client: MakeClient, tmp_path: Path, headers: dict[str, str]
) -> None:
    date = format_datetime(datetime.now(UTC), usegmt=True)
    marks = {name: date if value == "now" else value for name, value in headers.items()}
    library.tell(FILE, rangeable(cut=HALF, marks={"Date": date} | marks), rangeable())
    make_client().download(FILE, tmp_path / "a.tif", most_bytes=MOST)
    assert ["Range" in asked.headers for asked in library.asked] == [False, False]
    assert (tmp_path / "a.tif").read_bytes() == BODY


def test_an_old_date_of_change_is_a_strong_mark(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    changed = format_datetime(now - timedelta(seconds=61), usegmt=True)
    marks = {"ETag": "", "Last-Modified": changed, "Date": format_datetime(now, usegmt=True)}
    library.tell(FILE, rangeable(cut=HALF, marks=marks), rangeable(marks=marks))
    make_client().download(FILE, tmp_path / "a.tif", most_bytes=MOST)
    assert library.asked[1].headers["If-Range"] == changed
    assert (tmp_path / "a.tif").read_bytes() == BODY


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(404), NotFoundError),
        (picture_answer(BODY + bytes(MOST)), TooLargeError),
        (Answer(400), DownloadError),
    ],
)
def test_a_final_answer_leaves_nothing(
    library: Library,
    make_client: MakeClient,
    tmp_path: Path,
    answer: Answer,
    error: type[Exception],
) -> None:
    library.tell(FILE, answer)
    (tmp_path / ".a.tif.part").write_bytes(b"lone")
    with pytest.raises(error):
        make_client().download(FILE, tmp_path / "a.tif", most_bytes=MOST)
    assert files_below(tmp_path) == []


def test_a_part_that_cannot_be_trusted_is_thrown_away(tmp_path: Path) -> None:
    target = tmp_path / "a.tif"
    part, note = tmp_path / ".a.tif.part", tmp_path / ".a.tif.part.json"
    spoils: list[tuple[Path, bytes | None]] = [
        (note, None),
        (part, None),
        (note, b'{"url": '),
        (part, b""),
        (part, BODY + b"x"),
    ]
    for path, content in spoils:
        leave_part(target)
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        assert Partial(target, url=FILE).keep_rest() is None
        assert files_below(tmp_path) == []
    leave_part(target, url=FILE.replace("06712", "06713"))
    assert Partial(target, url=FILE).keep_rest() is None
    assert files_below(tmp_path) == []


def test_a_true_beginning_is_found(tmp_path: Path) -> None:
    leave_part(tmp_path / "a.tif")
    assert Partial(tmp_path / "a.tif", url=FILE).keep_rest() == Rest(HALF, len(BODY), '"e1"')
