import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest.content import MOST_LEVELS, parse_json, to_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_json_is_read_as_it_was_written(data: Any) -> None:
    assert parse_json(json.dumps(data).encode()) == data


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_value_error(content: bytes) -> None:
    try:
        parse_json(content)
    except ValueError:
        return


@pytest.mark.parametrize("levels", [MOST_LEVELS + 1, 200, 100_000])
def test_what_is_nested_too_deep_is_refused(levels: int) -> None:
    for content in (b"[" * levels + b"]" * levels, b'{"a":' * levels + b"1" + b"}" * levels):
        with pytest.raises(ValueError, match="nested deeper"):
            parse_json(content)


def test_what_is_nested_less_is_not() -> None:
    assert parse_json(b"[" * MOST_LEVELS + b"]" * MOST_LEVELS)


@given(st.binary(max_size=200), st.text(max_size=40))
def test_any_bytes_are_text_in_any_charset(content: bytes, charset: str) -> None:
    headers = {"Content-Type": f"text/html; charset={charset}"}
    assert isinstance(to_text(content, headers), str)


@pytest.mark.parametrize(
    "charset",
    ["utf-8", "UTF-8", '"utf-8"', "", "utf-7", "idna", "rot13", "zip", "x\x00"],
)
def test_a_charset_that_is_none_of_text_is_taken_for_utf_8(charset: str) -> None:
    headers = {"Content-Type": f"text/html; charset={charset}"}
    assert to_text(b"Zermatt", headers) == "Zermatt"
