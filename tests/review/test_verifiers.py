"""Models that are asked: what they are told, what is taken from them, and what is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from captain.agent import AgentBuilder, Limits
from captain.core.errors import BadResponseError
from captain.models import ScriptedModel, ScriptedReply, call
from captain.review import (
    BuildFixer,
    ModelJudge,
    ModelReproducer,
    ModelReviewer,
    ModelVerifier,
    Question,
    ReviewPolicy,
    Verifier,
)
from captain.sandbox import Box
from captain.sandbox.local import LocalBox
from captain.testing import make_repository
from tests.agent.tools import mate, words
from tests.review.cases import finding, trial
from tests.review.parts import proposal
from tests.review.scene import Scene, Sees, bug, loop

QUESTION = Question(
    id="F1-real-1",
    kind="real",
    proposal=proposal(1, "head"),
    finding=replace(finding(claim="It subtracts."), evidence=""),
    trial=trial(base=True),
)


def opinion(**said: Any) -> Any:
    return call("submit_opinion", **{"holds": True, "reason": "a - b", **said})


async def test_an_opinion_comes_back_as_a_vote_in_the_voters_name() -> None:
    model = ScriptedModel([opinion(severity="minor", extends_the_change=True, contradicting_criteria=["T1.1", "T1.2"])])
    vote = await ModelVerifier(mate=mate(model, name="second")).verify(QUESTION)
    assert (vote.voter, vote.accepts, vote.severity, vote.extends) == ("second", True, "minor", True)
    assert vote.contradicts == ("T1.1", "T1.2")


async def test_a_voter_is_told_the_claim_and_what_the_library_saw_and_nothing_of_the_reviewer() -> None:
    model = ScriptedModel([opinion(), opinion(holds=False)])
    verifier = ModelVerifier(mate=mate(model))
    await verifier.verify(QUESTION)
    told = words(model.requests[0].messages[0])
    assert "It subtracts." in told
    assert "`./repro` failed when the library ran it, and passes without the change." in told
    assert "second opinion" in model.requests[0].instructions
    assert not (await verifier.verify(replace(QUESTION, kind="gone", id="F1-gone-1"))).accepts
    assert "Is it gone?" in model.requests[1].instructions


async def test_a_reviewer_votes_with_the_same_model_in_a_context_of_its_own() -> None:
    reviewer = ModelReviewer(mate=mate(ScriptedModel([opinion(holds=False, reason="guarded")]), name="critic"))
    assert isinstance(reviewer, Verifier)
    vote = await reviewer.verify(QUESTION)
    assert (vote.voter, vote.accepts, vote.reason) == ("critic", False, "guarded")
    assert reviewer.again("2").name == "critic-2"


async def test_an_opinion_in_prose_is_no_vote() -> None:
    verifier = ModelVerifier(mate=mate(ScriptedModel(["I think it holds."] * 9)), limits=Limits(turns=5))
    with pytest.raises(BadResponseError, match="without an answer"):
        await verifier.verify(QUESTION)


async def test_a_judge_sees_two_findings_and_says_whether_they_are_the_same() -> None:
    model = ScriptedModel([call("submit_judgement", same=True), call("submit_judgement", same=False)])
    judge = ModelJudge(mate=mate(model))
    one, other = finding(claim="It subtracts."), finding(claim="The sign is wrong.")
    assert [await judge.same(one, other), await judge.same(one, other)] == [True, False]
    assert "The sign is wrong." in words(model.requests[0].messages[0])


async def test_a_written_reproduction_is_a_command_or_none(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "r", {"a.py": "x\n"})

    @asynccontextmanager
    async def inspect(_: str) -> AsyncIterator[Box]:
        box = LocalBox(root, {})
        yield box
        await box.close()

    model = ScriptedModel([call("submit_reproduction", command="test 1 = 2"), call("submit_reproduction", command=" ")])
    reproducer = ModelReproducer(mate=mate(model), inspect=inspect)
    assert await reproducer.reproduce(QUESTION) == "test 1 = 2"
    assert await reproducer.reproduce(replace(QUESTION, id="F1-real-2")) is None


async def test_what_a_reproducer_writes_is_run_by_the_library_and_becomes_part_of_the_ratchet(tmp_path: Path) -> None:
    class Writes:
        async def reproduce(self, question: Question, /) -> str | None:
            return "! grep -q BUG1 app.py"

    class Aye:
        name = "aye"

        async def verify(self, question: Question, /) -> Any:
            from captain.core.cases import Vote

            return Vote(voter=self.name, accepts=True)

    from tests.review.scene import Edits, removes
    from tests.review.scene import opinion as said

    scene = Scene.of(tmp_path, {"app.py": "start\nBUG1\nend\n"})
    made = loop([Sees([said("BUG1")])], Edits(removes), verifiers=(Aye(),), reproducer=Writes())
    report = await scene.run(made)
    (found,) = report.cases
    assert (report.verdict, found.evidence, len(found.votes)) == ("converged", "toggled", 1)


async def test_a_build_agent_mends_each_finding_from_its_brief_in_a_context_of_its_own(tmp_path: Path) -> None:
    """The first attempt does nothing useful; the second is told what failed, and is a new conversation."""
    script: list[Any] = [
        call("edit", path="app.py", old="BUG1", new="BUG1 again"),
        "Done.",
        ScriptedReply(calls=(call("edit", path="app.py", old="BUG1", new="fine"),), expects="Attempt 1 was undone"),
        "Done now.",
    ]
    model = ScriptedModel(script)
    builder = AgentBuilder(crewmate=lambda task: mate(model, name=f"build-{task.id}"))
    scene = Scene.of(tmp_path, {"app.py": "start\nBUG1\nend\n"})
    report = await scene.run(loop([Sees([bug("BUG1")])], BuildFixer(builder=builder)), ask="Make it fine.")
    assert (report.verdict, report.weight(report.commit)) == ("converged", 0)
    assert "Make it fine." in words(model.requests[2].messages[0])
    assert len(model.requests[2].messages) == 1


async def test_a_model_reviews_the_whole_and_each_fix_and_its_findings_are_tried_and_mended(tmp_path: Path) -> None:
    from tests.review.scene import Edits, removes

    objection = {
        "severity": "major",
        "category": "correctness",
        "path": "app.py",
        "anchor": "BUG1",
        "claim": "It is wrong.",
        "evidence": "BUG1 is there.",
        "suggested_check": "! grep -q BUG1 app.py",
    }
    quiet = call("submit_review", summary="Fine.", findings=[])
    script = [
        call("submit_review", summary="Seen.", findings=[objection]),
        opinion(),
        quiet,
        quiet,
    ]
    reviewer = ModelReviewer(mate=mate(ScriptedModel(script), name="critic", role="review"))
    scene = Scene.of(tmp_path, {"app.py": "start\nBUG1\nend\n"})
    made = loop([reviewer], Edits(removes), policy=ReviewPolicy(reviewers=(1,)))
    report = await scene.run(made)
    (found,) = report.cases
    assert (report.verdict, found.evidence, found.status) == ("converged", "toggled", "fixed")
