"""Values to JSON and back.

Type adapters are built at first use: importing pydantic costs 60 ms, which `import captain` must not.

A text can hold lone surrogates: bytes of a file or a name that are no UTF-8, half of an emoji in a model's
answer. pydantic's own JSON refuses them, so such a value takes the slower road through `json`, which writes
them as escapes, and comes back as it was.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")

_ESCAPED_SURROGATE: Final = "\\ud"


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """The one type adapter for `kind`, any type pydantic understands."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def to_json(value: object, kind: Any = None) -> str:
    """`kind` is needed only where the value's own class does not say it all, as for `list[Check]`."""
    form: Any = type(value) if kind is None else kind
    try:
        encoded: bytes = adapter(form).dump_json(value)
    except ValueError:
        return json.dumps(adapter(form).dump_python(value, mode="json"), separators=(",", ":"))
    return encoded.decode()


def from_json(kind: type[T], text: str | bytes) -> T:
    """Raises `ValueError`, mostly as `pydantic.ValidationError`."""
    form: Any = kind
    try:
        return cast("T", adapter(form).validate_json(text))
    except ValueError:
        if _ESCAPED_SURROGATE not in (text if isinstance(text, str) else text.decode()):
            raise
    return cast("T", adapter(form).validate_python(json.loads(text)))


def digest(value: object) -> str:
    """A stable SHA-256 of any value the codec can write; equal values have equal digests."""
    canonical = json.dumps(json.loads(to_json(value)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def explain(error: ValueError) -> str:
    """A validation error as short lines of `where: what`, fit for a model or a person."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    lines = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        where = ".".join(str(step) for step in problem["loc"]) or "arguments"
        lines.append(f"{where}: {problem['msg']}")
    return "\n".join(lines)
