from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocess.errors import PreprocessError
from preprocess.overrides import (
    CROPS_HEADER,
    PAIRS_HEADER,
    VERDICTS,
    CropOverride,
    PairOverride,
    read_crop_overrides,
    read_pair_overrides,
    write_crop_overrides,
    write_pair_overrides,
)
from preprocess.records import Outcome

SHA = "0f" * 32
CORNERS = (40.0, 30.25, 440.0, 31.0, 439.5, 310.0, 41.0, 309.0)
CROP = CropOverride("ppmsc.06712", SHA, CORNERS, "the mount's shadow, not the print's edge")
LINE = f"a,{SHA},40,30,440,31,439,310,41,309,"

# What Parquet and a browser can hold: any text but lone surrogates.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ids = texts.map(str.strip).filter(bool)


def lay(folder: Path, header: tuple[str, ...], *lines: str) -> Path:
    path = folder / "table.csv"
    path.write_text("\n".join((",".join(header), *lines)) + "\n", "utf-8")
    return path


def test_a_missing_table_holds_nothing_and_an_empty_one_only_its_header(tmp_path: Path) -> None:
    crops, pairs = tmp_path / "o" / "crops.csv", tmp_path / "o" / "pairs.csv"
    assert read_crop_overrides(crops) == {}
    assert read_pair_overrides(pairs) == {}
    write_crop_overrides(crops, {})
    write_pair_overrides(pairs, {})
    assert crops.read_bytes() == b"scan_id,sha256,x1,y1,x2,y2,x3,y3,x4,y4,note\n"
    assert pairs.read_bytes() == b"scan_id,other_id,outcome,note\n"
    assert read_crop_overrides(crops) == {}
    assert read_pair_overrides(pairs) == {}


def test_rows_are_sorted_and_numbers_are_as_short_as_can_be(tmp_path: Path) -> None:
    path = tmp_path / "crops.csv"
    other = CropOverride("a", SHA, (0, 0, 9, 0, 9, 9, 0, 9), "")
    write_crop_overrides(path, {CROP.scan_id: CROP, "a": other})
    assert path.read_text().splitlines()[1:] == [
        f"a,{SHA},0,0,9,0,9,9,0,9,",
        f"ppmsc.06712,{SHA},40,30.25,440,31,439.5,310,41,309,"
        "\"the mount's shadow, not the print's edge\"",
    ]
    assert read_crop_overrides(path) == {"a": other, CROP.scan_id: CROP}


# Each example is flushed to the disk, so they are few, and large.
@settings(max_examples=5)
@given(noted=st.dictionaries(ids, st.tuples(texts, st.floats(-1e4, 1e4)), min_size=15))
def test_any_crops_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, noted: dict[str, tuple[str, float]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "crops.csv"
    crops = {
        scan_id: CropOverride(scan_id, SHA, tuple(number + shift for number in CORNERS), note)
        for scan_id, (note, shift) in noted.items()
    }
    write_crop_overrides(path, crops)
    assert read_crop_overrides(path) == crops
    assert list(read_crop_overrides(path)) == sorted(crops)


@settings(max_examples=5)
@given(both=st.dictionaries(st.tuples(ids, ids), texts, min_size=15))
def test_any_verdicts_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, both: dict[tuple[str, str], str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "pairs.csv"
    verdicts = {
        (one, other): PairOverride(one, other, VERDICTS[len(note) % 4], note)
        for (one, other), note in both.items()
        if one < other
    }
    write_pair_overrides(path, verdicts)
    assert read_pair_overrides(path) == verdicts


def test_tables_that_a_spreadsheet_saved_are_read(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    rows = ["scan_id,other_id,outcome,note", 'a,b,mirrored,"Capri, grotto"', ""]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode())
    verdict = PairOverride("a", "b", Outcome.MIRRORED, "Capri, grotto")
    assert read_pair_overrides(path) == {("a", "b"): verdict}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (LINE, r"line 3: expected each scan once, got a again"),
        ("b,1,2", r"line 3: expected 11 columns, got 3"),
        ("", r"line 3: expected 11 columns, got 0"),
        (LINE.replace("a,", "b,", 1).replace("440", "wide"), r"line 3: .*eight finite numbers"),
        (LINE.replace("a,", "b,", 1).replace("440", "nan"), r"line 3: .*eight finite numbers"),
        (LINE.replace("a,", "b,", 1).replace("440", "1e300"), r"line 3: .*1,000,000 pixels"),
        (LINE.replace("a,", "b,", 1).replace("440", "-440"), r"line 3: .*convex.*clockwise"),
        (LINE.replace("a,", "b,", 1).replace("0f", "0F"), r"line 3: expected a sha256"),
        (LINE.replace("a,", " b,", 1), r"line 3: .*without spaces around it, got ' b'"),
        (LINE.replace("a,", ",", 1), r"line 3: expected a scan id"),
        ('"b', r"line 3: expected a row as in RFC 4180"),
    ],
)
def test_a_wrong_line_of_crops_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = lay(tmp_path, CROPS_HEADER, LINE, line)
    with pytest.raises(PreprocessError, match=rf"table\.csv, {said}"):
        read_crop_overrides(path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a,b,different,", r"line 4: expected each pair once, got a and b again"),
        ("b,a,different,", r"line 4: expected the smaller id first, and two ids, got b, a"),
        ("a,a,different,", r"line 4: expected the smaller id first, and two ids"),
        ("a,c,same_scan,", r"line 4: .*same_print, same_view, mirrored, different.*'same_scan'"),
        ("a,c,alike,", r"line 4: expected an outcome among"),
    ],
)
def test_a_wrong_line_of_pairs_is_named_also_below_a_note_of_two_lines(
    tmp_path: Path, line: str, said: str
) -> None:
    path = lay(tmp_path, PAIRS_HEADER, 'a,b,same_view,"two\nlines"', line)
    with pytest.raises(PreprocessError, match=rf"table\.csv, {said}"):
        read_pair_overrides(path)


@pytest.mark.parametrize("content", [b"", b"scan,corners\n", b"\xff\xfe\x00"])
def test_what_is_no_such_table_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(PreprocessError, match=r"table\.csv.*expected"):
        read_crop_overrides(path)


def test_what_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "crops.csv"
    write_crop_overrides(path, {CROP.scan_id: CROP})
    before = path.read_bytes()
    folded = CropOverride("a", SHA, (0, 0, 9, 9, 9, 0, 0, 9), "")
    torn = CropOverride("a", SHA, CORNERS, "\ud800")
    for bad in (folded, torn):
        with pytest.raises(ValueError, match="would not be read back"):
            write_crop_overrides(path, {"a": bad})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["crops.csv"]
