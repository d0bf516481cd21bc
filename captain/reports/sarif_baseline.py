"""An earlier SARIF document, and which results of a later one are the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from captain.core.errors import UsageError
from captain.reports.escape import visible
from captain.review.identity import IN_ONE_SYMBOL, WORD_FOR_WORD
from captain.review.wording import rarity, similarity

State: TypeAlias = Literal["new", "unchanged", "updated"]

_KEYS: Final = ("captainCheck/v1", "captainPlace/v1", "captainQuote/v1", "captainContext/v1")
"""In the order in which they are trusted."""

_LEVELS: Final = ("none", "note", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """A result, as far as it is compared."""

    rule: str
    level: str
    suppressed: bool
    text: str
    uri: str
    symbol: str
    marks: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior(Now):
    """A result of the earlier document. `line` is 0 where none is said."""

    line: int = 0


def read_baseline(text: str, where: str) -> tuple[Prior, ...]:
    """The results of Captain's in a document that stood at `where`. Raises `UsageError`."""
    hint = "Give a file that captain review --sarif has written."
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"The baseline {where} is no JSON: {error}.", hint=hint) from None
    if not isinstance(document, dict) or document.get("version") != "2.1.0":
        raise UsageError(f"The baseline {where} is no SARIF document of version 2.1.0.", hint=hint)
    runs = document.get("runs")
    if not isinstance(runs, list):
        raise UsageError(f"The baseline {where} has no list under 'runs'.", hint=hint)
    own = [run for run in runs if _at(run, "tool", "driver", "name") == "Captain"]
    if not own:
        raise UsageError(f"The baseline {where} holds no run of Captain's.", hint=hint)
    return tuple(prior for run in own for result in _list(run, "results") if (prior := _prior(result)) is not None)


def _prior(result: Any) -> Prior | None:
    """None for what was absent there already, and for what is no result."""
    rule, level = _text(result, "ruleId"), _text(result, "level")
    if not rule or _text(result, "baselineState") == "absent":
        return None
    location = next(iter(_list(result, "locations")), None)
    if _at(location, "message") is not None:  # a file that only stood for the change as a whole
        location = None
    line = _at(location, "physicalLocation", "region", "startLine")
    symbol = next(iter(_list(location, "logicalLocations")), None)
    marks = _at(result, "partialFingerprints")
    return Prior(
        rule=rule,
        level=level if level in _LEVELS else "warning",
        suppressed=bool(_list(result, "suppressions")),
        text=_text(result, "message", "text"),
        uri=_text(location, "physicalLocation", "artifactLocation", "uri"),
        symbol=_text(symbol, "fullyQualifiedName"),
        marks={key: value for key, value in marks.items() if isinstance(value, str)} if isinstance(marks, dict) else {},
        line=line if isinstance(line, int) and not isinstance(line, bool) and line > 0 else 0,
    )


def compare(now: Sequence[Now], before: Sequence[Prior]) -> tuple[list[State], list[Prior]]:
    """The state of each result, and the earlier ones that are gone. Each earlier one is matched once.

    What had been turned down before and is not said again is no news, and not among those that are gone.

    The surest key first, over all results, then the same function with similar words: a later key must not take what
    a surer one would have given to another.
    """
    found: dict[int, Prior] = {}
    free = list(before)
    for one, prior in [*_by_key(now, before), *_by_words(now, before)]:
        if one not in found and any(prior is other for other in free):
            found[one] = prior
            free = [other for other in free if other is not prior]
    states = [_state(one, found.get(place)) for place, one in enumerate(now)]
    return states, [prior for prior in free if not prior.suppressed]


def _by_key(now: Sequence[Now], before: Sequence[Prior]) -> Iterator[tuple[int, Prior]]:
    for key in _KEYS:
        for place, one in enumerate(now):
            yield from (
                (place, prior) for prior in before if key in one.marks and one.marks[key] == prior.marks.get(key)
            )


def _by_words(now: Sequence[Now], before: Sequence[Prior]) -> Iterator[tuple[int, Prior]]:
    common = rarity([one.text for one in (*now, *before)])
    pairs = [
        (similarity(one.text, prior.text, common), place, prior)
        for place, one in enumerate(now)
        for prior in before
        if one.uri == prior.uri and one.symbol == prior.symbol
    ]
    for alike, place, prior in sorted(pairs, key=lambda pair: -pair[0]):
        if alike >= (IN_ONE_SYMBOL if prior.symbol else WORD_FOR_WORD):
            yield place, prior


def _state(now: Now, before: Prior | None) -> State:
    """Wording and line do not count: a model never says the same thing twice."""
    if before is None:
        return "new"
    same = (now.rule, now.level, now.suppressed) == (before.rule, before.level, before.suppressed)
    return "unchanged" if same else "updated"


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _text(value: Any, *keys: str) -> str:
    found = _at(value, *keys)
    return visible(found) if isinstance(found, str) else ""


def _list(value: Any, key: str) -> list[Any]:
    found = _at(value, key)
    return found if isinstance(found, list) else []
