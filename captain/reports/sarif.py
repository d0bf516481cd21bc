"""A review as SARIF 2.1.0, the format that code hosts and editors take findings in.

What is known of the commit that is handed back becomes results; what was turned down is there too, suppressed, with
the reason. A result is known again by its code and its check, never by its line number or its wording.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote

from captain.core.cases import Anchor, Case, present
from captain.core.findings import Severity
from captain.core.loop_events import ReviewEnded
from captain.reports.escape import one_line, visible
from captain.reports.jsonable import dumps
from captain.reports.sarif_baseline import Now, Prior, compare
from captain.review.identity import kind_of
from captain.review.report import LoopReport

SCHEMA_URI: Final = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS: Final[dict[Severity, str]] = {"critical": "error", "major": "warning", "minor": "note"}

_ROOT: Final = "%SRCROOT%"
_ABOUT: Final = {
    "concurrency": "Work at the same time that can go wrong.",
    "design": "Structure that will be hard to live with.",
    "docs": "Documentation that does not say what is so.",
    "errors": "Errors that are not handled, or wrongly.",
    "logic": "Code that does something else than it should.",
    "performance": "Work that costs more than it has to.",
    "security": "Something that can be abused.",
    "shortcut": "A check made to pass without the work being done.",
    "style": "Code that is hard to read.",
    "tests": "Tests that are missing, wrong or weakened.",
}
_PLACEHOLDER: Final = re.compile(r"\{(\d+)\}")


def review_to_sarif(
    report: LoopReport | None,
    *,
    version: str,
    places: Mapping[str, Anchor | None] | None = None,
    baseline: Sequence[Prior] | None = None,
    notes: Sequence[str] = (),
    stand_in: str | None = None,
) -> dict[str, Any]:
    """The document; of None, for a change without content, one without results.

    `places` says where cases are in the commit that is handed back; by default where they were seen last. With
    `baseline`, from `read_baseline`, results are compared with that document and those that are gone are listed as
    absent; without, with the commit that the change started from. `stand_in` is a path that stands for the change as a
    whole: GitHub takes no document in which any result is without a file.
    """
    shown = _shown(report, places) if report is not None else ()
    prints = _fingerprints(shown)
    results = [_result(one, marks) for one, marks in zip(shown, prints, strict=True)]
    if baseline is None:
        for one, result in zip(shown, results, strict=True):
            result["baselineState"] = "unchanged" if _was_there(one.case) else "new"
    else:
        states, gone = compare([_now(one, result) for one, result in zip(shown, results, strict=True)], baseline)
        for result, state in zip(results, states, strict=True):
            result["baselineState"] = state
        results += [_absent(prior) for prior in gone]
    if stand_in is not None:
        for result in results:
            result.setdefault("locations", [_whole(stand_in)])
    rules = list(dict.fromkeys(result["ruleId"] for result in results))
    for result in results:
        result["ruleIndex"] = rules.index(result["ruleId"])
    run = {
        "tool": {"driver": {"name": "Captain", "version": version, "rules": [_rule(rule) for rule in rules]}},
        "automationDetails": {"id": "captain-review/"},
        "invocations": [_invocation(report, notes)],
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The top folder of the repository."}}},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    if report is not None:
        run["properties"] = {
            "verdict": report.verdict,
            "reason": one_line(report.conclusion.reason),
            "acceptable": report.acceptable,
            "base": report.base,
            "start": report.start,
            "commit": report.commit,
        }
    return {"$schema": SCHEMA_URI, "version": "2.1.0", "runs": [run]}


def to_sarif_text(document: Mapping[str, Any]) -> str:
    """ASCII only; ends with a line break."""
    return dumps(document, indent=2) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """`left`: it is known of what is handed back. Else it was turned down, or nobody looked into it."""

    case: Case
    place: Anchor | None
    left: bool

    @property
    def rule(self) -> str:
        kind = re.sub(r"[^a-z0-9]+", "-", kind_of(self.case.finding)[:60]).strip("-")
        return f"captain/{kind or 'other'}"

    @property
    def path(self) -> str | None:
        return _inside(self.place.path if self.place is not None else self.case.finding.path)


def _shown(report: LoopReport, places: Mapping[str, Anchor | None] | None) -> tuple[_Shown, ...]:
    """Whatever is not mended, in the order of the code."""
    handed_back = next(one for one in report.candidates if one.commit == report.commit)
    made = []
    for case in report.cases:
        left = present(case, handed_back)
        if left or case.status in ("rejected", "recorded", "deferred", "out_of_scope"):
            place = case.anchor if places is None else places.get(case.id)
            made.append(_Shown(case=case, place=place, left=left))
    return tuple(sorted(made, key=lambda one: (one.path or "", one.place.line if one.place else 0)))


def _result(one: _Shown, marks: dict[str, str]) -> dict[str, Any]:
    case = one.case
    level = LEVELS[case.severity]
    claimed = one.left or case.status == "rejected"
    said = "\n".join(text for text in (case.finding.claim.strip(), case.finding.evidence.strip()) if text)
    result: dict[str, Any] = {
        "ruleId": one.rule,
        "kind": "fail" if claimed else "open",
        "level": level if claimed else "none",
        "message": {"text": message(said)},
        "partialFingerprints": marks,
        "properties": {
            "case": case.id,
            "severity": case.severity,
            "status": case.status,
            "evidence": case.evidence,
            "verified": case.admitted,
            "raisedBy": [one_line(name) for name in case.raised_by],
        },
    }
    if case.reproduction is not None:
        result["properties"]["shownBy"] = visible(case.reproduction.command)
    if case.reason:
        result["properties"]["reason"] = one_line(case.reason)
    if one.path is not None:
        result["locations"] = [_location(one)]
    rejected = case.status == "rejected" and not one.left
    result["suppressions"] = (
        [{"kind": "external", "status": "accepted", "justification": visible(case.reason)}] if rejected else []
    )
    return result


def _location(one: _Shown) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": uri_of(one.path or ""), "uriBaseId": _ROOT}}
    location: dict[str, Any] = {"physicalLocation": physical}
    if one.place is not None:
        physical["region"] = {"startLine": one.place.line, "endLine": one.place.line + max(1, one.place.lines) - 1}
        if one.place.symbol:
            location["logicalLocations"] = [{"fullyQualifiedName": visible(one.place.symbol)}]
    return location


def _whole(path: str) -> dict[str, Any]:
    return {
        "physicalLocation": {"artifactLocation": {"uri": uri_of(path), "uriBaseId": _ROOT}},
        "message": {"text": "It is about the change as a whole, or about no file that is there."},
    }


def _inside(path: str) -> str | None:
    """A path that lies below the top folder, else None: reviewers may say anything."""
    parts = path.split("/")
    if not path or "\0" in path or any(part in ("", ".", "..") for part in parts):
        return None
    return str(PurePosixPath(path))


def uri_of(path: str) -> str:
    """Relative to the top folder; every character that means something in a URI, or nothing in UTF-8, is encoded."""
    return quote(path.encode("utf-8", "surrogateescape"), safe="/")


def message(text: str) -> str:
    """Somebody's words, such that no viewer finds links or places for arguments in them."""
    shown = _PLACEHOLDER.sub(r"{{\1}}", visible(text))
    return re.sub(r"([\[\]\\])", r"\\\1", shown) if "](" in shown else shown


