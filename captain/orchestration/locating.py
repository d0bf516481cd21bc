"""Whether the places that a diagnosis names exist: files in the base commit, and what is said to be defined in them."""

from __future__ import annotations

import difflib
import re
from typing import Final

from captain.core.house_rules import Broken
from captain.core.tasks import Diagnosis, Location
from captain.guards.symbols import Definitions
from captain.orchestration.context import Voyage

_READ_BYTES: Final = 1_000_000
_PYTHON: Final = (".py", ".pyi")


async def location_problems(voyage: Voyage, diagnosis: Diagnosis) -> tuple[Broken, ...]:
    """Symbols that their files do not have. That the files exist has been seen to."""
    found = []
    for location in diagnosis.locations:
        if not location.symbol or not location.symbol.strip():
            continue
        data = await voyage.repository.read(voyage.base, location.path, limit_bytes=_READ_BYTES)
        if data is not None and (problem := symbol_problem(location, data.decode("utf-8", "replace"))):
            found.append(Broken(rule="locations exist", how=f"{diagnosis.id} {problem}"))
    return tuple(found)


def symbol_problem(location: Location, source: str) -> str | None:
    """What is wrong with the symbol of a location, to be read after the name of the diagnosis."""
    symbol = (location.symbol or "").strip()
    bare = symbol.replace("::", ".").replace("#", ".").split("(")[0].strip(" .`")
    last = re.split(r"[.\s]", bare)[-1] if bare else ""
    if not last:
        return f"names the symbol {symbol!r}, which is no name"
    names: frozenset[str] = frozenset()
    if location.path.endswith(_PYTHON):
        try:
            names = Definitions.of(source).names
        except (SyntaxError, ValueError):  # no Python that can be read: its text decides
            return _in_text(location, last, source)
        if any(f".{name}.".endswith(f".{bare}.") for name in names) or _inner(last, source):
            return None
        near = difflib.get_close_matches(bare, names, n=1) or difflib.get_close_matches(last, names, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        return f"points at {symbol!r}, which {location.path} does not define{meant}"
    return _in_text(location, last, source)


def _inner(name: str, source: str) -> bool:
    """A function in a function, or an attribute: these are not among the definitions of a module."""
    word = re.escape(name)
    return bool(re.search(rf"(?m)^\s*(?:(?:async\s+)?def|class)\s+{word}\b|\b{word}\s*(?::[^=\n]+)?=(?!=)", source))


def _in_text(location: Location, name: str, source: str) -> str | None:
    if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", source):
        return None
    return f"points at {location.symbol!r}, which does not occur in {location.path}"
