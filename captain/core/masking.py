"""Secrets taken out of text, in whatever form they stand in it.

Two kinds are found: values the host knows to be secret, in every form in which they may be written (raw,
base64 at each of its three offsets, hex, percent-encoded, escaped, reversed), and keys nobody has told us
of, by their shape. What is found reads `[secret]` or `[secret:NAME]` afterwards. Masking twice changes nothing.

A text is masked before it is used, not when it is written: what was remembered is then the same as what
was said, and a run that is resumed goes on from the same words.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import PurePath
from typing import Any, Final, TypeVar, cast
from urllib.parse import quote, quote_plus, unquote

from captain.core import key_shapes

T = TypeVar("T")

LEAST_CHARS: Final = 8
MASK: Final = "[secret]"

_WORD_CHARS: Final = 20
_WORDS: Final = re.compile(r"(?:[a-z]+|[A-Z]+|[A-Z][a-z]+)+(?:[-_. /](?:[a-z]+|[A-Z]+|[A-Z][a-z]+)+)*")
_WRAPPED: Final = re.compile(r"^[A-Za-z0-9+/]{60,76}\r?\n(?:[A-Za-z0-9+/]{60,76}\r?\n)*[A-Za-z0-9+/=]*", re.MULTILINE)
_ESCAPES: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+|[^%]+|%")
_URL_PASSWORD: Final = re.compile(r"://[^\s/@:]*:([^\s/@]+)@")


class Masker:
    """Masks `values`, and those of `named` with their names; without any, only what has the shape of a key.

    A value that is short or reads like a word is left alone: masking it would say more than it hides.
    """

    def __init__(self, values: Iterable[str] = (), *, named: Mapping[str, str] | None = None) -> None:
        masks: dict[str, str] = {}
        for name, value in (named or {}).items():
            for part in parts(value):
                masks.setdefault(part, f"[secret:{name}]")
        for value in values:
            for part in parts(value):
                masks.setdefault(part, MASK)
        self._values = tuple(masks.items())
        needles = {form: mask for value, mask in masks.items() for form in forms(value)}
        self._known = tuple(sorted(needles.items(), key=lambda needle: -len(needle[0])))
        self._longest = max([key_shapes.LONGEST_CHARS, *map(len, needles)])

    def __repr__(self) -> str:
        return f"Masker({len(self._known)} forms of known values)"

    def mask(self, text: str) -> str:
        """`text` without secrets; the very same string where there are none."""
        return _masked(text, self._spans(text))

    def knows(self, text: str) -> bool:
        """Whether a value the host knows stands in `text`, in any form."""
        return any(needle in text for needle, _ in self._known) or any(self._hidden(text))

    def value(self, value: T) -> T:
        """A value with all text in it masked: dataclasses, tuples, lists and mappings at any depth.

        A vendor's own form of a part that was masked is dropped, since it says the same once more.
        """
        return cast("T", self._each(value))

    def error(self, error: BaseException) -> None:
        """Masks what an error says, in place, for it goes on to whoever catches it."""
        error.args = self._each(error.args)
        if isinstance(hint := getattr(error, "hint", None), str):
            error.hint = self.mask(hint)  # type: ignore[attr-defined]

    def stream(self) -> MaskingStream:
        """For text that comes in pieces: a secret can begin in one and end in another."""
        return MaskingStream(self._spans, self._longest)

    def _each(self, value: Any) -> Any:
        match value:
            case str():
                return self.mask(value)
            case None | int() | float() | bytes():
                return value
            case tuple() | list():
                items = [self._each(item) for item in value]
                same = all(new is old for new, old in zip(items, value, strict=True))
                return value if same else type(value)(items)
            case dict():
                return {self._each(key): self._each(item) for key, item in value.items()}
            case PurePath():
                return type(value)(self.mask(str(value)))
        return self._dataclass(value) if is_dataclass(value) and not isinstance(value, type) else value

    def _dataclass(self, value: Any) -> Any:
        changed = {}
        for field in fields(value):
            old = getattr(value, field.name)
            if field.name != "opaque" and (new := self._each(old)) is not old and new != old:
                changed[field.name] = new
        opaque = getattr(value, "opaque", None)
        if opaque is not None and (changed or self.knows(opaque.data)):
            changed["opaque"] = None
        return replace(value, **changed) if changed else value

    def _spans(self, text: str) -> list[tuple[int, int, str]]:
        found: list[tuple[int, int, str]] = []
        for needle, mask in self._known:
            at = text.find(needle)
            while at >= 0:
                found.append((at, at + len(needle), mask))
                at = text.find(needle, at + len(needle))
        found += self._hidden(text)
        found += [(start, end, MASK) for start, end in key_shapes.spans(text)]
        return found

    def _hidden(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Values in forms that are not written in one way only."""
        if self._known:
            yield from self._wrapped(text)
            yield from self._escaped(text)

    def _wrapped(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Blocks of base64 or hex that were broken into lines, as `base64` and `xxd` do, with a value in them."""
        for block in _WRAPPED.finditer(text):
            whole = re.sub(r"\s+", "", block[0])
            for needle, mask in self._known:
                if needle in whole and needle not in block[0]:
                    yield (*block.span(), mask)
                    break

    def _escaped(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Percent-encoded, as each sender chooses: these characters or those, in either case."""
        decoded = unquote(text) if "%" in text else text
        if decoded is text or not any(value in decoded for value, _ in self._values):
            return
        places: list[tuple[int, int]] = []
        said = ""
        for piece in _ESCAPES.finditer(text):
            plain = unquote(piece[0])
            whole = len(plain) == len(piece[0])
            places += [
                (piece.start() + at, piece.start() + at + 1) if whole else piece.span() for at in range(len(plain))
            ]
            said += plain
        for value, mask in self._values:
            at = said.find(value)
            while at >= 0:
                yield places[at][0], places[at + len(value) - 1][1], mask
                at = said.find(value, at + len(value))


class MaskingStream:
    """Masks text that comes in pieces. It is behind by the length of the longest secret it can find."""

    def __init__(self, spans: Any, longest: int) -> None:
        self._spans = spans
        self._longest = longest
        self._held = ""
        self._before = ""

    def feed(self, piece: str) -> str:
        """What can be said by now."""
        self._held += piece
        cut = len(self._held) - self._longest
        if cut <= 0:
            return ""
        start = self._held.rfind(key_shapes.PRIVATE_KEY, 0, cut)
        if start >= 0 and len(self._held) - start < 20_000:
            cut = start
        return self._say(cut)

    def close(self) -> str:
        """The rest."""
        return self._say(len(self._held))

    def _say(self, cut: int) -> str:
        text = self._before + self._held
        cut += len(self._before)
        found = self._spans(text)
        moved = True
        while moved:  # not through a secret, nor through one that overlaps it
            moved = False
            for start, _, _ in (span for span in found if span[0] < cut < span[1]):
                cut, moved = start, True
        done = [span for span in found if span[1] <= cut]
        said = _masked(text[:cut], done)[len(self._before) :] if cut > len(self._before) else ""
        if said:
            self._held = text[cut:]
            self._before = text[cut - 1 : cut]
        return said


def parts(value: str) -> Iterator[str]:
    """What is secret of a value: itself, and the key in a header's value, a URL or lines, where it is worth it."""
    whole = value.strip()
    found = [whole, *whole.partition(" ")[2:], *_URL_PASSWORD.findall(whole)]
    lines = whole.splitlines()
    if len(lines) > 1:
        found += [line.strip() for line in lines] + [line.partition(":")[2].strip() for line in lines]
    return (part for part in dict.fromkeys(found) if is_worth_masking(part))


def is_worth_masking(value: str) -> bool:
    """Not for what is short, a word or a few of them, a number of a few digits, or one character over and over."""
    if len(value) < LEAST_CHARS or len(set(value)) < 4:
        return False
    if not any(c.isalpha() for c in value) and len(value) < 12:
        return False
    return not (len(value) < _WORD_CHARS and _WORDS.fullmatch(value))


def forms(value: str) -> frozenset[str]:
    """Every way in which a value may be written."""
    data = value.encode("utf-8", "surrogatepass")
    escaped = json.dumps(value)[1:-1]
    found = {
        *(value, value[::-1], escaped, json.dumps(escaped)[1:-1], escaped.replace("/", "\\/")),
        *(json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1], html.escape(value)),
        value.replace("'", "'\"'\"'"),
        *_hex(data),
        *_percent(value, data),
        *(form for offset in range(3) for form in _base64(data, offset)),
    }
    return frozenset(form for form in found if len(form) >= LEAST_CHARS)