def _fingerprints(shown: Sequence[_Shown]) -> list[dict[str, str]]:
    """What each is known again by. Of several that would have the same, the order in the code tells them apart."""
    counted: Counter[tuple[str, str]] = Counter()
    made = []
    for one in shown:
        marks = {}
        for name, parts in _keys(one):
            key = name, _digest(parts)
            counted[key] += 1
            marks[name] = f"{key[1]}:{counted[key]}"
        made.append(marks)
    return made


def _keys(one: _Shown) -> Iterable[tuple[str, tuple[str, ...]]]:
    """No line number and no wording: the check that fails, the code itself in its function, and the code around it."""
    case, place = one.case, one.place
    kind, path = kind_of(case.finding), one.path or ""
    if case.reproduction is not None:
        yield "captainCheck/v1", (path, " ".join(case.reproduction.command.split()))
    if place is not None:
        yield "captainPlace/v1", (kind, path, place.symbol or "", place.line_hash)
        yield "captainContext/v1", (kind, place.context_hash)
    elif case.finding.anchor.strip():
        yield "captainQuote/v1", (kind, path, "".join(case.finding.anchor.split()))


def _digest(parts: tuple[str, ...]) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _was_there(case: Case) -> bool:
    """Before the change too: the code it is about is there, and the change does not touch it."""
    return case.anchored and not case.about_change


def _now(one: _Shown, result: Mapping[str, Any]) -> Now:
    return Now(
        rule=result["ruleId"],
        level=result["level"],
        suppressed=bool(result["suppressions"]),
        text=result["message"]["text"],
        uri=uri_of(one.path) if one.path is not None else "",
        symbol=visible(one.place.symbol) if one.place is not None and one.place.symbol else "",
        marks=result["partialFingerprints"],
    )


def _absent(prior: Prior) -> dict[str, Any]:
    """A result of the earlier document that is gone."""
    location: dict[str, Any] = {"physicalLocation": {"artifactLocation": {"uri": prior.uri, "uriBaseId": _ROOT}}}
    if prior.line:
        location["physicalLocation"]["region"] = {"startLine": prior.line}
    return {
        "ruleId": prior.rule,
        "kind": "fail" if prior.level != "none" else "open",
        "level": prior.level,
        "message": {"text": prior.text},
        "partialFingerprints": dict(prior.marks),
        "suppressions": [],
        "baselineState": "absent",
        **({"locations": [location]} if prior.uri else {}),
    }


def _rule(rule: str) -> dict[str, Any]:
    kind = rule.removeprefix("captain/")
    about = _ABOUT.get(kind, f"What a reviewer called {kind}.")
    return {"id": rule, "name": kind, "shortDescription": {"text": about}}


def _invocation(report: LoopReport | None, notes: Sequence[str]) -> dict[str, Any]:
    problems = report.problems if report is not None else ()
    answered = report is None or any(isinstance(event, ReviewEnded) and not event.problem for event in report.log)
    told = [("warning", text) for text in problems] + [("note", text) for text in notes]
    return {
        "executionSuccessful": answered and (report is None or report.verdict != "budget"),
        "toolExecutionNotifications": [{"level": level, "message": {"text": message(text)}} for level, text in told],
    }
