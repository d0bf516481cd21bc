"""From what a reviewer handed in to cases: checked, pinned to the code, matched with what is known, attributed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final, get_args

from captain.core.cases import Anchor, Case
from captain.core.errors import BudgetExceededError, ModelError
from captain.core.findings import Finding, Review, Severity
from captain.core.loop_events import FindingProposed
from captain.review.admission import heard, heaviest
from captain.review.anchors import anchor_at, locate, symbol_at
from captain.review.asking import Judge
from captain.review.identity import Known, Match, identify, same_path
from captain.review.linemap import TreeMap
from captain.review.trees import Trees

_NEAR_LINES: Final = 3
_TEXT_CHARS: Final = 4_000
_TEXTS: Final = ("category", "path", "anchor", "claim", "evidence")
_SEVERITIES: Final = get_args(Severity)


def usable(review: object, limit: int) -> tuple[tuple[Finding, ...], int]:
    """The findings of a review that can be looked into, and how many were left out. Raises `ValueError`."""
    if not isinstance(review, Review):
        raise ValueError(f"it handed in no review but {type(review).__name__}")  # noqa: TRY004
    sound = tuple(_short(finding) for finding in review.findings if _is_sound(finding))
    taken, left = heaviest(sound, limit)
    return taken, len(left) + len(review.findings) - len(sound)


def _is_sound(finding: object) -> bool:
    return (
        isinstance(finding, Finding)
        and finding.severity in _SEVERITIES
        and all(isinstance(getattr(finding, name), str) for name in _TEXTS)
        and bool(finding.claim.strip())
    )


def _short(finding: Finding) -> Finding:
    clipped = {name: getattr(finding, name)[:_TEXT_CHARS] for name in _TEXTS}
    check = finding.suggested_check
    usable_check = check if isinstance(check, str) and check.strip() and len(check) <= _TEXT_CHARS else None
    return replace(finding, **clipped, suggested_check=usable_check)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What findings are held against: the commit under review, the one it is compared with, and what is known.

    `history` are the loop's own commits from the start to `head`; `labels` gives the fix a commit of it stands for.
    `parent` and `brought_by` are set in the delta review of a fix.
    """

    base: str
    head: str
    history: tuple[str, ...]
    labels: dict[str, str]
    parent: str | None = None
    brought_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """`cases` gives the state as it is now; `names` makes a name for a new case."""

    trees: Trees
    cases: Callable[[], Sequence[Case]]
    names: Callable[[], str]
    in_scope: Callable[[str], bool]
    judge: Judge | None = None

    async def take(
        self,
        findings: Sequence[Finding],
        reviewer: str,
        round_: int,
        ground: Ground,
        tell: Callable[[FindingProposed], Awaitable[None]],
    ) -> None:
        """Tells of each finding of one review. What one review lists twice it holds to be two."""
        raised: set[str] = set()
        between = await self.trees.between(ground.base, ground.head)
        for said in findings:
            finding = replace(said, path=await self._path(said.path, ground))
            anchor, anchored = await self._pin(finding, ground, between)
            known = [one for one in await self._known(ground.head) if one.case.id not in raised]
            match = await self._match(finding, anchor, known)
            case = next((one.case for one in known if one.case.id == match.case), None)
            event = FindingProposed(
                case=case.id if case is not None else self.names(),
                finding=finding,
                reviewer=reviewer,
                round=round_,
                matched=match.by,
                commit=ground.head,
                anchor=anchor,
                anchored=anchored,
                about_change=await self._about(finding, anchor, between, ground),
                in_scope=not finding.path or self.in_scope(finding.path),
                introduced_by=ground.brought_by or await self._writer(anchor, ground),
                parent=ground.parent if case is None else None,
                possible_duplicate_of=match.ask[0] if match.case is None and match.ask else None,
                heard=heard(case, finding, reviewer) if case is not None else "propose",
            )
            raised.add(event.case)
            await tell(event)

    async def _path(self, said: str, ground: Ground) -> str:
        """The file that is meant: reviewers leave out the front of a path, or copy it from a diff."""
        files = await self.trees.files(ground.head) | await self.trees.files(ground.base)
        path = said.strip().strip("`")
        for candidate in _spellings(path):
            if candidate in files:
                return candidate
        fitting = [file for file in files if path and same_path(file, path)]
        return fitting[0] if len(fitting) == 1 else path

    async def _pin(self, finding: Finding, ground: Ground, between: TreeMap) -> tuple[Anchor | None, bool]:
        """Where it is, and whether what it says of that is so. A finding about the change as a whole needs no place."""
        if not finding.path:
            return None, not finding.anchor.strip()
        text = await self.trees.text(ground.head, finding.path)
        before = await self.trees.text(ground.base, finding.path)
        if not finding.anchor.strip():
            return _at_line(finding, text), text is not None or before is not None
        if text is not None:
            place = locate(
                text, finding.anchor, hint=finding.line, prefers=lambda line: between.is_new(finding.path, line)
            )
            if place is not None:
                return anchor_at(finding.path, text, *place), True
        was_there = before is not None and locate(before, finding.anchor) is not None
        return None, was_there  # it is about code that the change removed

    async def _known(self, head: str) -> list[Known]:
        known = []
        for case in self.cases():
            if case.undone:
                continue
            here = None
            if case.anchors:
                tree, anchor = case.anchors[-1]
                here = await self.trees.carried(anchor, tree, head)
            known.append(Known(case=case, here=here))
        return known

    async def _match(self, finding: Finding, anchor: Anchor | None, known: Sequence[Known]) -> Match:
        match = identify(finding, anchor, known)
        if match.case is not None or self.judge is None:
            return match
        findings = {one.case.id: one.case.finding for one in known}
        for candidate in match.ask:
            try:
                if await self.judge.same(findings[candidate], finding):
                    return Match(case=candidate, by="judge")
            except (ModelError, BudgetExceededError):
                return match  # nobody to ask: they stay apart, and are shown as possibly the same
        return replace(match, ask=())

    async def _about(self, finding: Finding, anchor: Anchor | None, between: TreeMap, ground: Ground) -> bool:
        """About the change: at a changed line or next to one, or in a function or class that was changed."""
        if not finding.path:
            return True
        file = between.by_new.get(finding.path) or between.by_old.get(finding.path)
        if file is None:
            return False
        if anchor is None or any(file.distance(anchor.line + step) <= _NEAR_LINES for step in (0, anchor.lines - 1)):
            return True
        text = await self.trees.text(ground.head, finding.path)
        if anchor.symbol is None or text is None:
            return False
        return any(symbol_at(finding.path, text, line) == anchor.symbol for line in file.added)

    async def _writer(self, anchor: Anchor | None, ground: Ground) -> str | None:
        if anchor is None:
            return None
        commit = await self.trees.written_by(anchor, ground.history)
        return ground.labels.get(commit, commit) if commit is not None else None


def _at_line(finding: Finding, text: str | None) -> Anchor | None:
    """For reviewers that name a line instead of quoting it, as linters do."""
    line = finding.line
    if text is None or not isinstance(line, int) or not 0 < line <= len(text.splitlines()):
        return None
    return anchor_at(finding.path, text, line)


def _spellings(path: str) -> Iterator[str]:
    yield path
    for front in ("a/", "b/", "./", "/"):
        if path.startswith(front):
            yield path.removeprefix(front)
    if path:
        yield str(PurePosixPath(path))
