"""Cases that come back: when they are tied together, and when that is the end. On the engine, event by event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from captain.core.cases import Vote
from captain.core.findings import Finding
from captain.core.loop_events import (
    FindingProposed,
    FixesPlanned,
    FixStarted,
    GateDecided,
    LoopEvent,
    LoopStarted,
    ReviewEnded,
    ReviewsEnded,
    Voted,
)
from captain.review.admission import heard
from captain.review.engine import Engine, Look, Mend, Prove
from captain.review.policy import ReviewPolicy
from tests.review.cases import finding


@dataclass
class Story:
    """Each round somebody says some names are wrong; `by` names the fix that wrote the code, as blame has it."""

    rounds: Sequence[Sequence[tuple[str, str | None]]]
    holds: Callable[[Mend], bool] = lambda _: True
    log: list[LoopEvent] = field(default_factory=list)
    fixes: list[tuple[str, ...]] = field(default_factory=list)

    def run(self) -> Engine:
        policy = ReviewPolicy(reviewers=(1,), ev_factor=None, max_rounds=9)
        engine = Engine(policy, LoopStarted(base="b", start="s", start_tree="t"), listen=self.log.append)
        while actions := engine.due():
            action = actions[0]
            if isinstance(action, Look):
                for name, by in self.rounds[action.round - 1] if action.round <= len(self.rounds) else ():
                    engine.tell(self.said(engine, name, by, action.round))
                engine.tell(ReviewEnded(round=action.round, reviewer="r"))
                engine.tell(ReviewsEnded(round=action.round))
            elif isinstance(action, Prove):
                engine.tell(Voted(case=action.case, vote=Vote(voter="v", accepts=True)))
            elif isinstance(action, Mend):
                self.mend(engine, action)
        return engine

    def said(self, engine: Engine, name: str, by: str | None, round_: int) -> FindingProposed:
        said: Finding = finding(path="a.py", claim=f"{name} is wrong.", evidence=f"round {round_}")
        known = engine.state.cases.get(name)
        how = heard(known, said, "r") if known is not None else "propose"
        return FindingProposed(case=name, finding=said, reviewer="r", round=round_, introduced_by=by, heard=how)

    def mend(self, engine: Engine, action: Mend) -> None:
        self.fixes.append(action.cases)
        commit = f"c{len(self.fixes)}"
        engine.tell(FixStarted(cases=action.cases, rung=action.rung, round=action.round, lane=action.lane))
        accepted = self.holds(action)
        engine.tell(
            GateDecided(
                cases=action.cases,
                rung=action.rung,
                commit=commit,
                accepted=accepted,
                clause=None if accepted else "gone",
                tree=f"tree-{commit}",
            )
        )

    def bound(self) -> list[tuple[str, ...]]:
        return [group for event in self.log if isinstance(event, FixesPlanned) for group in event.bound]


A, B = ("A", None), ("B", None)


def test_a_case_that_comes_back_once_is_simply_mended_again() -> None:
    story = Story([[A], [A]])
    engine = story.run()
    assert engine.state.conclusion is not None
    assert (engine.state.conclusion.verdict, story.fixes, story.bound()) == ("converged", [("A",), ("A",)], [])
    assert engine.state.cases["A"].times_reopened == 1


def test_a_case_that_comes_back_twice_gets_one_attempt_of_its_own_kind_and_then_it_is_an_oscillation() -> None:
    story = Story([[A], [A], [A], [A]])
    engine = story.run()
    assert engine.state.conclusion is not None
    assert story.bound() == [("A",)]
    assert engine.state.conclusion.verdict == "oscillating"
    assert engine.state.conclusion.reason.startswith("A came back after a fix that was made with all it was tied to")
    assert len(story.fixes) == 3


def test_two_whose_fixes_bring_each_other_back_are_mended_together_and_if_that_holds_the_loop_converges() -> None:
    """A is mended by c1 and B by c2, which brings A back; c3 mends A and brings B back."""
    story = Story([[A, B], [("A", "c2")], [("B", "c3")]])
    engine = story.run()
    assert engine.state.conclusion is not None
    assert story.fixes == [("A",), ("B",), ("A",), ("A", "B")]
    assert story.bound() == [("A", "B")]
    assert engine.state.conclusion.verdict == "converged"


def test_if_no_change_mends_both_the_loop_says_which_two_undo_each_other() -> None:
    story = Story([[A, B], [("A", "c2")], [("B", "c3")]], holds=lambda action: not action.bound)
    engine = story.run()
    assert engine.state.conclusion is not None
    assert engine.state.conclusion.verdict == "oscillating"
    assert "the fixes of A and B undo each other" in engine.state.conclusion.reason


def test_in_hindsight_a_case_was_absent_between_its_fix_and_the_one_that_brought_it_back() -> None:
    engine = Story([[A, B], [("A", "c2")]]).run()
    weights = [(spell.since, spell.until) for spell in engine.state.cases["A"].spells]
    assert weights == [(None, "c1"), ("c2", "c3")]


def test_a_case_whose_fix_never_held_was_there_all_the_time() -> None:
    engine = Story([[A], [A]]).run()
    assert [(spell.since, spell.until) for spell in engine.state.cases["A"].spells] == [(None, "c2")]
