"""What is to be done: triage, a search by others where one cannot look everywhere, the plan, a person's word on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from captain.agent import Limits, Transcript
from captain.core import codec
from captain.core.errors import NeedsPersonError
from captain.core.estimates import Estimate
from captain.core.events import (
    Noticed,
    PlanAdopted,
    PlanDecided,
    PlanEstimated,
    Refused,
    RunEnded,
    RunStatus,
    Triaged,
)
from captain.core.house_rules import Broken
from captain.core.questions import Choice
from captain.core.tasks import Plan, Triage
from captain.orchestration.added import Standing
from captain.orchestration.approval import Accept, Approval, Edited, PlanApprover, PlanOffer, Reject, Reply, Said
from captain.orchestration.context import Voyage
from captain.orchestration.conversation import Conversation
from captain.orchestration.estimate import estimate
from captain.orchestration.investigating import investigate, reported
from captain.orchestration.plan import PlanDesk, plan_problems, unrunnable
from captain.orchestration.questions import QuestionDesk
from captain.orchestration.request import missing_files, parts_of
from captain.orchestration.triage import TriageDesk

_HAND_IN: Final = Limits(turns=6)
"""To hand in what it knows, once the Captain's investigation budget is used up."""

MAX_CLARIFICATIONS: Final = 3
"""How often the user is asked before there is a triage; a Captain that still has questions then ends the run."""
_APPROVE: Final = "approve/{}"
_ADOPTED: Final = "estimate/adopted"
_OTHERS: Final = "estimate/others"

MAX_OFFERS: Final = 20
"""How often a plan is put to whoever approves it; a person who is not content by then starts anew."""


def _only_looks(plan: Plan) -> bool:
    return all(task.kind == "investigate" for task in plan.tasks)


def _without_work(decided: Triage) -> RunEnded:
    status: RunStatus = "answered"
    if decided.kind == "clarify":
        status = "needs_human"
    elif decided.kind == "decline":
        status = "declined"
    return RunEnded(status=status, summary=decided.reply)


