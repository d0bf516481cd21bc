"""Whether a finding is one that is known already. Plain functions.

The keys in their order: the same failing check, the same place (followed through the diff) and kind with words in
common, the same symbol with similar words; then somebody may be asked. Line numbers and wording alone never decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from captain.core.cases import Anchor, Case, MatchedBy
from captain.core.findings import Finding
from captain.review.wording import rarity, similarity

AT_ONE_PLACE: Final = 0.15
IN_ONE_SYMBOL: Final = 0.3
WORD_FOR_WORD: Final = 0.9
WORTH_ASKING: Final = 0.1
"""Word overlap that suffices in one place, in one symbol, without any place, or to ask somebody.

On real findings in many wordings (one half of them, to choose; the other half gives the same), 0.15 keeps 67 % of
rewordings and 8 % of other findings on the same change, 0.3 keeps 16 % and 2 %, 0.1 keeps 87 % and 17 %.
"""

_ASKED_AT_MOST: Final = 3
_KINDS: Final = {
    "bug": "logic",
    "correctness": "logic",
    "functional": "logic",
    "functionality": "logic",
    "error": "logic",
    "behaviour": "logic",
    "behavior": "logic",
    "error-handling": "errors",
    "exceptions": "errors",
    "robustness": "errors",
    "reliability": "errors",
    "race": "concurrency",
    "threading": "concurrency",
    "efficiency": "performance",
    "perf": "performance",
    "vulnerability": "security",
    "injection": "security",
    "test": "tests",
    "testing": "tests",
    "coverage": "tests",
    "documentation": "docs",
    "doc": "docs",
    "readability": "style",
    "naming": "style",
    "maintainability": "design",
    "architecture": "design",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A case, and where its place is in the tree under review; None if that code is gone or was never pinned."""

    case: Case
    here: Anchor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The case a finding is the same as, or None; `ask` are cases it may be the same as, most likely first."""

    case: str | None
    by: MatchedBy = "new"
    ask: tuple[str, ...] = ()


def identify(finding: Finding, anchor: Anchor | None, known: Sequence[Known]) -> Match:
    """`known` leaves out the cases this reviewer has raised in this very review: those it holds to be others."""
    words = rarity([text_of(one.case.finding) for one in known] + [text_of(finding)])
    close = [(similarity(text_of(finding), text_of(one.case.finding), words), one) for one in known]
    close.sort(key=lambda pair: -pair[0])
    for one in known:
        if _same_check(finding, one.case):
            return Match(case=one.case.id, by="reproduction")
    for alike, one in close:
        if not _same_kind(finding, one.case.finding):
            continue
        if alike >= AT_ONE_PLACE and (_same_place(anchor, one.here) or _same_quote(finding, anchor, one)):
            return Match(case=one.case.id, by="anchor")
        if alike >= WORD_FOR_WORD and _nowhere(finding, anchor, one):
            return Match(case=one.case.id, by="anchor")
    for alike, one in close:
        if alike >= IN_ONE_SYMBOL and _same_symbol(finding, anchor, one):
            return Match(case=one.case.id, by="symbol")
    ask = [
        one.case.id
        for alike, one in close
        if alike >= WORTH_ASKING and _may_meet(finding.path, one.case.finding.path)
        if not (alike < IN_ONE_SYMBOL and _apart(anchor, one.here))
    ]
    return Match(case=None, ask=tuple(ask[:_ASKED_AT_MOST]))


def text_of(finding: Finding) -> str:
    return f"{finding.claim} {finding.evidence}"


def kind_of(finding: Finding) -> str:
    """Reviewers' own words for a class of defect, as far as they are known to mean the same."""
    said = finding.category.strip().lower().replace(" ", "-").replace("_", "-")
    return _KINDS.get(said, said)


def _same_kind(one: Finding, other: Finding) -> bool:
    """Two findings without a kind have none in common."""
    return kind_of(one) == kind_of(other) != ""


def same_path(one: str, other: str) -> bool:
    """Reviewers like to leave out the front of a path."""
    if not one or not other:
        return one == other
    return one == other or f"/{one}".endswith(f"/{other}") or f"/{other}".endswith(f"/{one}")


def _may_meet(one: str, other: str) -> bool:
    return not one or not other or same_path(one, other)


def _same_check(finding: Finding, case: Case) -> bool:
    """The same command about the same file: a command that runs all tests shows more than one defect."""
    if finding.suggested_check is None or case.reproduction is None:
        return False
    same = " ".join(finding.suggested_check.split()) == " ".join(case.reproduction.command.split())
    return same and (same_path(finding.path, case.finding.path) or case.trusted)


def _same_place(anchor: Anchor | None, here: Anchor | None) -> bool:
    if anchor is None or here is None or anchor.path != here.path:
        return False
    return anchor.line < here.line + here.lines and here.line < anchor.line + anchor.lines


def _same_quote(finding: Finding, anchor: Anchor | None, one: Known) -> bool:
    """Of two that cannot be pinned: they quote the same code of the same file."""
    said = one.case.finding
    unpinned = anchor is None and not one.case.anchors and finding.anchor.strip() != ""
    return unpinned and same_path(finding.path, said.path) and finding.anchor.split() == said.anchor.split()


def _nowhere(finding: Finding, anchor: Anchor | None, one: Known) -> bool:
    """Of two about a file, or about the change, as a whole."""
    quoted = finding.anchor.strip() or one.case.finding.anchor.strip()
    return anchor is None and not one.case.anchors and not quoted and finding.path == one.case.finding.path


def _same_symbol(finding: Finding, anchor: Anchor | None, one: Known) -> bool:
    if not same_path(finding.path, one.case.finding.path):
        return False
    symbol = anchor.symbol if anchor is not None else finding.symbol
    there = one.here.symbol if one.here is not None else one.case.finding.symbol
    return symbol is not None and symbol == there


def _apart(anchor: Anchor | None, here: Anchor | None) -> bool:
    """Both are pinned, to different symbols."""
    return anchor is not None and here is not None and anchor.symbol != here.symbol
