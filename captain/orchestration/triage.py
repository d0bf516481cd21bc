"""Triage: the Captain looks first, and a bug is delegated only once its reproduction was seen to fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import ClassVar, Final

from captain.core import codec
from captain.core.house_rules import Broken, HouseRule
from captain.core.messages import Text
from captain.core.tasks import Diagnosis, Location, RequestItem, Scope, Triage, TriageKind
from captain.guards import overlap, problems
from captain.guards.scope import ScopeGuard
from captain.orchestration.added import diagnosis_id
from captain.orchestration.context import Voyage
from captain.orchestration.items import answer_problems, item_problems, items_of
from captain.orchestration.locating import location_problems
from captain.orchestration.refusing import Refusals
from captain.orchestration.reproducing import Seen, see_fail
from captain.orchestration.request import words_of
from captain.tools import FunctionTool, ToolContext, ToolOutput, said, tool

__all__ = ["ProposedDiagnosis", "ProposedItem", "TriageDesk", "triage_problems"]

WIDE_AREAS: Final = 3
"""Areas without a file in common from which on a search is too wide for one to make."""

_SAYS_NOTHING: Final = frozenset(
    words_of(
        "a an and are as at be because broken bug but by can cause causes do does error fails fix for from has have in "
        "incorrect is issue it its mend not of on or problem root so somewhere something that the there this to wrong "
        "wrongly with"
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedItem:
    """One part of the request, as the Captain hands it in."""

    __pydantic_config__: ClassVar = {"use_attribute_docstrings": True}

    id: str
    """Short, such as R1."""
    text: str
    """Words of the request, quoted exactly. Background may be quoted as its first words … its last words."""
    context: bool = False
    """Only background: nothing is asked for."""
    declined: str = ""
    """Why it is not going to be done, if it is not; the user is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedDiagnosis:
    """The root cause of one bug, as the Captain hands it in."""

    __pydantic_config__: ClassVar = {"use_attribute_docstrings": True}

    cause: str
    """The root cause, in one or two sentences: what the code does instead of what it should."""
    locations: tuple[Location, ...]
    """The files, and where it helps the symbols, the cause sits in."""
    reproduction: str | None = None
    """One shell command that fails now because of this bug and passes once it is mended."""
    no_reproduction: str | None = None
    """Why no reproduction is possible, if none is."""


class TriageDesk:
    """Takes the Captain's triage: checks it, and sees every reproduction fail on the base commit.

    `spent` says that the investigation budget is used up, `searched` that others have looked already.
    """

    def __init__(self, voyage: Voyage) -> None:
        self.spent = False
        self.searched = False
        self._voyage = voyage
        self._refusals = Refusals(voyage, "triage")
        self._reproduced = 0
        self._seen: dict[tuple[str, str], Seen] = {}
        self._taken = False
        self.submit = self._tool()

    def close(self) -> None:
        """One triage is taken: from now on a plan is wanted, also where a resumed run remembers the one it took."""
        self._taken = True

    def open_again(self, *, searched: bool = False) -> None:
        """For another triage, after an answer of the user's or after a search."""
        self.searched, self._taken = self.searched or searched, False

    def _tool(self) -> FunctionTool:
        @tool(effect="execute")
        async def submit_triage(  # noqa: PLR0917 - the fields of one form
            context: ToolContext,
            kind: TriageKind,
            reason: str,
            reply: str = "",
            items: list[ProposedItem] = [],  # noqa: B006 - only read
            diagnoses: list[ProposedDiagnosis] = [],  # noqa: B006 - only read
            wide: list[str] = [],  # noqa: B006 - only read
        ) -> ToolOutput:
            """Hands in the triage. `reply` is what the user is told for answer, clarify and decline.

            `items` split the request; left out, every part of it that you were shown is one.
            `wide` names the areas, as .gitignore patterns, of a search that is too wide for you alone.
            """
            if self._taken:
                return said("The triage is taken already; plan the work now.", is_error=True)
            return await self._take(
                Triage(
                    kind=kind,
                    reason=reason,
                    reply=reply,
                    diagnoses=tuple(
                        _diagnosis(diagnosis_id(self._voyage.number, place), each)
                        for place, each in enumerate(diagnoses, 1)
                    ),
                    items=tuple(_item(each) for each in items),
                    wide=tuple(wide),
                ),
                context.path,
            )

        return submit_triage

    async def _take(self, proposed: Triage, call: str) -> ToolOutput:
        voyage = self._voyage
        broken = triage_problems(
            proposed, voyage.files, request=voyage.asked, may_search=not self.searched, spent=self.spent
        )
        for diagnosis in proposed.diagnoses if not broken else ():
            broken += await location_problems(voyage, diagnosis)
        triage = proposed
        if not broken:
            triage, broken = await self._reproduced_in(proposed)
        if broken:
            return await self._refusals.refuse(broken, call)
        self._taken = True
        whole = replace(triage, items=items_of(voyage.asked, triage.items))
        return ToolOutput(content=(Text(text="Taken."),), submission=codec.to_json(whole))

    async def _reproduced_in(self, triage: Triage) -> tuple[Triage, tuple[Broken, ...]]:
        """The triage with its flaky reproductions named as such, and those that were not seen to fail."""
        diagnoses, broken = [], []
        for diagnosis in triage.diagnoses:
            if diagnosis.reproduction is None:
                diagnoses.append(diagnosis)
                continue
            seen = await self._see(diagnosis, diagnosis.reproduction)
            diagnoses.append(replace(diagnosis, flaky=seen.flaky))
            broken += [seen.broken] if seen.broken else []
        return replace(triage, diagnoses=tuple(diagnoses)), tuple(broken)

    async def _see(self, diagnosis: Diagnosis, command: str) -> Seen:
        """What was seen to fail already is not run again for a triage that had to be mended elsewhere."""
        known = self._seen.get((diagnosis.id, command))
        if known is not None and known.broken is None:
            return known
        self._reproduced += 1
        seen = await see_fail(self._voyage, diagnosis, command, number=self._reproduced)
        self._seen[diagnosis.id, command] = seen
        return seen