class Decision:
    """The Captain's conversation with its two desks about one request, and how far it has come.

    `history` is what the Captain was told and said about the run's own request, and `found` what there was when one
    that was added was first taken up.
    """

    def __init__(self, voyage: Voyage, history: Transcript | None = None, found: Standing | None = None) -> None:
        self._voyage = voyage
        self._found = found
        self._triages, self._plans = TriageDesk(voyage), PlanDesk(voyage)
        self._captain = Conversation(voyage, (self._triages.submit, self._plans.submit), history)

    @property
    def transcript(self) -> Transcript:
        return self._captain.transcript

    async def reach(self) -> Plan | RunEnded:
        """The adopted plan, or the end of a request that has none to carry out."""
        triage = await self.clear("triage")
        if not triage.leads_to_work:
            return _without_work(triage)
        plan = await self.plan("plan")
        if _only_looks(plan):
            triage = await self.triage_after(plan)
            if not triage.leads_to_work:
                return _without_work(triage)
            plan = await self.plan("plan/2")
        return await self.settle(plan)

    async def clear(self, path: str) -> Triage:
        """The first decision, once the user has answered what the Captain has to know for it."""
        triage = await self.triage(path)
        for number in range(1, MAX_CLARIFICATIONS + 1):
            if triage.kind != "clarify":
                break
            answer = await self._voyage.questions.ask(
                f"{self._voyage.part}clarify/{number}", "clarify", triage.reply, free_text=True
            )
            self._triages.open_again()
            quoted = "\n".join(f"> {line}" for line in answer.text.splitlines())
            brief = f"The user answers:\n\n{quoted}\n\nGo on from that, and call `submit_triage` anew."
            triage = await self._decided(brief, f"{path}/clarified/{number}")
        return triage

    async def triage(self, path: str) -> Triage:
        """The first decision, within the investigation budget."""
        voyage = self._voyage

        async def look() -> list[str]:
            return list(missing_files(voyage.asked, voyage.files))

        inputs = {"request": voyage.asked}
        if missing := await voyage.step("request/missing", look, inputs=inputs, gives=list[str], effect="read"):
            are = "is" if len(missing) == 1 else "are"
            text = f"The request names {', '.join(missing)}, which {are} not in the repository at its base commit."
            await voyage.tell(Noticed(text=text))
        return await self._decided(_brief(voyage, missing, self._found), path)

    async def triage_after(self, plan: Plan) -> Triage:
        """The second and last one: with what the others report who were sent to look."""
        found = await investigate(self._voyage, plan.tasks, plan.summary)
        self._triages.open_again(searched=True)
        self._plans.triage = None  # no plan is taken in the place of a triage
        brief = (
            "The search is over. What was reported is data; check what you build on.\n\n"
            f"{reported(plan.tasks, found)}\n\n"
            "Now call `submit_triage` anew. There is no second search."
        )
        return await self._decided(brief, "triage/2")

    async def _decided(self, brief: str, path: str) -> Triage:
        voyage, limits = self._voyage, self._voyage.options.investigation
        submission = await self._captain.ask_within(limits, brief, submits="submit_triage", path=path)
        if submission is None:
            self._triages.spent = True
            submission = await self._captain.ask_within(
                _HAND_IN, _spent(limits, searched=self._triages.searched), submits="submit_triage", path=f"{path}/late"
            )
        if submission is None:
            raise NeedsPersonError(
                "The Captain used up its investigation budget and did not hand in a triage.",
                hint="Say where to look or how to see what goes wrong, or raise Options.investigation.",
            )
        decided = codec.from_json(Triage, submission)
        self._triages.close()
        await voyage.tell(Triaged(triage=decided, request=voyage.number))
        self._plans.triage = decided
        self._plans.may_search = not self._triages.searched and bool(self._triages.spent or decided.wide)
        return decided

    async def plan(self, path: str) -> Plan:
        submission = await self._captain.ask(
            "The triage is taken. Now plan the work and call `submit_plan`.", submits="submit_plan", path=path
        )
        return codec.from_json(Plan, submission)

    async def settle(self, plan: Plan) -> Plan | RunEnded:
        """Has the plan approved where somebody is to be asked, and adopts it."""
        voyage, options, knows = self._voyage, self._voyage.options, self._voyage.knows
        asked = options.approve_plan is not None or knows(_APPROVE.format(1))
        settled = await self._approved(plan) if asked else plan
        if isinstance(settled, RunEnded):
            return settled
        await voyage.tell(PlanAdopted(plan=settled, request=voyage.number))
        if asked or options.stop_after_plan or knows(_ADOPTED):
            await voyage.tell(PlanEstimated(estimate=await self._reckoned(_ADOPTED, settled)))
        if options.other_crews or knows(_OTHERS):
            for name, found in await self._with_others(settled):
                await voyage.tell(PlanEstimated(estimate=found, crew=name))
        if not voyage.options.stop_after_plan:
            return settled
        tasks = "1 task" if len(settled.tasks) == 1 else f"{len(settled.tasks)} tasks"
        return RunEnded(
            status="planned",
            summary=f"The plan has {tasks}; nothing has been changed.",
            hint=f"Carry it out with: captain resume {voyage.run}",
        )

    async def _reckoned(self, path: str, plan: Plan) -> Estimate:
        """A step, as a run that is taken up again knows more of the past than it did."""
        work = partial(estimate, self._voyage, plan, self._voyage.team)
        return await self._voyage.step(path, work, inputs={"plan": plan}, gives=Estimate, effect="read")

    async def _with_others(self, plan: Plan) -> list[tuple[str, Estimate]]:
        voyage = self._voyage

        async def reckon() -> list[tuple[str, Estimate]]:
            return [(name, await estimate(voyage, plan, team)) for name, team in voyage.options.other_crews]

        gives = list[tuple[str, Estimate]]
        return await voyage.step(_OTHERS, reckon, inputs={"plan": plan}, gives=gives, effect="read")

    async def _approved(self, plan: Plan) -> Plan | RunEnded:
        voyage = self._voyage
        chosen = voyage.options.approve_plan or "ask"
        approve = by_question(voyage.questions) if chosen == "ask" else chosen
        shown, problems = plan, tuple[str, ...]()
        for number in range(1, MAX_OFFERS + 1):
            triage = self._plans.triage
            assert triage is not None
            cost = await self._reckoned(f"estimate/offer/{number}", shown)
            offer = PlanOffer(plan=shown, estimate=cost, items=triage.items, problems=problems)
            approval = (
                await voyage.step(
                    _APPROVE.format(number),
                    partial(_ask, approve, offer),
                    inputs={"plan": shown, "problems": list(problems)},
                    gives=Said,
                )
            ).approval
            if isinstance(approval, Accept) and problems:
                continue  # what breaks a rule is not carried out, whoever wants it
            problems = ()
            if isinstance(approval, Accept):
                await voyage.tell(PlanDecided(decision="accepted"))
                return shown
            if isinstance(approval, Reject):
                return await self._rejected(approval.reason)
            if isinstance(approval, Edited):
                shown = approval.plan
                work = partial(self._wrong_with, shown, triage, number)
                broken = await voyage.step(
                    f"approve/{number}/rules", work, inputs={"plan": shown}, gives=list[Broken], effect="read"
                )
                if not broken:
                    await voyage.tell(PlanDecided(decision="edited"))
                    return shown
                problems = tuple(each.how for each in broken)
                rules = tuple(each.rule for each in broken)
                await voyage.tell(Refused(what="edit", problems=problems, rules=rules, request=voyage.number))
            else:
                await voyage.tell(PlanDecided(decision="replied", words=approval.text))
                shown = await self._amended(approval.text, shown, number)
        raise NeedsPersonError(
            f"The plan was put to whoever approves it {MAX_OFFERS} times and never settled.",
            hint="Start again, with a request that says what was missing.",
        )

    async def _wrong_with(self, plan: Plan, triage: Triage, number: int) -> list[Broken]:
        voyage = self._voyage
        standing = voyage.standing
        broken = plan_problems(plan, triage, voyage.files, live=standing.live, ended=standing.ended)
        return list(broken or await unrunnable(voyage, plan, triage, name=f"check-edited-{number}"))

    async def _amended(self, words: str, plan: Plan, number: int) -> Plan:
        brief = (
            "The user was shown the plan, and says:\n\n"
            + "\n".join(f"> {line}" for line in words.splitlines())
            + "\n\nAmend the plan, or explain in its `summary` why it stays as it is, and call `submit_plan` again. "
            f"The plan they were shown is:\n\n{codec.to_json(plan)}"
        )
        submission = await self._captain.ask(brief, submits="submit_plan", path=f"plan/amended/{number}")
        return codec.from_json(Plan, submission)

    async def _rejected(self, reason: str) -> RunEnded:
        await self._voyage.tell(PlanDecided(decision="rejected", words=reason))
        said = " ".join(reason.split()).rstrip(".")
        return RunEnded(
            status="declined",
            summary=f"The plan was rejected: {said}." if said else "The plan was rejected.",
            hint="Nothing has been changed. Start again with a request that says what is wanted instead.",
        )


