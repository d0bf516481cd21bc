"""Where the text is that was probably meant, and in what it differs: usually in white space."""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from captain.tools.text import lines_of, presentable

_SHOWN_LINES: Final = 30
_COMPARED_LINES: Final = 5_000  # by likeness, which is slow; by equality all are
_COMMON: Final = 200  # a line that often says nothing about a place
_CLOSE: Final = 0.8  # of the best score
_PLACES: Final = 4
_TELLING_CHARS: Final = 8


def mismatch(text: str, old: str, new: str = "", *, names: tuple[str, str] = ("`old`", "`new`")) -> str:
    """Sentences for who asked to replace `old`, which is not in `text`; empty if there is nothing to say.

    `names` are what both are called.
    """
    asked, instead = names
    return _already(text, new, instead) + _nearest(text, old, asked)


def _already(text: str, new: str, name: str) -> str:
    telling = len(new.strip()) >= _TELLING_CHARS
    if not telling or new not in text:
        return ""
    line = text.count("\n", 0, text.index(new)) + 1
    return f" {name[0].upper()}{name[1:]} is there already, at line {line}: was this edit made before?"


def _nearest(text: str, old: str, name: str) -> str:
    wanted = lines_of(old.strip("\r\n"))
    if not any(line.strip() for line in wanted):
        return ""
    lines = lines_of(text)
    starts = places(lines, wanted) or _alike(lines, wanted)
    if not starts:
        return " Read the file again: it may have changed."
    start, *others = starts
    found = lines[start : start + len(wanted)]
    also = f" Also like it: line{'s' if len(others) > 1 else ''} {', '.join(str(each + 1) for each in others)}."
    excerpt = "\n".join(presentable(line) for line in found[:_SHOWN_LINES])
    said = _white_space(found, wanted, start, name) + (also if others else "")
    return f"{said} The nearest text is at line {start + 1}:\n{excerpt}"


def places(lines: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Where most of the wanted lines stand, but for white space, best first; a few at most."""
    standing = defaultdict(list)
    keys = [_key(line) for line in wanted]
    sought = set(filter(None, keys))
    for number, line in enumerate(lines):
        if (key := _key(line)) in sought:
            standing[key].append(number)
    scores: Counter[int] = Counter()
    for offset, key in enumerate(keys):
        if len(standing[key]) <= _COMMON:
            for number in standing[key]:
                scores[max(number - offset, 0)] += len(key)
    if not scores:
        return []
    best = max(scores.values())
    if best < min(_TELLING_CHARS, sum(map(len, keys))):
        return []
    close = [start for start, score in scores.items() if score >= _CLOSE * best]
    return sorted(close, key=lambda start: (-scores[start], start))[:_PLACES]


def _alike(lines: Sequence[str], wanted: Sequence[str]) -> list[int]:
    first = next(line.strip() for line in wanted if line.strip())
    stripped = [line.strip() for line in lines[:_COMPARED_LINES]]
    near = difflib.get_close_matches(first, dict.fromkeys(stripped), n=1, cutoff=0.6)
    return [stripped.index(near[0])] if near else []


def _key(line: str) -> str:
    return "".join(line.split())


def _white_space(found: Sequence[str], wanted: Sequence[str], start: int, name: str) -> str:
    """What the first different line has, where nothing but white space is different."""
    if [_key(line) for line in found] != [_key(line) for line in wanted]:
        return ""
    for number, (has, asked) in enumerate(zip(found, wanted, strict=True), start + 1):
        if has != asked:
            return f" It differs in white space only: {_difference(has, asked, number, name)}."
    return " It differs in line ends only."


def _difference(has: str, asked: str, number: int, name: str) -> str:
    if has.lstrip() == asked.lstrip():
        return (
            f"line {number} begins with {_spaces(has, has.lstrip())}, in {name} with {_spaces(asked, asked.lstrip())}"
        )
    if has.rstrip() == asked.rstrip():
        end, asked_end = has[len(has.rstrip()) :], asked[len(asked.rstrip()) :]
        return f"line {number} ends with {_counted(end)}, in {name} with {_counted(asked_end)}"
    return f"line {number} has other white space between its words, or at both ends, than in {name}"


def _spaces(line: str, rest: str) -> str:
    return _counted(line[: len(line) - len(rest)])


def _counted(white: str) -> str:
    if not white:
        return "no white space"
    names = {" ": "space", "\t": "tab"}
    parts = []
    for char, count in Counter(white).items():
        name = names.get(char, "other white space")
        parts.append(f"{count} {name}{'s' if count > 1 and char in names else ''}")
    return " and ".join(parts)