def _hex(data: bytes) -> Iterator[str]:
    for form in (data.hex(), data.hex(" "), data.hex(":"), "".join(f"\\x{byte:02x}" for byte in data)):
        yield form
        yield form.upper().replace("\\X", "\\x")


def _percent(value: str, data: bytes) -> Iterator[str]:
    text = value.encode("utf-8", "replace")
    whole = "".join(f"%{byte:02X}" for byte in data)
    for form in (quote(text, safe=""), quote(text), quote_plus(text), whole):
        yield form
        yield re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), form)


def _base64(data: bytes, offset: int) -> Iterator[str]:
    """The characters that depend on `data` alone when `offset` other bytes stand before it.

    What stands after it changes at most the last character and the padding, which are left out.
    """
    encoded = base64.b64encode(bytes(offset) + data).decode()
    own = encoded[-(-offset * 8 // 6) : (offset + len(data)) * 8 // 6]
    yield own
    yield own.replace("+", "-").replace("/", "_")


def _masked(text: str, found: list[tuple[int, int, str]]) -> str:
    if not found:
        return text
    said: list[str] = []
    place = 0
    for start, end, mask in _joined(found):
        said += [text[place:start], mask]
        place = end
    return "".join([*said, text[place:]])


def _joined(found: list[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """Overlapping places as one; a name is kept where there is one."""
    found.sort(key=lambda span: (span[0], -span[1]))
    start, end, mask = found[0]
    for next_start, next_end, next_mask in found[1:]:
        if next_start < end:
            end = max(end, next_end)
            mask = next_mask if mask == MASK else mask
        else:
            yield start, end, mask
            start, end, mask = next_start, next_end, next_mask
    yield start, end, mask
