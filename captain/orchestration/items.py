"""The items of a request: what the Captain says the request asks for, held against its words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from captain.core.house_rules import Broken
from captain.core.tasks import Plan, RequestItem, Task, Triage
from captain.orchestration.request import Part, parts_of, words_of

_GAP: Final = re.compile(r"…|\.\.\.|\[[.…]+\]")
_ENOUGH_WORDS: Final = 3  # of a part, to count as mentioned
_QUOTE_CHARS: Final = 80
_TELLING_CHARS: Final = 4  # of a word that says something by itself


def items_of(request: str, handed_in: Sequence[RequestItem] = ()) -> tuple[RequestItem, ...]:
    """Those handed in, or every part of the request as one; what is said twice is one."""
    if handed_in:
        return tuple(handed_in)
    said = dict.fromkeys(part.text for part in parts_of(request))
    return tuple(RequestItem(id=f"R{number}", text=text) for number, text in enumerate(said, 1))


def item_problems(request: str, items: Sequence[RequestItem]) -> tuple[Broken, ...]:
    """Quotations that are none, and parts of the request that no item mentions."""
    words, parts = words_of(request), parts_of(request)
    found = [_covered(f"the id {name!r} of an item is used {n} times") for name, n in _repeated(items)]
    mentioned: set[int] = set()
    for item in items:
        if not item.id.strip():
            found.append(_covered(f"the item {_cut(item.text)!r} has no id"))
        quoted = _quoted(item, words, parts)
        if quoted is None:
            found.append(_covered(f"{item.id} is to quote the request, and {_cut(item.text)!r} does not occur in it"))
            continue
        mentioned.update(*quoted)
        if not item.context and len(lumped := _lumped(parts, quoted)) > 1:
            said = ", ".join(repr(_cut(text)) for text in lumped)
            found.append(_covered(f"{item.id} takes together what is asked for apart: {said}; make an item of each"))
    found += [
        _covered(f"no item mentions {_cut(part.text)!r}; quote it, with `context` if it is only background")
        for part in parts
        if not _mentions(mentioned, part)
    ]
    if items and not any(not item.context for item in items):
        found.append(_covered("all items are context; something of the request is asked for"))
    return tuple(found)


def _covered(how: str) -> Broken:
    return Broken(rule="request covered", how=how)


def _cut(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _QUOTE_CHARS else plain[: _QUOTE_CHARS - 1] + "…"


def _repeated(items: Sequence[RequestItem]) -> list[tuple[str, int]]:
    return [(name, n) for name, n in Counter(item.id for item in items).items() if n > 1]


def _quoted(item: RequestItem, words: Sequence[str], parts: Sequence[Part]) -> list[range] | None:
    """Where the item's words stand in the request; None if they do not. Background may leave out a middle."""
    said = words_of(item.text)
    if exact := [range(part.first, part.last + 1) for part in parts if words_of(part.text) == said]:
        return exact
    if whole := _places(said, words, parts):
        return whole
    found = [_places(words_of(piece), words, parts) for piece in _GAP.split(item.text) if words_of(piece)]
    if not found or not all(found):
        return None
    quoted = [place for places in found for place in places]
    if item.context:
        first, last = found[0][0], found[-1][0]
        quoted.append(range(first.start, max(first.stop, last.stop)))
    return quoted


def _places(piece: Sequence[str], words: Sequence[str], parts: Sequence[Part]) -> list[range]:
    """Every place a quotation may be of: where it fills most of what it stands in."""
    size = len(piece)
    found = [
        range(at, at + size)
        for at in range(len(words) - size + 1 if size else 0)
        if list(words[at : at + size]) == list(piece)
    ]
    stands_in = [sum(part.last - part.first + 1 for part in parts if _touches(place, part)) for place in found]
    return [place for place, around in zip(found, stands_in, strict=True) if around == min(stands_in)]


def _touches(place: range, part: Part) -> bool:
    return place.start <= part.last and part.first < place.stop


