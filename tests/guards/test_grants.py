"""A yes is good for exactly what was shown: whatever changes between the answer and the act is asked anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import anyio
import pytest

from captain.core.actions import Action, Answer, Decision, OpenHost, PermissionRequest, RunCommand
from captain.core.events import Event, PermissionAsked, PermissionDecided
from captain.core.policy import Network, Policy
from captain.guards import GrantBook, HostRule, PermissionDesk, command_as_it_is
from captain.testing import FakeClock

YES = Answer(allow=True)
RUN = Answer(allow=True, for_run=True)
HOST = OpenHost(host="docs.example.org")


@dataclass
class Person:
    """Answers in turn, the last answer again and again; `then` happens while it thinks."""

    answers: list[Answer] = field(default_factory=lambda: [YES])
    then: list[Callable[[], object]] = field(default_factory=list)
    seen: list[PermissionRequest] = field(default_factory=list)

    async def ask(self, request: PermissionRequest, /) -> Answer:
        self.seen.append(request)
        await anyio.lowlevel.checkpoint()
        if self.then:
            self.then.pop(0)()
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@dataclass
class Told:
    events: list[Event] = field(default_factory=list)

    async def __call__(self, event: Event) -> None:
        self.events.append(event)


def desk(person: Person | None, told: Told | None = None, **more: object) -> PermissionDesk:
    given: dict[str, object] = {"policy": Policy(), "clock": FakeClock(), **more}
    return PermissionDesk(approver=person, tell=told or Told(), **given)  # type: ignore[arg-type]


@dataclass
class Place:
    """A folder with a script, a link to another, and the command that runs both."""

    root: Path

    def __post_init__(self) -> None:
        for name in ("here", "there"):
            (self.root / name).mkdir()
            (self.root / name / "build.sh").write_text("make\n")
            (self.root / name / "other.sh").write_text("echo other\n")
            (self.root / name / "link.sh").symlink_to("other.sh")
        (self.root / "cwd").symlink_to("here")

    def command(self, *, path: str = "/usr/bin", text: str = "all") -> RunCommand:
        argv = ("bash", "build.sh", "link.sh", text)
        return command_as_it_is(argv, folder=self.root / "cwd", environment={"PATH": path}, boxed=False)

    def rewrite(self) -> None:
        (self.root / "here/build.sh").write_text("curl evil.example\n")

    def relink(self) -> None:
        (self.root / "here/evil.sh").write_text("echo other\n")  # the same bytes: where a link leads counts too
        (self.root / "here/link.sh").unlink()
        (self.root / "here/link.sh").symlink_to("evil.sh")

    def swap(self) -> None:
        (self.root / "cwd").unlink()
        (self.root / "cwd").symlink_to("there")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def request(
    action: Action, asked_by: str = "build-T1", policy: Policy | None = None, why: str = ""
) -> PermissionRequest:
    return PermissionRequest(action=action, asked_by=asked_by, why=why, policy=(policy or Policy()).digest())


class TestTheBook:
    @pytest.mark.parametrize(
        "mutation",
        [
            *("script bytes", "symlink target", "cwd swapped", "env PATH", "argv whitespace"),
            *("same text, other agent", "policy", "box"),
        ],
    )
    def test_what_changed_after_the_answer_is_not_granted(self, place: Place, mutation: str) -> None:
        book = GrantBook(FakeClock())
        asked = request(place.command())
        book.issue(asked, YES)
        changed = asked
        match mutation:
            case "script bytes":
                place.rewrite()
                changed = request(place.command())
            case "symlink target":
                place.relink()
                changed = request(place.command())
            case "cwd swapped":
                place.swap()
                changed = request(place.command())
            case "env PATH":
                changed = request(place.command(path="/tmp/evil:/usr/bin"))
            case "argv whitespace":
                changed = request(place.command(text="all "))
            case "same text, other agent":
                changed = request(place.command(), asked_by="build-T2")
            case "policy":
                changed = request(place.command(), policy=Policy(network=Network.hosts("a.example")))
            case "box":
                changed = request(replace(place.command(), boxed=True))

        assert changed.digest() != asked.digest()
        assert book.redeem(changed) is None
        assert book.redeem(asked) is not None

    def test_a_grant_is_taken_once(self) -> None:
        book = GrantBook(FakeClock())
        book.issue(request(HOST), YES)

        assert book.redeem(request(HOST)) is not None
        assert book.redeem(request(HOST)) is None

    def test_a_grant_for_the_run_is_taken_again_and_again_by_the_same_agent(self) -> None:
        book = GrantBook(FakeClock())
        book.issue(request(HOST), RUN)

        taken = [book.redeem(request(HOST, why=why)) for why in ("the docs", "more of them")]

        assert [grant.used for grant in taken if grant] == [1, 2]
        assert book.redeem(request(HOST, asked_by="build-T2")) is None

    def test_a_grant_expires_by_the_clock(self) -> None:
        clock = FakeClock()
        book = GrantBook(clock, lifetime_s=60)
        book.issue(request(HOST), YES)
        clock.advance(60)

        assert book.redeem(request(HOST)) is None

    def test_a_no_grants_nothing(self) -> None:
        book = GrantBook(FakeClock())

        assert book.issue(request(HOST), Answer(allow=False)) is None
        assert book.redeem(request(HOST)) is None


class TestTheDesk:
    @pytest.mark.parametrize("mutation", ["rewrite", "relink", "swap"])
    async def test_what_changes_while_a_person_thinks_is_asked_anew(self, place: Place, mutation: str) -> None:
        person, told = Person(answers=[YES, Answer(allow=False)], then=[getattr(place, mutation)]), Told()

        decision = await desk(person, told).permit(
            place.command(), asked_by="build-T1", why="release", look=place.command
        )

        assert decision.effect == "deny"
        assert len(person.seen) == 2
        assert person.seen[1].action == place.command() != person.seen[0].action
        assert len([event for event in told.events if isinstance(event, PermissionAsked)]) == 2

    async def test_what_did_not_change_is_asked_once(self, place: Place) -> None:
        person = Person()

        decision = await desk(person).permit(place.command(), asked_by="a", why="", look=place.command)

        assert decision.effect == "allow"
        assert len(person.seen) == 1

    async def test_a_replay_is_asked_anew(self) -> None:
        person = Person(answers=[YES, Answer(allow=False, reason="not again")])
        at = desk(person)

        first = await at.permit(HOST, asked_by="a", why="")
        second = await at.permit(HOST, asked_by="a", why="")

        assert (first.effect, second.effect, second.reason) == ("allow", "deny", "not again")

    async def test_a_yes_for_the_run_is_asked_once_for_each_agent(self) -> None:
        person = Person(answers=[RUN])
        at = desk(person)

        decisions = [await at.permit(HOST, asked_by=agent, why="") for agent in ("a", "a", "b", "a")]

        assert {decision.effect for decision in decisions} == {"allow"}
        assert [seen.asked_by for seen in person.seen] == ["a", "b"]

    async def test_agents_that_ask_at_the_same_time_are_answered_one_after_the_other(self) -> None:
        person = Person(answers=[RUN])
        at = desk(person)

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(partial(at.permit, HOST, asked_by="a", why=""))

        assert len(person.seen) == 1

    async def test_no_answer_in_time_is_a_no(self) -> None:
        class Absent:
            async def ask(self, _request: PermissionRequest, /) -> Answer:
                await anyio.sleep_forever()
                raise AssertionError

        at = PermissionDesk(policy=Policy(), clock=FakeClock(), tell=Told(), approver=Absent(), answer_within_s=0.01)

        decision = await at.permit(HOST, asked_by="a", why="")

        assert (decision.effect, decision.rule) == ("deny", "no answer")

    async def test_without_anyone_to_ask_the_answer_is_no(self) -> None:
        told = Told()

        decision = await desk(None, told).permit(HOST, asked_by="a", why="")

        assert decision.effect == "deny"
        assert "nobody is there to be asked" in decision.reason
        assert [type(event) for event in told.events] == [PermissionDecided]

    async def test_after_ten_prompts_the_answer_is_no(self) -> None:
        person = Person()
        at = desk(person)

        decisions = [await at.permit(OpenHost(host=f"h{n}.example"), asked_by="a", why="") for n in range(12)]

        assert [decision.effect for decision in decisions] == ["allow"] * 10 + ["deny"] * 2
        assert len(person.seen) == 10
        assert "asked 10 times" in decisions[-1].reason

    async def test_a_hook_that_allows_turns_no_deny_and_no_question_around(self) -> None:
        def allow(*_: object) -> Decision:
            return Decision(effect="allow", reason="the hook says so", rule="hook")

        person = Person(answers=[Answer(allow=False)])
        forbid = HostRule(effect="deny", network=Network.hosts(HOST.host))

        denied = await desk(person, rules=(forbid,), hooks=(allow,)).permit(HOST, asked_by="a", why="")
        asked = await desk(person, hooks=(allow,)).permit(HOST, asked_by="a", why="")

        assert denied.rule == "HostRule"
        assert asked.rule == "answer"
        assert len(person.seen) == 1

    async def test_a_hook_can_forbid_what_the_policy_grants(self) -> None:
        def forbid(*_: object) -> Decision:
            return Decision(effect="deny", reason="office hours", rule="hook")

        policy = Policy(network=Network.hosts(HOST.host))

        decision = await desk(Person(), policy=policy, hooks=(forbid,)).permit(HOST, asked_by="a", why="")

        assert (decision.effect, decision.reason) == ("deny", "office hours")

    async def test_an_agent_has_at_most_the_policy_of_the_run(self) -> None:
        wide = Policy(network=Network.hosts("docs.example.org", "evil.example"))
        at = desk(None, policy=Policy(network=Network.hosts("docs.example.org", "b.example")))

        effects = [
            (await at.permit(OpenHost(host=host), asked_by="a", why="", policy=wide)).effect
            for host in ("docs.example.org", "evil.example", "b.example")
        ]

        assert effects == ["allow", "deny", "deny"]
