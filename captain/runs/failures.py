"""The error a step broke off with, kept so that a replay can raise it again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from captain.core.errors import CaptainError
from captain.core.masking import Masker


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """`error` is the name of its class; the words are masked."""

    error: str
    message: str = ""
    hint: str = ""

    @classmethod
    def of(cls, error: BaseException, masker: Masker) -> Failure:
        hint = masker.mask(error.hint) if isinstance(error, CaptainError) else ""
        return cls(error=type(error).__name__, message=masker.mask(str(error)), hint=hint)

    @classmethod
    def read(cls, body: str | None) -> Failure:
        """The name alone is what records had before."""
        said: Any = json.loads(body or '""')
        return cls(error=said) if isinstance(said, str) else cls(**said)

    def written(self) -> str:
        return json.dumps({"error": self.error, "message": self.message, "hint": self.hint})

    def again(self) -> CaptainError | None:
        """The same error, without what only the first one knew; None if it was none of Captain's own."""
        kind = next((known for known in _kinds(CaptainError) if known.__name__ == self.error), None)
        if kind is None:
            return None
        error = kind.__new__(kind)
        CaptainError.__init__(error, self.message, hint=self.hint)
        return error


def _kinds(kind: type[CaptainError]) -> Iterator[type[CaptainError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)