def _mentions(places: Collection[int], part: Part) -> bool:
    """Whether enough of a part is among these words to know that it is meant."""
    quoted = sum(place in places for place in range(part.first, part.last + 1))
    return quoted >= min(_ENOUGH_WORDS, part.last - part.first + 1)


def _lumped(parts: Sequence[Part], quoted: Sequence[range]) -> list[str]:
    """Bullets and sentences that ask for something each, and stand in one quotation."""
    asked: dict[tuple[str, ...], str] = {}
    sentences: set[int] = set()
    for part in parts:
        if part.kind != "statement" and part.sentence not in sentences and any(_mentions(q, part) for q in quoted):
            sentences.add(part.sentence)
            asked.setdefault(tuple(words_of(part.text)), part.text)
    return list(asked.values())


def answer_problems(request: str, triage: Triage) -> tuple[Broken, ...]:
    """What speaks against ending with a reply what may ask for work."""
    if triage.kind != "answer":
        return ()
    words, parts = words_of(request), parts_of(request)
    settled = set[int]()
    for item in triage.items:
        if not item.wanted:
            settled.update(*(_quoted(item, words, parts) or ()))
    orders = [part.text for part in parts if part.kind == "order" and not _mentions(settled, part)]
    found = [
        _answers(
            f"{_cut(text)!r} asks for a change, and a reply changes nothing: triage it as fix or change, or hand in "
            "an item for it with the reason in `declined`"
        )
        for text in orders
    ]
    wanted = [item for item in items_of(request, triage.items) if item.wanted]
    said = set(words_of(triage.reply))
    if len(wanted) > 1 and not orders:
        found += [
            _answers(f"the reply says nothing on {item.id} ({_cut(item.text)!r}); answer it too, and name {item.id}")
            for item in wanted
            if item.id.casefold() not in said and not _content(item.text) & said
        ]
    return tuple(found)


def _answers(how: str) -> Broken:
    return Broken(rule="answer answers the request", how=how)


def _content(text: str) -> set[str]:
    words = set(words_of(text))
    return {word for word in words if len(word) >= _TELLING_CHARS or not word.isascii()} or words


def coverage_problems(plan: Plan, items: Sequence[RequestItem]) -> tuple[Broken, ...]:
    """Items nothing serves, and what serves no item."""
    by_id = {item.id: item for item in items}
    declined = {name for name, _ in plan.declined}
    found = [_covered(f"{name!r} is declined, and is no item of the request") for name in declined - by_id.keys()]
    found += [_covered(f"{name} is declined without a reason") for name, why in plan.declined if not why.strip()]
    open_ = [item for item in items if item.wanted and item.id not in declined]
    served: set[str] = set()
    for task in plan.tasks:
        found += _unasked(task, by_id, declined)
        served |= {name for criterion in task.criteria for name in criterion.covers}
    found += [
        _covered(f"nothing covers {item.id} ({_cut(item.text)!r}): give it a criterion, or decline it with a reason")
        for item in open_
        if item.id not in served
    ]
    return tuple(found)


def _unasked(task: Task, items: dict[str, RequestItem], declined: set[str]) -> Iterator[Broken]:
    askable = ", ".join(item.id for item in items.values() if item.wanted and item.id not in declined)
    for criterion in task.criteria:
        if not criterion.covers:
            yield Broken(
                rule="nothing unasked",
                how=f"nothing asks for {criterion.id} ({_cut(criterion.text)!r}): name in `covers` which of {askable} "
                "it serves, or leave it out and note a follow-up",
            )
        for name in criterion.covers:
            item = items.get(name)
            if item is None:
                yield Broken(
                    rule="nothing unasked", how=f"{criterion.id} covers {name!r}, which is none of {askable or '-'}"
                )
            elif not item.wanted or name in declined:
                why = "only background" if item.context else "declined"
                yield Broken(rule="nothing unasked", how=f"{criterion.id} covers {name}, which is {why}")
