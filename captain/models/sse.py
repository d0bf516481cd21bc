"""Bytes of an answer to the JSON documents in it, whether they come as an event stream or as one body.

Servers that were asked to stream and answer with a single JSON body exist, and so do gateways that put an
HTML page there: the first character tells them apart more reliably than the content type does. Lines are
split on bytes, since splitting text also splits at U+2028, which JSON strings may contain.
"""

from __future__ import annotations

from typing import Final

DONE: Final = b"[DONE]"
_HEAD_BYTES: Final = 400
_BOM: Final = b"\xef\xbb\xbf"


class AnswerDecoder:
    """Feed it the bytes as they come; `head` is how the answer began."""

    def __init__(self) -> None:
        self.head = b""
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._whole: bool | None = None  # None until the first character that is no space

    @property
    def is_whole(self) -> bool:
        """The answer is one JSON body and no event stream."""
        return self._whole is True

    def feed(self, chunk: bytes) -> list[bytes]:
        """The documents that this chunk completes."""
        if len(self.head) < _HEAD_BYTES:
            self.head = (self.head + chunk)[:_HEAD_BYTES]
        self._rest += chunk
        if self._whole is None:
            self._rest = self._rest.removeprefix(_BOM).lstrip()
            if self._rest:
                self._whole = self._rest[:1] in b"{["
        if self._whole or b"\n" not in chunk:
            return []
        return self._lines()

    def end(self) -> list[bytes]:
        """What is left when the bytes have ended: the JSON body, or a last event without its blank line."""
        if self._whole:
            return [bytes(self._rest)]
        self._rest += b"\n\n"
        return self._lines()

    def _lines(self) -> list[bytes]:
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest[:] = rest
        documents = []
        for raw in lines:
            line = raw.rstrip(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:].strip())
            elif not line and self._data:
                documents.append(b"\n".join(self._data))
                self._data.clear()
        return documents
