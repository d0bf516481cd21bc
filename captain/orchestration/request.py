"""The request, read mechanically: its parts, so that none is dropped in silence, and the files that it names.

Reading is tolerant: what is taken for a part of its own may turn out to be background, and the Captain says so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal, TypeAlias

PartKind: TypeAlias = Literal["order", "telling", "question", "point", "statement"]

_ORDERS: Final = (
    "accept|add|adjust|allow|apply|avoid|ban|bring|build|bump|change|clean|close|collapse|combine"
    "|convert|copy|correct|cover|create|cut|declare|define|delete|deprecate|disable|document|drop"
    "|enable|ensure|expose|extend|extract|fix|forbid|generate|handle|harden|hide|implement|improve"
    "|increase|inline|install|integrate|introduce|keep|let|limit|link|lower|make|mend|merge|migrate|mock"
    "|modify|move|open|optimise|optimize|patch|port|prevent|print|publish|raise|reduce|refactor|register"
    "|reject|release|remove|rename|reorder|repair|replace|reset|resolve|restore|restructure|return|revert"
    "|rewrite|round|separate|set|ship|shorten|simplify|skip|solve|sort|speed|split|stop|store|support"
    "|swap|switch|tidy|translate|turn|type|uninstall|unify|update|upgrade|use|wrap|write"
)
_TELLINGS: Final = (
    "analyse|analyze|answer|benchmark|check|compare|count|debug|describe|estimate|explain|find|give|investigate|list|"
    "look|measure|name|outline|profile|review|run|say|show|suggest|summarise|summarize|tell|test|try|validate"
)
_ASKS: Final = "are|can|could|did|do|does|has|have|how|is|may|might|shall|should|was|were|what|when|where|which|who|why"

_ORDER: Final = re.compile(rf"(?:{_ORDERS}|do not|don't|never)\b", re.IGNORECASE)
_TELLING: Final = re.compile(rf"(?:{_TELLINGS})\b", re.IGNORECASE)
_ASK: Final = re.compile(rf"(?:{_ASKS})\b", re.IGNORECASE)
_LEAD: Final = re.compile(
    r"(?:(?:and|also|then|next|finally|first|second|third|lastly|besides|additionally|please|kindly|just|now|"
    r"(?:could|can|would|will) you(?: please)?|you (?:should|must|need to|have to)|"
    r"(?:i|we)(?: would|'d)? (?:want|need|like)(?: you)? to|let's|let us)\b,?\s+)*",
    re.IGNORECASE,
)
_MUST: Final = re.compile(r"\b(?:should|must|shall|needs? to|ought to|has to|have to)\b", re.IGNORECASE)
_BULLET: Final = re.compile(r"\s*(?:[-*+•]|\(?\d{1,3}[.)]|\(?[a-z][)])\s+(?=\S)")
_TRAILER: Final = re.compile(r"[A-Z][a-z]+(?:-[A-Za-z]+)+: \S.*@")
_FENCE: Final = re.compile(r"\s*(?:```|~~~)")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=\S)|(?<=[。\uff01\uff1f])")
_SHORT_FORM: Final = re.compile(r"\b(?:e\.g|i\.e|etc|vs|cf|approx|resp|no|nr|fig|sec)\.$", re.IGNORECASE)
_CLAUSE: Final = re.compile(r"(?:;|,?\s+(?:and then|and|then|as well as|plus)|,)\s+(?=\S)", re.IGNORECASE)
_POLITE: Final = re.compile(
    r"(?:hi|hello|hey|dear|thanks?|thank you|please|cheers|regards|best|sorry)\b[^.!?]{0,40}[.!?,]?", re.IGNORECASE
)
_WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_POLITE_WORDS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A bullet, a sentence or a clause of the request: `first` to `last` are its words, counted from 0.

    Clauses of one sentence have its number in common.
    """

    text: str
    kind: PartKind
    first: int
    last: int
    sentence: int

    @property
    def wants_a_change(self) -> bool:
        return self.kind in ("order", "point")


def words_of(text: str) -> list[str]:
    """What is compared: letters and digits without case; scripts that leave no space, letter by letter."""
    return [word.casefold() for word in _WORD.findall(text)]