def _diagnosis(name: str, proposed: ProposedDiagnosis) -> Diagnosis:
    return Diagnosis(
        id=name,
        cause=proposed.cause,
        locations=proposed.locations,
        reproduction=(proposed.reproduction or "").strip() or None,
        no_reproduction=(proposed.no_reproduction or "").strip() or None,
    )


def _item(proposed: ProposedItem) -> RequestItem:
    return RequestItem(id=proposed.id, text=proposed.text, context=proposed.context, declined=proposed.declined)


def triage_problems(
    triage: Triage, files: Sequence[str], *, request: str = "", may_search: bool = True, spent: bool = False
) -> tuple[Broken, ...]:
    """What is wrong with a triage before anything is run.

    `may_search`: a search by others is still to be had, once the Captain's own budget is `spent` or it is wide.
    """
    found: list[Broken] = []

    def broken(rule: HouseRule, how: str) -> None:
        found.append(Broken(rule=rule, how=how))

    if not triage.leads_to_work and not triage.reply.strip():
        broken("reply given", f"{triage.kind!r} needs a `reply` for the user")
    if triage.items:
        found += item_problems(request, triage.items)
    found += answer_problems(request, triage)
    if triage.leads_to_work and triage.items and not any(item.wanted for item in triage.items):
        broken("request covered", f"{triage.kind!r} leads to work, and no item is left to be done; decline it instead")
    if triage.wide:
        found += _not_wide(triage.wide, files) if may_search else [_searched()]
    if triage.kind == "fix" and not triage.diagnoses and not (may_search and (triage.wide or spent)):
        broken(
            "diagnosis before delegation",
            "'fix' needs a diagnosis of every bug before anything is delegated"
            + ("" if may_search else "; others have looked already, so hand in the cause, or ask the user"),
        )
    for diagnosis in triage.diagnoses:
        found += _diagnosis_problems(diagnosis, set(files), request)
    return tuple(found)


def _searched() -> Broken:
    how = "others have looked already, and there is one search in a run: hand in the cause, or ask the user"
    return Broken(rule="investigate inline first", how=how)


def _not_wide(areas: Sequence[str], files: Sequence[str]) -> list[Broken]:
    """Why a search is not too wide for the Captain."""
    scopes = {area: Scope(paths=(area,)) for area in areas}
    found = [f"the area {area!r} of the search: {bad}" for area, scope in scopes.items() for bad in problems(scope)]
    if not found:
        found += [
            f"the area {area!r} of the search has no file"
            for area, scope in scopes.items()
            if not ScopeGuard(scope).allowed_files(files)
        ]
        found += [
            f"the areas {one!r} and {other!r} of the search have {meeting!r} in common"
            for one, other in combinations(scopes, 2)
            if (meeting := overlap(scopes[one], scopes[other], files))
        ]
    if len(scopes) < WIDE_AREAS:
        found.append(f"a search of {len(scopes)} areas is not wide: make it yourself, or name {WIDE_AREAS} or more")
    return [Broken(rule="investigate inline first", how=how) for how in found]


def _diagnosis_problems(diagnosis: Diagnosis, files: set[str], request: str) -> list[Broken]:
    name = diagnosis.id
    found: list[tuple[HouseRule, str]] = []
    if not diagnosis.cause.strip():
        found.append(("diagnosis before delegation", f"{name} names no cause"))
    elif _repeats(diagnosis.cause, request):
        how = f"{name} only repeats the request; say what the code does instead of what it should"
        found.append(("diagnosis before delegation", how))
    if not diagnosis.locations:
        found.append(("locations exist", f"{name} names no location"))
    found += [
        ("locations exist", f"{name} points at {location.path!r}, which is not in the repository")
        for location in diagnosis.locations
        if location.path not in files
    ]
    if not diagnosis.reproduction and not diagnosis.no_reproduction:
        how = f"{name} needs a `reproduction`, or the reason in `no_reproduction`"
        found.append(("reproduction seen to fail", how))
    return [Broken(rule=rule, how=how) for rule, how in found]


def _repeats(cause: str, request: str) -> bool:
    """Whether a cause says nothing that the request has not said."""
    known = {*words_of(request), *_SAYS_NOTHING}
    return bool(request) and not any(word not in known for word in words_of(cause))
