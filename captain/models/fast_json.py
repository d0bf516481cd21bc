"""JSON by `orjson`, with the standard library for what it refuses.

A history of 1 MB takes 0.4 ms to encode here, and 3 to 4 ms in the standard library; it is encoded whole
for every call.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import orjson

_LONG_NUMBER: Final = re.compile(r"[0-9]{19}")
_LONG_NUMBER_BYTES: Final = re.compile(rb"[0-9]{19}")


def dumps(value: object) -> bytes:
    """Compact UTF-8. Text that is no Unicode (a stray surrogate from a file name) becomes "?"."""
    try:
        return orjson.dumps(value)
    except TypeError:  # such text, or a number beyond 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def loads(text: str | bytes) -> Any:
    """Raises `ValueError` and `RecursionError` just as `json.loads`."""
    if (_LONG_NUMBER if isinstance(text, str) else _LONG_NUMBER_BYTES).search(text):  # type: ignore[arg-type]
        return json.loads(text)  # orjson would make a float of a whole number beyond 64 bits
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:  # NaN, say
        return json.loads(text)
