"""The fast encoder says the same as the standard library, on every value a request can hold."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from captain.models import fast_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@example(value=2**64)
@example(value=[-(2**70), 1.5e300])
@given(value=VALUES)
def test_what_is_encoded_reads_back_as_it_was(value: object) -> None:
    assert json.loads(fast_json.dumps(value)) == fast_json.loads(fast_json.dumps(value)) == value


@given(value=st.recursive(st.integers(-(2**53), 2**53) | st.text(), st.lists))
def test_the_bytes_are_those_of_the_standard_library(value: object) -> None:
    assert fast_json.dumps(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.parametrize("value", ["stray \udcff surrogate", {"\ud800": 1}])
def test_text_that_is_no_unicode_does_not_fail_a_call(value: object) -> None:
    assert b"?" in fast_json.dumps(value)


def test_what_only_the_standard_library_takes_is_still_taken() -> None:
    assert fast_json.loads('{"a": Infinity}') == {"a": float("inf")}
    with pytest.raises(ValueError, match="Expecting"):
        fast_json.loads("{")