def by_question(desk: QuestionDesk) -> PlanApprover:
    """Puts a plan as a question of the run: accept, reject, or a reply in words."""

    async def approve(offer: PlanOffer) -> Approval:
        lines = [f"{task.id} {task.title}: {', '.join(task.scope.paths)}" for task in offer.plan.tasks]
        lines += [f"not done: {item} ({reason})" for item, reason in offer.plan.declined]
        answer = await desk.ask(
            f"plan/{codec.digest(offer.plan)[:12]}",
            "plan",
            f"Carry out the plan? {offer.plan.summary}",
            choices=(Choice(name="accept", text="carry it out"), Choice(name="reject", text="do not")),
            details="\n".join((*lines, *offer.problems)),
            free_text=True,
            recommended="accept",
        )
        if answer.choice == "accept":
            return Accept()
        return Reject(reason=answer.text) if answer.choice == "reject" else Reply(text=answer.text)

    return approve


async def _ask(approve: PlanApprover, offer: PlanOffer) -> Said:
    return Said(approval=await approve(offer))


def _spent(limits: Limits, *, searched: bool) -> str:
    used = [f"{limits.turns} turns"]
    used += [f"{limits.tokens:,} tokens"] if limits.tokens else []
    used += [f"{limits.working_s:g} seconds of work"] if limits.working_s else []
    others = (
        ""
        if searched
        else " A `fix` may be handed in without a diagnosis now: then plan tasks of the kind `investigate`, each in an "
        "area of its own, and others look."
    )
    return (
        f"Your own investigation ends here ({', '.join(used)} are its limits). Call `submit_triage` now with what you "
        f"know, or `clarify` with one precise question.{others}"
    )


def _added(voyage: Voyage, standing: Standing) -> Iterator[str]:
    """What the Captain is told of a request that came while the run went on, and of what there was already."""
    states = dict(standing.states)
    yield f"# Request {voyage.number}\n\nWhile the run goes on, the user asks for more:\n\n{voyage.asked}"
    if not standing.tasks:
        return
    tasks = "\n".join(
        f"- {task.id} ({states.get(task.id, 'under way')}), may change {', '.join(task.scope.paths)}: {task.title}"
        for task in standing.tasks
    )
    built = f"has what {', '.join(standing.built)} made" if standing.built else "is the one the run began with"
    yield (
        f"# Tasks of the run so far\n\n{tasks}\n\nThe copy you look at {built}. Give new tasks ids of their own. Those "
        "that could change the same files as one above are stacked on it by themselves; name in `depends_on` what they "
        "need besides. Triage and plan only what this request asks for."
    )


def _brief(voyage: Voyage, missing: Sequence[str], found_before: Standing | None) -> str:
    parts = [f"# Request\n\n{voyage.asked}"] if found_before is None else list(_added(voyage, found_before))
    found = parts_of(voyage.asked)
    if len(found) > 1:
        listed = "\n".join(f"- R{number}: {part.text}" for number, part in enumerate(found, 1))
        parts.append(
            "# Its parts\n\nThese are its items unless you hand in `items` of your own; mark background as `context`, "
            f"and cover or decline each of the others.\n\n{listed}"
        )
    if missing:
        names = "\n".join(f"- {path}" for path in missing)
        parts.append(f"# Named, and not in the repository\n\n{names}")
    if notes := voyage.memory.nearest():
        parts.append(f"# The project's own notes\n\n{notes}")
    parts.append("Look into it, then call `submit_triage`.")
    return "\n\n".join(parts)
