"""The hunks of a patch put into the text of a file; all the text around them stays byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from captain.core.errors import ToolError
from captain.tools.mismatch import mismatch
from captain.tools.patch import Hunk

_LISTED: Final = 5


@dataclass(slots=True)
class _Line:
    """`end` is None for a new line whose end is that of the lines around it."""

    text: str
    end: str | None


def apply_hunks(text: str, hunks: Sequence[Hunk], path: str) -> str:
    """Raises `ToolError` that names the hunk and the text that is most like it."""
    lines = _split(text)
    done: list[_Line] = []
    at = 0
    for number, hunk in enumerate(hunks, 1):
        name = f"Hunk {number} of {len(hunks)} for {path}" if len(hunks) > 1 else f"The hunk for {path}"
        start = _Search(lines, hunk, at, name).place()
        done += [*lines[at:start], *_changed(lines[start : start + len(hunk.old)], hunk)]
        at = start + len(hunk.old)
    done += lines[at:]
    return _joined(done, ends=not lines or lines[-1].end != "")


def _split(text: str) -> list[_Line]:
    pieces = text.split("\n")
    last = pieces.pop()
    lines = [_Line(piece.removesuffix("\r"), "\r\n" if piece.endswith("\r") else "\n") for piece in pieces]
    return [*lines, _Line(last, "")] if last else lines


def _changed(old: Sequence[_Line], hunk: Hunk) -> list[_Line]:
    """The lines of the file where the hunk shows them, as it may show them without white space at their ends."""
    says_ends = any(not line.ends for line in hunk.lines)
    lines, there = [], iter(old)
    for line in hunk.lines:
        if line.sign == "+":
            lines.append(_Line(line.text, "" if not line.ends else None))
            continue
        kept = next(there)
        if line.sign == " ":
            lines.append(kept)
    if says_ends and lines and lines[-1].end is None:
        lines[-1].end = _own_end(old)
    return lines


def _own_end(lines: Sequence[_Line]) -> str:
    return next((line.end for line in lines if line.end), "\n")


def _joined(lines: Sequence[_Line], *, ends: bool) -> str:
    """`ends` says whether the file had an end behind its last line, which a new last line then has too."""
    usual = _own_end(lines)
    text: list[str] = []
    before = ""
    for place, line in enumerate(lines):
        last = place == len(lines) - 1
        end = line.end
        if end is None:
            following = next((each.end for each in lines[place + 1 :] if each.end is not None), "")
            end = "" if last and not ends else before or following or usual
        elif not end and not last:
            end = before or usual
        text += [line.text, end]
        before = end
    return "".join(text)


class _Search:
    """Looks for the place of one hunk in the lines from `at` on."""

    def __init__(self, lines: Sequence[_Line], hunk: Hunk, at: int, name: str) -> None:
        self._texts = [line.text for line in lines]
        self._lines = lines
        self._hunk = hunk
        self._from = at
        self._name = name

    def place(self) -> int:
        below = self._below()
        if not self._hunk.old:
            return self._insertion(below)
        at = self._from if below is None else below + 1
        found = self._found(at)
        if not found and below is not None:  # where the hunk shows the line of its @@ once more
            found = self._found(below)[:1]
        if not found:
            raise self._nowhere(at)
        return found[0] if len(found) == 1 or below is not None else self._nearest(found)

    def _below(self) -> int | None:
        """The last of the lines that `@@` names; None if it names none."""
        at, place = self._from, None
        for name in self._hunk.below:
            place = next(
                (n for n in range(at, len(self._texts)) if self._texts[n].strip() == name.strip()),
                None,
            )
            if place is None:
                report = mismatch("\n".join(self._texts[at:]), name, names=("the patch", "the new text"))
                behind = f" after line {at}" if at else ""
                raise ToolError(f"{self._name}: no line{behind} is {name!r}.{report} Nothing was changed.")
            at = place + 1
        return place

    def _insertion(self, below: int | None) -> int:
        if below is not None:
            return below + 1
        if self._hunk.near is None or self._hunk.at_end:
            return len(self._texts)
        return max(self._from, min(self._hunk.near, len(self._texts)))

    def _found(self, at: int) -> list[int]:
        old = self._hunk.old
        exact = self._matches(self._texts, old, at)
        if exact:
            return exact
        return self._matches([text.rstrip() for text in self._texts], [text.rstrip() for text in old], at)

    def _matches(self, texts: Sequence[str], old: Sequence[str], at: int) -> list[int]:
        last = len(texts) - len(old)
        first = max(at, last) if self._hunk.at_end else at
        wanted = list(old)
        return [n for n in range(first, last + 1) if texts[n] == wanted[0] and texts[n : n + len(wanted)] == wanted]

    def _nearest(self, found: Sequence[int]) -> int:
        if self._hunk.near is not None and self._hunk.near - 1 in found:
            return self._hunk.near - 1
        shown = ", ".join(str(place + 1) for place in found[:_LISTED]) + (" and more" if len(found) > _LISTED else "")
        raise ToolError(
            f"{self._name} fits in {len(found)} places, at lines {shown}. Show more of the lines around it, "
            "or name the function or class it is in behind @@. Nothing was changed."
        )

    def _nowhere(self, at: int) -> ToolError:
        if self._hunk.at_end and self._matches_anywhere():
            why = "its lines are not the end of the file, as `*** End of File` says"
        elif at and (above := self._matches_anywhere()) and above[0] < at:
            why = f"its lines stand at line {above[0] + 1}, above line {at}, where the hunk or its @@ before ends"
        else:
            why = "its lines are not in the file"
        old = "\n".join(self._hunk.old)
        new = "\n".join(line.text for line in self._hunk.lines if line.sign != "-")
        report = mismatch("\n".join(self._texts), old, new, names=("the patch", "its new text"))
        return ToolError(f"{self._name} does not fit: {why}.{report}\nNothing was changed.")

    def _matches_anywhere(self) -> list[int]:
        old = list(self._hunk.old)
        return [n for n in range(len(self._texts)) if self._texts[n : n + len(old)] == old]
