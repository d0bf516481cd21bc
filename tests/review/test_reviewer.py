"""A model as reviewer: cold, structured, and held to evidence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from captain.agent import Limits
from captain.core.errors import BadResponseError
from captain.core.events import AgentStarted
from captain.core.findings import Proposal
from captain.models import ScriptedModel, ScriptedReply, call
from captain.review import ModelReviewer
from captain.review.telling import describe
from captain.sandbox import Box
from captain.sandbox.local import LocalBox
from captain.testing import make_repository
from tests.agent.tools import events, mate, results, words
from tests.review.parts import checked, proposal

OBJECTION = {
    "severity": "major",
    "category": "correctness",
    "path": "a.py",
    "anchor": "return a - b",
    "claim": "It subtracts.",
    "evidence": "add(2, 2) gives 0.",
}


def handed_in(*findings: dict[str, Any], **more: Any) -> Any:
    return call("submit_review", summary="Seen.", findings=list(findings), **more)


def shown(checks: int | None = 0) -> Proposal:
    return proposal(2, "head", [checked(checks, "1 passed")])


async def test_findings_and_evidence_come_back_as_they_were_handed_in() -> None:
    model = ScriptedModel([handed_in(OBJECTION, evidence=[{"criterion": "T1.2", "shown_by": "the docstring"}])])
    review = await ModelReviewer(mate=mate(model, name="critic", role="review")).review(shown())
    assert (review.reviewer, review.summary) == ("critic", "Seen.")
    (found,) = review.findings
    assert {name: getattr(found, name) for name in OBJECTION} == OBJECTION
    assert review.evidence == (("T1.2", "the docstring"),)


async def test_no_finding_is_a_good_answer() -> None:
    review = await ModelReviewer(mate=mate(ScriptedModel([handed_in()]))).review(shown())
    assert (review.findings, review.evidence) == ((), ())


async def test_a_reviewer_sees_the_task_the_change_and_the_checks_and_nothing_of_how_they_came_about() -> None:
    model = ScriptedModel([handed_in()])
    await ModelReviewer(mate=mate(model)).review(shown(checks=1))
    (request,) = model.requests
    (message,) = request.messages
    told = words(message)
    for part in ("Mend add", "It subtracts.", "T1.1: It adds. (check `tests`)", "(cite evidence: the docstring)"):
        assert part in told
    assert "tests: FAILED" in told
    assert "exit code 1\n1 passed" in told
    assert "+ 2" in told
    assert "submit_review" in [spec.name for spec in request.tools]


async def test_two_reviews_by_one_reviewer_do_not_share_a_conversation() -> None:
    model = ScriptedModel([handed_in(OBJECTION), handed_in()])
    reviewer = ModelReviewer(mate=mate(model))
    await reviewer.review(proposal(1))
    await reviewer.review(proposal(2))
    assert [len(request.messages) for request in model.requests] == [1, 1]
    assert "R1" not in words(model.requests[1].messages[0])


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (handed_in({**OBJECTION, "evidence": " "}), "finding 1 has an empty evidence"),
        (handed_in(OBJECTION, {**OBJECTION, "claim": ""}), "finding 2 has an empty claim"),
        (handed_in({**OBJECTION, "severity": "blocker"}), "findings.0.severity"),
        (handed_in({key: value for key, value in OBJECTION.items() if key != "anchor"}), "findings.0.anchor"),
        (call("submit_review", findings=[]), "summary: Field required"),
        (handed_in(evidence=[{"criterion": "T1.2"}]), "evidence.0.shown_by"),
        (call("approve"), "There is no tool 'approve'"),
    ],
)
async def test_a_review_that_does_not_hold_is_answered_and_can_be_handed_in_again(bad: Any, says: str) -> None:
    model = ScriptedModel([bad, ScriptedReply(calls=(handed_in(OBJECTION),))])
    review = await ModelReviewer(mate=mate(model)).review(shown())
    assert len(review.findings) == 1
    ((told, is_error),) = results(model.requests[1].messages[-1])
    assert is_error
    assert says in told


@pytest.mark.parametrize("script", [["Looks good to me."] * 3, [""] * 3, [call("nope")] * 20])
async def test_a_reviewer_who_never_hands_in_is_a_bad_response_and_no_approval(script: list[Any]) -> None:
    reviewer = ModelReviewer(mate=mate(ScriptedModel(script, id="m"), name="critic"), limits=Limits(turns=10))
    with pytest.raises(BadResponseError, match="reviewer critic ended") as caught:
        await reviewer.review(shown())
    assert (caught.value.model, caught.value.hint) == ("m", "Use another model for this role.")


async def test_a_reviewer_with_a_box_reads_the_commit_under_review_and_cannot_change_it(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "r", {"a.py": "return a - b\n"})
    opened: list[str] = []

    @asynccontextmanager
    async def inspect(commit: str) -> AsyncIterator[Box]:
        opened.append(commit)
        box = LocalBox(root, {})
        yield box
        await box.close()
        opened.append("closed")

    model = ScriptedModel([call("read", path="a.py"), ScriptedReply(calls=(handed_in(),), expects="return a - b")])
    crewmate = mate(model, name="critic", role="review")
    await ModelReviewer(mate=crewmate, inspect=inspect).review(shown())
    assert opened == ["head", "closed"]
    names = {spec.name for spec in model.requests[0].tools}
    assert {"read", "list", "search", "git", "submit_review"} <= names
    assert not names & {"write", "edit", "shell"}
    (started,) = [event for event in events(crewmate) if isinstance(event, AgentStarted)]
    assert (started.role, started.task) == ("review", "T1")


async def test_the_same_review_on_the_same_journal_is_not_paid_twice() -> None:
    crewmate = mate(ScriptedModel([handed_in(OBJECTION)]), name="critic")
    first = await ModelReviewer(mate=crewmate).review(shown())
    again = replace(crewmate, model=ScriptedModel([]))
    assert await ModelReviewer(mate=again).review(shown()) == first


def test_a_huge_diff_is_clipped_and_an_empty_one_is_said_to_be_empty() -> None:
    huge = replace(shown(), diff="+x\n" * 100_000)
    assert len(describe(huge)) < 125_000
    assert "characters left out" in describe(huge)
    assert "(nothing was changed)" in describe(replace(shown(), diff=""))
    assert "was stopped at its time limit" in describe(shown(checks=None))
