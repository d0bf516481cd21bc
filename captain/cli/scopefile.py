"""Scope files: what a change may touch, as TOML.

paths     = ["/src/", "tests/test_dates.py"]
forbid    = ["src/vendor/"]
protect   = ["src/core/", "!Makefile"]
symbols   = ["parse_date"]
max_files = 5
max_lines = 120
allow     = ["executable"]
deny      = ["delete"]
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from captain.cli.values import parse_count
from captain.core.errors import UsageError
from captain.core.tasks import USUAL_KINDS, ChangeKind, Scope
from captain.guards import KINDS, problems


def read_scope_file(path: Path) -> Scope:
    """Raises `UsageError`, naming the file, the key and the value."""
    content = _load(path)
    for key in content:
        if key not in _KEYS:
            raise UsageError(
                f"{path}: the file has a key {key!r} that Captain does not know.", hint=_choice(key, tuple(_KEYS))
            )
    given: dict[str, Any] = {key: _KEYS[key](value, f"{path}: {key}") for key, value in content.items()}
    if "paths" not in given:
        raise UsageError(f"{path}: the key 'paths' is missing.", hint='Say what may change, such as paths = ["/src/"].')
    allowed, denied = given.pop("allow", ()), given.pop("deny", ())
    if both := [kind for kind in allowed if kind in denied]:
        raise UsageError(f"{path}: {both[0]!r} is in allow and in deny.", hint="Leave it in one of them.")
    kinds = tuple(kind for kind in KINDS if kind in (*USUAL_KINDS, *allowed) and kind not in denied)
    scope = Scope(**given, kinds=kinds)
    if found := problems(scope):
        raise UsageError(f"{path}: {found[0]}.", hint="Patterns are written as in a .gitignore file.")
    return scope


def _load(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise UsageError(
            f"The scope file {path} cannot be read: {error.strerror}.", hint="Check the path given to --scope."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The scope file {path} is not valid TOML: {error}.", hint="Mend it at that place.") from error


def _texts(what: str, example: str) -> Callable[[object, str], tuple[str, ...]]:
    def parse(value: object, where: str) -> tuple[str, ...]:
        hint = f"Write {what}s in quotes, such as {example}."
        if not isinstance(value, list):
            raise UsageError(f"{where} is not a list: {value!r}.", hint=hint)
        for item in value:
            if not isinstance(item, str) or not item.strip():
                raise UsageError(f"{where} holds {item!r}, which is not a {what}.", hint=hint)
            if not item.isprintable():
                raise UsageError(f"{where} holds {item!a}, with a character that cannot be seen.", hint=hint)
        return tuple(value)

    return parse


def _kinds(value: object, where: str) -> tuple[ChangeKind, ...]:
    names = _texts("kind of change", '["executable"]')(value, where)
    for name in names:
        if name not in KINDS:
            raise UsageError(f"{where} holds {name!r}, which is no kind of change.", hint=_choice(name, KINDS))
    return tuple(kind for kind in KINDS if kind in names)


def _choice(given: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(given, known, n=1)
    suggestion = f"Did you mean {near[0]!r}? " if near else ""
    return f"{suggestion}Known here: {', '.join(known)}."


_patterns = _texts("pattern", '["/src/"]')
_KEYS: Final[dict[str, Callable[[Any, str], object]]] = {
    "paths": _patterns,
    "forbid": _patterns,
    "protect": _patterns,
    "symbols": _texts("name", '["parse_date"]'),
    "max_files": parse_count,
    "max_lines": parse_count,
    "allow": _kinds,
    "deny": _kinds,
}
