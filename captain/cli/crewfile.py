"""Crew files: which models make up a crew and what a run may spend, as TOML.

[crew]
captain = "openai:gpt-5.5"
build   = "openai-chat:qwen3@http://localhost:8000/v1"
review  = ["anthropic:claude-opus-4-7"]

[budget]
usd    = 5.00
tokens = 2_000_000
time   = "30m"
calls  = 400
turns  = 300
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from captain.cli.values import parse_count, parse_duration, parse_usd
from captain.core.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class CrewFile:
    """What a crew file says; None and () where it says nothing."""

    captain: str | None = None
    build: str | None = None
    review: tuple[str, ...] = ()
    advisor: str | None = None
    usd: Decimal | None = None
    tokens: int | None = None
    time_s: float | None = None
    calls: int | None = None
    turns: int | None = None


def read_crew_file(path: Path) -> CrewFile:
    """Raises `UsageError`, naming the file and the key."""
    tables = _load(path)
    _know(path, "the file", tables, tuple(_TABLES))
    found: dict[str, Any] = {}
    for table, keys in _TABLES.items():
        content = tables.get(table, {})
        if not isinstance(content, dict):
            raise UsageError(f"{path}: {table} is not a table.", hint=f"Write [{table}] and its keys below it.")
        _know(path, f"[{table}]", content, tuple(keys))
        for key, value in content.items():
            field, parse = keys[key]
            found[field] = parse(value, f"{path}: [{table}] {key}")
    return CrewFile(**found)


def _load(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file, parse_float=Decimal)  # money is read exactly as it is written
    except OSError as error:
        raise UsageError(
            f"The crew file {path} cannot be read: {error.strerror}.", hint="Check the path given to --crew."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The crew file {path} is not valid TOML: {error}.", hint="Mend it at that place.") from error


def _know(path: Path, where: str, given: dict[str, Any], known: tuple[str, ...]) -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            suggestion = f"Did you mean {near[0]!r}? " if near else ""
            raise UsageError(
                f"{path}: {where} has a key {key!r} that Captain does not know.",
                hint=f"{suggestion}Known here: {', '.join(known)}.",
            )


def _model(value: object, where: str) -> str:
    if isinstance(value, str) and value.strip():
        return value
    raise UsageError(f"{where} is not the name of a model.", hint='Write a name in quotes, such as "openai:gpt-5.5".')


def _models(value: object, where: str) -> tuple[str, ...]:
    """One name, or a list of them."""
    if isinstance(value, list) and value:
        return tuple(_model(item, where) for item in value)
    return (_model(value, where),)


_TABLES: Final[dict[str, dict[str, tuple[str, Callable[[Any, str], object]]]]] = {
    "crew": {
        "captain": ("captain", _model),
        "build": ("build", _model),
        "review": ("review", _models),
        "advisor": ("advisor", _model),
    },
    "budget": {
        "usd": ("usd", parse_usd),
        "tokens": ("tokens", parse_count),
        "time": ("time_s", parse_duration),
        "calls": ("calls", parse_count),
        "turns": ("turns", parse_count),
    },
}
