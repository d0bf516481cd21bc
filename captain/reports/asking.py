"""The parts of the report about the request: its items, the plan for them, what that costs, who was sent to look."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from captain.core.estimates import Estimate
from captain.core.tasks import Criterion, Plan, Task
from captain.reports import words
from captain.reports.asked import ItemView
from captain.reports.marks import code, plain, quoted
from captain.reports.view import RunView


def items(view: RunView) -> Iterator[str]:
    """Left out where the request is one item and that is carried out: the tasks say it all."""
    shown = view.items
    if len(shown) == 1 and not shown[0].declined:
        return
    for each in shown:
        yield f"- **{_state(view, each)}** {plain(each.item.id)}: {plain(each.item.text)}"
        if each.declined:
            yield f"  - Declined: {plain(each.declined)}"
        elif each.evidence:
            yield "  - By " + ", ".join(
                f"{plain(one.task)}/{plain(one.criterion.id)} ({_proof(one.proof)})" for one in each.evidence
            )


def added(view: RunView) -> Iterator[str]:
    """What was asked for while the run went on, and what became of each."""
    for number, asked in enumerate(view.added):
        if number:
            yield ""
        yield f"### Request {asked.number}: {words.came_to(asked)}"
        yield ""
        yield from quoted(asked.text)
        yield ""
        if asked.triage is not None:
            yield f"- Triage: {asked.triage.kind}; {plain(asked.triage.reason)}"
        if asked.plan is not None:
            yield f"- Plan: {plain(asked.plan.summary)}"
            yield f"- Tasks: {', '.join(f'{plain(task.id)}{_after(task)}' for task in asked.plan.tasks)}"
        if len(shown := view.items_in(asked)) > 1:
            yield from (f"- **{_state(view, each)}** {plain(each.item.id)}: {plain(each.item.text)}" for each in shown)
        if asked.ended is not None:
            yield f"- Outcome: {plain(asked.ended.summary)}"
            if asked.ended.hint:
                yield f"- Next: {plain(asked.ended.hint)}"


def _after(task: Task) -> str:
    return f" (on {plain(', '.join(task.depends_on))})" if task.depends_on else ""


def _state(view: RunView, shown: ItemView) -> str:
    if view.status == "planned" and shown.state == "not done":
        return "planned"
    return shown.state


def _proof(proof: str) -> str:
    return {"proved": "proved", "cited": "cited", "failed": "not met", "none": "open"}[proof]


def plan(view: RunView) -> Iterator[str]:
    """Of a run that stopped there; otherwise what was done is what counts."""
    if view.status == "planned" and view.plan is not None:
        yield from plan_lines(view.plan)


def plan_lines(planned: Plan) -> Iterator[str]:
    """Every task with all that it says, also in a question to a person."""
    for number, task in enumerate(planned.tasks):
        if number:
            yield ""
        yield from _task(task)


def _task(task: Task) -> Iterator[str]:
    yield f"### {plain(task.id)}: {plain(task.title)}"
    yield ""
    after = f", after {plain(', '.join(task.depends_on))}" if task.depends_on else ", at once"
    diagnosis = f", rests on {plain(task.diagnosis)}" if task.diagnosis else ""
    yield f"**{task.kind}**{after}{diagnosis}"
    yield ""
    yield f"- May change: {', '.join(code(path) for path in task.scope.paths)}{_limits(task)}"
    for criterion in task.criteria:
        yield f"- {plain(criterion.id)}: {plain(criterion.text)}{_serves(criterion)}"
        yield f"  - {_proved_by(criterion)}"
    yield from (f"- Check {code(check.name)}: {code(check.command)}" for check in task.checks)
    yield ""
    yield from quoted(task.brief)


def _limits(task: Task) -> str:
    scope, parts = task.scope, []
    if scope.forbid:
        parts.append("but not " + ", ".join(code(path) for path in scope.forbid))
    if scope.symbols:
        parts.append("only " + ", ".join(code(symbol) for symbol in scope.symbols))
    if scope.max_files is not None:
        parts.append(f"at most {words.count(scope.max_files, 'file')}")
    if scope.max_lines is not None:
        parts.append(f"at most {words.count(scope.max_lines, 'line')}")
    return "; " + "; ".join(parts) if parts else ""


def _serves(criterion: Criterion) -> str:
    return f" (for {plain(', '.join(criterion.covers))})" if criterion.covers else ""


def _proved_by(criterion: Criterion) -> str:
    if criterion.check is not None:
        return f"Proved by the check {code(criterion.check)}"
    return f"A reviewer has to cite: {plain(criterion.evidence or '')}"


def estimate(view: RunView) -> Iterator[str]:
    if view.estimate is not None:
        yield from estimate_lines(view.estimate)
    for name, other in view.other_estimates.items():
        yield ""
        yield f"### With the crew {plain(name)}"
        yield ""
        yield from estimate_lines(other)


def estimate_lines(found: Estimate) -> Iterator[str]:
    """The range, by role, and how it was formed."""
    low, high = map(words.about, found.tokens)
    yield f"{f'About {low}' if low == high else f'Between {low} and {high}'} tokens, {_money(found)}."
    yield ""
    for role in found.roles:
        usd = (
            "price not known"
            if role.low_usd is None or role.high_usd is None
            else _dollars(role.low_usd, role.high_usd)
        )
        tokens = words.between(role.low.total_tokens, role.high.total_tokens)
        yield f"- {role.role} {code(role.model)}: {tokens} tokens, {usd}"
    yield ""
    yield "How this was reckoned:"
    yield ""
    yield from (f"- {plain(sentence)}" for sentence in found.basis)


def _dollars(low: Decimal, high: Decimal) -> str:
    one, other = words.amount(low), words.amount(high)
    return one if one == other else f"{one} to {other}"


def _money(found: Estimate) -> str:
    if all(role.high_usd is None for role in found.roles):
        return "at a price that is not known"
    low, high = found.cost_usd
    more = f", and more for {', '.join(map(code, found.unpriced))}, whose price is not known" if found.unpriced else ""
    return f"{_dollars(low, high)}{more}"


def search(view: RunView) -> Iterator[str]:
    if view.search is None:
        return
    yield plain(view.search.reason)
    for task in view.search.tasks:
        yield ""
        areas = ", ".join(code(path) for path in task.scope.paths)
        yield f"### {plain(task.id)}: {plain(task.title)} ({areas})"
        yield ""
        found = view.investigated.get(task.id)
        if found is None:
            yield "No report on record."
            continue
        if found.report:
            yield from quoted(found.report)
        if found.problem:
            yield ""
            yield f"It had to stop: {plain(found.problem)}."


def questions(view: RunView) -> Iterator[str]:
    """Open ones first, each with the command that answers it."""
    for asked in sorted(view.questions.values(), key=lambda asked: asked.answer is not None):
        question = asked.question
        state = "open" if asked.answer is None else "answered"
        yield f"- **{state}** {plain(question.id)}: {plain(question.text)}"
        for line in question.details.splitlines():
            yield f"  - {plain(line)}"
        if asked.answer is not None:
            yield f"  - {plain(words.answered(asked.answer))}"
        else:
            yield f"  - {code(words.how_to_answer(view.run, question))}"


def consulted(view: RunView) -> Iterator[str]:
    """What Builds asked while they worked, and who knew it."""
    for asked in view.consulted:
        yield f"- {plain(asked.task)}: {plain(asked.question)}"
        yield f"  - {plain(words.said_by(asked))}"


def advice(view: RunView) -> Iterator[str]:
    """What the advisor said to whom, and why."""
    for advised in view.advice:
        yield f"- {plain(advised.agent)}, as {words.trigger(advised)}: {plain(advised.advice)}"


def messages(view: RunView) -> Iterator[str]:
    """What was said to the run while it went on, and who heard it."""
    for sent in view.messages:
        heard = sorted({plain(one.agent) for one in view.heard if one.text == sent.text})
        yield f"- {plain(sent.text)}: " + (f"heard by {', '.join(heard)}" if heard else "heard by nobody")
