"""Files as text and back: encoding, byte order mark and line ends stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from captain.core.errors import ToolError
from captain.tools.kinds import kind_of

_UTF8_MARK: Final = b"\xef\xbb\xbf"
_UTF16: Final = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_UTF32_LE_MARK: Final = b"\xff\xfe\0\0"
_LOOKED_AT_BYTES: Final = 8000  # as git does, to tell text from other files


@dataclass(frozen=True, slots=True)
class TextFile:
    """The text of a file without its mark, and what is needed to write it again byte for byte."""

    text: str
    encoding: str = "utf-8"
    mark: bytes = b""

    def encode(self, text: str) -> bytes:
        """Raises `ToolError` for what is no character."""
        errors = "surrogateescape" if self.encoding == "utf-8" else "surrogatepass"
        try:
            return self.mark + text.encode(self.encoding, errors)
        except UnicodeEncodeError as error:
            raise ToolError(
                f"The text cannot be written: it holds {text[error.start]!r}, which is no character."
            ) from None


def decode(data: bytes, path: str) -> TextFile:
    """Bytes that are no UTF-8 survive a round trip as surrogate escapes. Raises `ToolError` for a binary file."""
    if (encoding := _UTF16.get(data[:2])) and _may_be_utf16(data):
        return TextFile(data[2:].decode(encoding, "surrogatepass"), encoding, data[:2])
    if is_binary(data):
        raise ToolError(f"{describe_binary(path, data, len(data))}; it cannot be shown or edited as text.")
    mark = _UTF8_MARK if data.startswith(_UTF8_MARK) else b""
    return TextFile(data[len(mark) :].decode("utf-8", "surrogateescape"), mark=mark)


def _may_be_utf16(data: bytes) -> bool:
    """Besides its mark: any space or line end of it has a zero byte."""
    return b"\0" in data and len(data) % 2 == 0 and not data.startswith(_UTF32_LE_MARK)


def is_binary(data: bytes) -> bool:
    return b"\0" in data[:_LOOKED_AT_BYTES]


def describe_binary(path: str, data: bytes, size_bytes: int) -> str:
    kind = kind_of(data)
    return f"{path} is a binary file ({size_bytes} bytes{f', {kind}' if kind else ''})"


def encode_new(text: str) -> bytes:
    """The text of a new file, as UTF-8. Raises `ToolError`."""
    return TextFile("").encode(text)


def lines_of(text: str) -> list[str]:
    """Lines as git, editors and compilers count them: `str.splitlines` would also end one at a form feed."""
    lines = text.removesuffix("\n").split("\n") if text else []
    return [line.removesuffix("\r") for line in lines]


def presentable(text: str) -> str:
    """What a model can be sent: bytes that were no character are shown as �."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if not text.isascii() else text
