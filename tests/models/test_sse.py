from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captain.models.sse import AnswerDecoder

STREAM = ': hello\r\n\r\ndata: {"a": "\u2028ä"}\r\n\r\nevent: x\ndata:{"b":\ndata: 2}\n\n\n\ndata: [DONE]\n\n'.encode()


def decode(*chunks: bytes) -> list[bytes]:
    decoder = AnswerDecoder()
    documents = [document for chunk in chunks for document in decoder.feed(chunk)]
    return documents + decoder.end()


def test_events_are_read_whatever_their_line_ends_and_comments() -> None:
    assert decode(STREAM) == ['{"a": "\u2028ä"}'.encode(), b'{"b":\n2}', b"[DONE]"]


@given(cuts=st.lists(st.integers(min_value=0, max_value=len(STREAM)), max_size=8))
def test_where_the_bytes_are_cut_makes_no_difference(cuts: list[int]) -> None:
    marks = [0, *sorted(cuts), len(STREAM)]

    assert decode(*(STREAM[a:b] for a, b in pairwise(marks))) == decode(STREAM)


def test_a_last_event_without_its_blank_line_counts() -> None:
    assert decode(b"data: 1\n\ndata: [DONE]") == [b"1", b"[DONE]"]


@pytest.mark.parametrize("start", [b"", b" \n", b"\xef\xbb\xbf"])
def test_a_json_body_is_one_document(start: bytes) -> None:
    decoder = AnswerDecoder()

    assert decoder.feed(start + b'{"a":\n\n') == []
    assert decoder.feed(b"1}") == []
    assert decoder.is_whole
    assert decoder.end() == [b'{"a":\n\n1}']


def test_a_page_has_no_documents_and_its_beginning_is_kept() -> None:
    decoder = AnswerDecoder()

    assert decoder.feed(b"<html>\n\n" + b"x" * 1000) == []
    assert decoder.end() == []
    assert decoder.head.startswith(b"<html>")
    assert len(decoder.head) == 400