def parts_of(request: str) -> tuple[Part, ...]:
    """In order. Code, quotations, headings and politeness are no parts. A request that has none is one part."""
    found: list[Part] = []
    at = 0
    for piece in _pieces(request):
        size = len(words_of(piece.text))
        if piece.counts and any(map(str.isalpha, piece.text)):  # a number in brackets says nothing by itself
            kind = _kind(piece.text, pointed=piece.pointed)
            text = " ".join(piece.text.split())
            found.append(Part(text=text, kind=kind, first=at, last=at + size - 1, sentence=piece.sentence))
        at += size
    if not found and at:
        kind = _kind(request, pointed=False)
        return (Part(text=" ".join(request.split()), kind=kind, first=0, last=at - 1, sentence=0),)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of the request. Together they are all of it; what does not `count` is no part."""

    text: str
    counts: bool
    pointed: bool = False
    sentence: int = 0


def _kind(text: str, *, pointed: bool) -> PartKind:
    asks = text.rstrip("\"')] ").endswith(("?", "\uff1f"))
    bare = text.strip()
    lead = _LEAD.match(bare)
    rest = bare[lead.end() :] if lead else bare
    if _ORDER.match(rest) and not (asks and _ASK.match(rest)):
        return "order"
    if _TELLING.match(rest):
        return "telling"
    if asks:
        return "question"
    if pointed:
        return "point"
    return "order" if _MUST.search(rest) else "statement"


def _pieces(request: str) -> Iterator[_Piece]:
    number = 0
    for block in _blocks(request):
        if not block.counts:
            yield block
            continue
        for sentence in [block.text] if block.pointed else _sentences(block.text):
            number += 1
            polite = bool(_POLITE.fullmatch(sentence.strip())) and len(words_of(sentence)) <= _POLITE_WORDS
            if polite and _kind(sentence, pointed=False) == "statement":
                yield _Piece(sentence, False)
                continue
            for clause, counts in [(sentence, True)] if block.pointed else _clauses(sentence):
                yield _Piece(clause, counts, block.pointed, number)


def _blocks(request: str) -> Iterator[_Piece]:
    """Bullets with the lines that belong to them, paragraphs, and what is no part: code, quotations, headings."""
    lines: list[str] = []
    pointed = fenced = False

    def block() -> Iterator[_Piece]:
        if lines:
            yield _Piece("\n".join(lines), True, pointed)
            lines.clear()

    raw = request.splitlines()
    for number, line in enumerate(raw):
        fence = _FENCE.match(line)
        if fence or fenced:
            yield from block()
            fenced = fenced != bool(fence)
            yield _Piece(line, False)
        elif line.lstrip().startswith((">", "#")) or not line.strip() or _TRAILER.match(line):
            yield from block()
            pointed = False
            yield _Piece(line, False)
        elif mark := _BULLET.match(line):
            yield from block()
            pointed = True
            yield _Piece(mark.group(), False)
            lines.append(line[mark.end() :])
        elif not pointed and line.rstrip().endswith(":") and _leads_in(raw[number + 1 :]):
            *before, announcement = _sentences("\n".join([*lines, line]))
            lines[:] = before
            yield from block()
            yield _Piece(announcement, False)
        else:
            lines.append(line)
    yield from block()


def _leads_in(following: Sequence[str]) -> bool:
    """Whether bullets or code come next: what stands before them with a colon only announces them."""
    after = next((line for line in following if line.strip()), "")
    return bool(_BULLET.match(after) or _FENCE.match(after))


def _sentences(paragraph: str) -> Iterator[str]:
    start = 0
    for end in _SENTENCE_END.finditer(paragraph):
        sentence = paragraph[start : end.end()]
        if not _SHORT_FORM.search(sentence.rstrip()):
            yield sentence
            start = end.end()
    if paragraph[start:].strip():
        yield paragraph[start:]


def _clauses(sentence: str) -> Iterator[tuple[str, bool]]:
    """`Add X and remove Y` asks for two things: cut after an order or a telling, before another order.

    The words between do not count.
    """
    start = 0
    if _kind(sentence, pointed=False) in ("order", "telling"):
        for cut in _CLAUSE.finditer(sentence):
            lead = _LEAD.match(sentence, cut.end())
            if _ORDER.match(sentence, lead.end() if lead else cut.end()):
                yield sentence[start : cut.start()], True
                yield cut.group(), False
                start = cut.end()
    yield sentence[start:], True


_TICKED: Final = re.compile(r"`([^`\n]{1,200})`")
_SLASHED: Final = re.compile(r"(?<![\w/:.@$-])(?:\.?[\w-][\w.-]*/)+[\w.-]*\w\.[A-Za-z][A-Za-z0-9]{0,7}(?![\w/])")
_FILE_NAME: Final = re.compile(r"[\w.-]*\w\.([A-Za-z][A-Za-z0-9]{0,7})")
_ENDINGS: Final = frozenset(
    words_of(
        "c cc cfg cpp cs css csv go h hpp html ini ipynb java js json jsx kt lock lua md mk php pl po proto py pyi rb "
        "rs rst scala sh sql svg swift tex toml ts tsx txt vue xml yaml yml"
    )
)
_TO_MAKE: Final = re.compile(
    r"\b(?:add|create|generate|introduce|make|new|produce|put|save|start|store|write|emit|output|called|named|into|"
    r"to a|in a)\b",
    re.IGNORECASE,
)


def missing_files(request: str, files: Collection[str]) -> tuple[str, ...]:
    """Files the request speaks of as if they were there, and that are not; those it wants made are not among them."""
    known = set(files)
    endings = _ENDINGS | {PurePosixPath(path).suffix[1:].lower() for path in known}
    found: dict[str, None] = {}
    for part in parts_of(request):
        for path, at in _named(part.text, endings):
            if not _exists(path, known) and not _TO_MAKE.search(part.text[:at]):
                found[path] = None
    return tuple(found)


def _named(text: str, endings: Collection[str]) -> Iterator[tuple[str, int]]:
    for ticked in _TICKED.finditer(text):
        name = ticked.group(1).strip()
        file = _FILE_NAME.fullmatch(PurePosixPath(name).name) if name and " " not in name else None
        if file and "://" not in name and ("/" in name or file.group(1).lower() in endings):
            yield name, ticked.start()
    bare = _TICKED.sub(lambda ticked: " " * len(ticked.group()), text)
    for slashed in _SLASHED.finditer(bare):
        if slashed.group().rpartition(".")[2].lower() in endings:
            yield slashed.group(), slashed.start()


def _exists(path: str, known: set[str]) -> bool:
    bare = path.removeprefix("./").strip("/")
    if path.startswith(("/", "~")) or ".." in bare.split("/"):
        return True  # of the machine, not of the repository
    return any(file == bare or file.endswith(f"/{bare}") or f"/{bare}/" in f"/{file}" for file in known)
