"""A plan is stopped at, and a person accepts, edits, rejects or replies; only what keeps the rules is carried out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from captain.core import events as ev
from captain.models import ScriptedModel, ScriptedReply
from captain.orchestration import Accept, Approval, Edited, PlanOffer, Reject, Reply
from captain.orchestration.deciding import MAX_OFFERS
from captain.testing import git
from tests.voyages import (
    CALC_FIXED,
    crew,
    fingerprint,
    fix_crew,
    fix_task,
    fix_triage,
    of,
    plan,
    review,
    sail,
    write,
)

pytestmark = pytest.mark.slow


MENDED = [write("calc.py", CALC_FIXED), "Done."]


@dataclass
class Person:
    """Says these things in turn, and keeps what they were shown."""

    words: Sequence[Approval]
    offers: list[PlanOffer] = field(default_factory=list)

    async def __call__(self, offer: PlanOffer) -> Approval:
        self.offers.append(offer)
        return self.words[min(len(self.offers), len(self.words)) - 1] if self.words else Reject()


async def test_a_run_that_stops_after_the_plan_changes_nothing_and_is_on_record(repo: Path, state: Path) -> None:
    before = fingerprint(repo)
    outcome, events = await sail(repo, state, fix_crew(), stop_after_plan=True)
    assert (outcome.status, outcome.succeeded, outcome.branch) == ("planned", True, None)
    assert outcome.summary == "The plan has 1 task; nothing has been changed."
    assert outcome.hint == f"Carry it out with: captain resume {outcome.run}"
    assert fingerprint(repo) == before
    assert not of(ev.TaskChanged, events)
    report = (outcome.folder / "report.md").read_text("utf-8")
    for said in ("## The plan", "### T1: Title of T1", "- May change: `/calc.py`", "## What it is going to cost"):
        assert said in report
    assert "at a price that is not known" in report
    assert "How this was reckoned:" in report


async def test_an_accepted_plan_is_carried_out(repo: Path, state: Path) -> None:
    person = Person([Accept()])
    outcome, events = await sail(repo, state, fix_crew(), approve_plan=person)
    assert outcome.status == "succeeded"
    assert [offer.plan.tasks[0].id for offer in person.offers] == ["T1"]
    assert person.offers[0].estimate.tokens[1] > 0
    assert [event.decision for event in of(ev.PlanDecided, events)] == ["accepted"]


async def test_a_rejected_plan_ends_the_run_with_the_reason(repo: Path, state: Path) -> None:
    outcome, events = await sail(repo, state, fix_crew(), approve_plan=Person([Reject(reason="Too much.")]))
    assert (outcome.status, outcome.summary) == ("declined", "The plan was rejected: Too much.")
    assert not of(ev.PlanAdopted, events)


async def test_an_edited_plan_is_what_is_carried_out(repo: Path, state: Path) -> None:
    class Editor(Person):
        async def __call__(self, offer: PlanOffer) -> Approval:
            await super().__call__(offer)
            (task,) = offer.plan.tasks
            return Edited(plan=replace(offer.plan, tasks=(replace(task, title="Add, do not subtract"),)))

    outcome, _ = await sail(repo, state, fix_crew(), approve_plan=Editor([Accept()]))
    assert outcome.status == "succeeded"
    assert git(repo, "log", "-1", "--format=%s", f"captain/{outcome.run}/task/T1") == "Add, do not subtract"


async def test_an_edit_that_breaks_a_rule_comes_back_with_the_reason_and_cannot_be_accepted(
    repo: Path, state: Path
) -> None:
    class Editor(Person):
        async def __call__(self, offer: PlanOffer) -> Approval:
            await super().__call__(offer)
            (task,) = offer.plan.tasks
            match len(self.offers):
                case 1:
                    return Edited(plan=replace(offer.plan, tasks=(replace(task, criteria=()),)))
                case 2:
                    return Accept()
                case 3:
                    return Edited(plan=self.offers[0].plan)
                case _:
                    return Reject()

    person = Editor([])
    outcome, events = await sail(repo, state, fix_crew(), approve_plan=person)
    assert outcome.status == "succeeded"
    assert "T1 has no criterion" in person.offers[1].problems
    assert person.offers[1].plan.tasks[0].criteria == ()  # what was written is not lost
    assert person.offers[2].problems == person.offers[1].problems
    assert [event.what for event in of(ev.Refused, events)] == ["edit"]


async def test_words_go_to_the_captain_who_amends_the_plan(repo: Path, state: Path) -> None:
    amended = plan(fix_task(title="Smaller"))
    script = [
        fix_triage(),
        plan(fix_task()),
        ScriptedReply(calls=(amended,), expects=("The user was shown the plan, and says", "> Make it smaller.")),
    ]
    person = Person([Reply(text="Make it smaller."), Accept()])
    outcome, events = await sail(repo, state, crew(script, MENDED, [review()]), approve_plan=person)
    assert outcome.status == "succeeded"
    assert [offer.plan.tasks[0].title for offer in person.offers] == ["Title of T1", "Smaller"]
    assert [(event.decision, event.words) for event in of(ev.PlanDecided, events)] == [
        ("replied", "Make it smaller."),
        ("accepted", ""),
    ]


async def test_whoever_is_never_content_is_not_asked_for_ever(repo: Path, state: Path) -> None:
    team = crew([fix_triage(), *[plan(fix_task())] * (MAX_OFFERS + 1)])
    person = Person([Reply(text="No, another one.")])
    outcome, _ = await sail(repo, state, team, approve_plan=person)
    assert outcome.status == "needs_human"
    assert len(person.offers) == MAX_OFFERS


async def test_a_plan_can_be_approved_and_stopped_at(repo: Path, state: Path) -> None:
    team = fix_crew()
    outcome, _ = await sail(repo, state, team, approve_plan=Person([Accept()]), stop_after_plan=True)
    assert outcome.status == "planned"
    assert isinstance(team.build, ScriptedModel)
    assert team.build.requests == []
