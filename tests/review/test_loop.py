"""The review loop with reviewers and authors that are plain objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captain.core.errors import ModelError, UsageError
from captain.core.findings import Finding, Proposal, Review
from captain.core.tasks import CheckResult
from captain.review import ReviewLoop, failures
from tests.review.parts import checked, finding, proposal


@dataclass
class Says:
    """A reviewer whose findings per round were decided beforehand."""

    rounds: Sequence[Sequence[Finding]]
    name: str = "critic"
    seen: list[Proposal] = field(default_factory=list)

    async def review(self, proposal: Proposal, /) -> Review:
        await anyio.lowlevel.checkpoint()
        self.seen.append(proposal)
        findings = self.rounds[proposal.round - 1] if proposal.round <= len(self.rounds) else ()
        return Review(reviewer=self.name, findings=tuple(findings))


@dataclass
class Writes:
    """An author who proposes a new state every round, or what `heads` says."""

    heads: Sequence[str] = ()
    checks: Callable[[int], Sequence[CheckResult]] = lambda _: ()
    asked: list[tuple[int, tuple[Finding, ...]]] = field(default_factory=list)

    async def propose(self, round_: int, findings: tuple[Finding, ...], /) -> Proposal:
        self.asked.append((round_, findings))
        head = self.heads[round_ - 1] if self.heads else None
        return proposal(round_, head, self.checks(round_))


async def test_work_without_findings_converges_in_one_round() -> None:
    author = Writes()
    result = await ReviewLoop(reviewers=(Says([]),)).run(author)
    assert (result.verdict, result.accepted, len(result.rounds)) == ("converged", True, 1)
    assert author.asked == [(1, ())]


async def test_what_is_found_goes_back_to_the_author_with_a_number() -> None:
    author = Writes()
    result = await ReviewLoop(reviewers=(Says([[finding("major"), finding("minor", claim="Nit.")]]),)).run(author)
    assert result.verdict == "converged"
    (_, first), (_, second) = author.asked
    assert first == ()
    assert [(each.id, each.claim) for each in second] == [("R1.1", "It is wrong."), ("R1.2", "Nit.")]


async def test_findings_of_all_reviewers_count_and_each_looks_alone() -> None:
    one, other = Says([[finding(claim="a")]], name="one"), Says([[finding(claim="b")]], name="other")
    heard = []

    async def hear(_: Proposal, review: Review) -> None:
        heard.append(review.reviewer)

    author = Writes()
    result = await ReviewLoop(reviewers=(one, other), on_review=hear).run(author)
    assert [each.claim for each in author.asked[1][1]] == ["a", "b"]
    assert sorted(heard) == ["one", "one", "other", "other"]
    assert [review.reviewer for review in result.rounds[0].reviews] == ["one", "other"]


async def test_reviewers_look_at_the_same_time() -> None:
    here, all_here = [], anyio.Event()

    class Meets(Says):
        async def review(self, proposal: Proposal, /) -> Review:
            here.append(self.name)
            if len(here) == 2:
                all_here.set()
            await all_here.wait()
            return await super().review(proposal)

    with anyio.fail_after(20):
        await ReviewLoop(reviewers=(Meets([], name="a"), Meets([], name="b"))).run(Writes())


async def test_a_reviewer_that_fails_ends_the_loop_with_its_own_error() -> None:
    class Fails(Says):
        async def review(self, proposal: Proposal, /) -> Review:
            raise ModelError("No answer.", model="m")

    with pytest.raises(ModelError, match="No answer"):
        await ReviewLoop(reviewers=(Says([]), Fails([]))).run(Writes())


async def test_a_failed_check_is_a_critical_finding_also_without_reviewers() -> None:
    author = Writes(checks=lambda number: [checked(1 if number == 1 else 0, "E   assert 1 == 2")])
    result = await ReviewLoop(reviewers=()).run(author)
    assert (result.verdict, len(result.rounds)) == ("converged", 2)
    (_, open_findings) = author.asked[1]
    assert [(each.id, each.severity, each.category) for each in open_findings] == [("R1.check-1", "critical", "check")]
    assert open_findings[0].evidence == "E   assert 1 == 2"


async def test_the_best_round_is_kept_not_the_last() -> None:
    worse = Says([[finding("major")], [finding("critical")], [finding("critical"), finding("major")]])
    result = await ReviewLoop(reviewers=(worse,)).run(Writes())
    assert (result.verdict, result.kept.number, result.accepted) == ("budget", 1, False)


async def test_an_author_who_changes_nothing_ends_the_loop_as_stalled() -> None:
    result = await ReviewLoop(reviewers=(Says([[finding()], [finding()]]),)).run(Writes(heads=["a", "a"]))
    assert (result.verdict, result.kept.number) == ("stalled", 2)


async def test_an_author_who_goes_back_ends_the_loop_as_oscillating() -> None:
    loop = ReviewLoop(reviewers=(Says([[finding()]] * 9),), max_rounds=9)
    result = await loop.run(Writes(heads=["a", "b", "c", "b"]))
    assert (result.verdict, len(result.rounds)) == ("oscillating", 4)


@pytest.mark.parametrize("rounds", [0, -1])
def test_a_loop_without_rounds_is_refused(rounds: int) -> None:
    with pytest.raises(UsageError, match=f"of {rounds} rounds"):
        ReviewLoop(reviewers=(), max_rounds=rounds)


async def test_a_loop_can_be_cancelled_while_a_reviewer_looks() -> None:
    looking = anyio.Event()

    class Waits(Says):
        async def review(self, proposal: Proposal, /) -> Review:
            looking.set()
            await anyio.sleep_forever()
            raise AssertionError

    async with anyio.create_task_group() as group:
        group.start_soon(ReviewLoop(reviewers=(Waits([]), Says([]))).run, Writes())
        await looking.wait()
        group.cancel_scope.cancel()
    assert group.cancel_scope.cancelled_caught


FINDINGS = st.lists(
    st.lists(st.sampled_from([finding("critical"), finding("major"), finding("minor")]), max_size=3), max_size=7
)


@settings(deadline=None)
@given(
    reviewers=st.lists(FINDINGS, max_size=3),
    heads=st.lists(st.sampled_from("abc"), min_size=6, max_size=6),
    codes=st.lists(st.sampled_from([0, 1, None]), min_size=6, max_size=6),
    max_rounds=st.integers(1, 6),
)
async def test_any_author_and_any_reviewers_come_to_a_verdict_within_the_rounds(
    reviewers: list[list[list[Finding]]], heads: list[str], codes: list[int | None], max_rounds: int
) -> None:
    author = Writes(heads=heads, checks=lambda number: [checked(codes[number - 1])])
    loop = ReviewLoop(reviewers=tuple(Says(said) for said in reviewers), max_rounds=max_rounds)
    result = await loop.run(author)
    assert len(result.rounds) == len(author.asked) <= max_rounds
    assert [number for number, _ in author.asked] == list(range(1, len(author.asked) + 1))
    assert result.kept in result.rounds
    peers = [each for each in result.rounds if each.acceptable == result.kept.acceptable]
    assert result.kept.weight == min(each.weight for each in peers)
    ids = [each.id for round_ in result.rounds for each in round_.findings]
    assert len(set(ids)) == len(ids)
    if result.verdict == "converged":
        assert result.accepted
        assert not result.kept.findings
    if any(not check.passed for check in result.kept.proposal.checks):
        assert not result.accepted


@pytest.mark.parametrize(
    ("code", "claim"),
    [
        (1, "The check 'tests' fails with exit code 1."),
        (-9, "The check 'tests' fails with exit code -9."),
        (None, "The check 'tests' was stopped at its time limit."),
    ],
)
def test_a_check_that_does_not_pass_becomes_a_finding_with_its_output(code: int | None, claim: str) -> None:
    (found,) = failures([checked(0), checked(code, "out")])
    assert (found.claim, found.severity, found.evidence, found.anchor) == (claim, "critical", "out", "pytest -q")


def test_checks_that_pass_are_no_findings() -> None:
    assert failures([checked(0), checked(0)]) == ()
