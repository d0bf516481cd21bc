"""The plan: proposed by the Captain, validated here, adopted only when every rule holds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from itertools import combinations, product
from typing import ClassVar, Final

from captain.core import codec
from captain.core.house_rules import Broken
from captain.core.messages import Text
from captain.core.tasks import (
    USUAL_KINDS,
    ChangeKind,
    Check,
    Criterion,
    Diagnosis,
    Plan,
    RequestItem,
    Scope,
    Task,
    TaskKind,
    Triage,
)
from captain.guards import Reach, problems
from captain.orchestration.context import Voyage
from captain.orchestration.items import coverage_problems
from captain.orchestration.placing import ancestors, on_top_of, stacked
from captain.orchestration.refusing import Refusals
from captain.orchestration.reproducing import shows_at
from captain.orchestration.request import missing_files
from captain.tools import FunctionTool, ToolContext, ToolOutput, said, tool

_NOT_FOUND: Final = 127
_ID_LIMIT_CHARS: Final = 40
CAUSE_EVIDENCE: Final = "a citation of the code that shows the cause"
"""Of a bug that nobody could reproduce: the reviewers have to confirm the cause."""
_HUNT: Final = re.compile(
    r"\b(?:(?:find|figure|work) out (?:why|what (?:is|goes|causes|makes)|where)|track down"
    r"|root[- ]cause (?:the|this|it)\b"
    r"|(?:find|determine|identify|locate) (?:the |its |a )?(?:root )?(?:cause|reason)\b"
    r"|investigate (?:why|what|where|how|and (?:fix|mend|repair)|the (?:bug|cause|crash|failure|problem|issue)))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedCriterion:
    """One thing that must be true at the end: give either `check` or `evidence`."""

    __pydantic_config__: ClassVar = {"use_attribute_docstrings": True}

    text: str
    check: str | None = None
    """The name of the check of this task that proves it."""
    evidence: str | None = None
    """What a reviewer has to cite, where no command can prove it."""
    covers: tuple[str, ...] = ()
    """Ids of the items of the request that it serves; left out, those of its task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedTask:
    """A task, as the Captain hands it in."""

    __pydantic_config__: ClassVar = {"use_attribute_docstrings": True}

    id: str
    """Short, such as T1."""
    title: str
    kind: TaskKind
    brief: str
    """All that the Build agent is told."""
    paths: tuple[str, ...]
    """What may change, as .gitignore patterns. Tests that exist already, CI, lock files, git, hooks, agent, editor
    and build configuration are put back unless a pattern names them, as tests/test_x.py, tests/ or go.mod do."""
    criteria: tuple[ProposedCriterion, ...] = ()
    checks: tuple[Check, ...] = ()
    covers: tuple[str, ...] = ()
    """Ids of the items of the request that it serves, as R1; may be left out where there is only one."""
    creates: tuple[str, ...] = ()
    """Paths of files it makes that the request names and that do not exist yet."""
    forbid: tuple[str, ...] = ()
    """What must not change although `paths` allows it."""
    protect: tuple[str, ...] = ()
    """More that must not change merely because a broad pattern in `paths` covers it."""
    symbols: tuple[str, ...] = ()
    """Functions or classes, such as Ship.sail: in Python files that define one, nothing else may change."""
    max_files: int | None = None
    """Most files, where the work has to stay small."""
    max_lines: int | None = None
    """Most lines, added and removed together."""
    kinds: tuple[ChangeKind, ...] = USUAL_KINDS
    """Kinds of change that are granted; a rename is add and delete."""
    depends_on: tuple[str, ...] = ()
    """Ids of tasks this one builds on."""
    diagnosis: str | None = None
    """The id (D1, D2, …) of the diagnosis a fix rests on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedRefusal:
    """An item of the request that is not going to be done."""

    item: str
    reason: str


def as_plan(
    summary: str,
    proposed: Sequence[ProposedTask],
    triage: Triage,
    files: Sequence[str],
    declined: Sequence[ProposedRefusal] = (),
) -> Plan:
    """The plan that a proposal means. What proves a fix joins its task: the reproduction, or the cause confirmed."""
    diagnoses = {f"D{place}": diagnosis for place, diagnosis in enumerate(triage.diagnoses, 1)}
    diagnoses |= {diagnosis.id: diagnosis for diagnosis in triage.diagnoses}
    return Plan(
        summary=summary,
        tasks=tuple(_as_task(task, diagnoses, triage.items, files) for task in proposed),
        declined=tuple((each.item, each.reason) for each in declined),
    )


def _as_task(
    proposed: ProposedTask, diagnoses: dict[str, Diagnosis], items: Sequence[RequestItem], files: Sequence[str]
) -> Task:
    checks, criteria = list(proposed.checks), list(proposed.criteria)
    diagnosis = diagnoses.get(proposed.diagnosis or "")
    covers = proposed.covers or _only(items)
    served = tuple(dict.fromkeys((*covers, *(name for criterion in criteria for name in criterion.covers))))
    if diagnosis and diagnosis.proof:
        name = f"reproduction-{diagnosis.id}"
        checks.append(Check(name=name, command=diagnosis.proof))
        criteria.append(
            ProposedCriterion(text=f"The reproduction of {diagnosis.id} passes.", check=name, covers=served)
        )
    elif diagnosis:
        text = f"{diagnosis.id}: the cause is confirmed: {diagnosis.cause}"
        criteria.append(ProposedCriterion(text=text, evidence=CAUSE_EVIDENCE, covers=served))
    return Task(
        id=proposed.id,
        title=proposed.title,
        kind=proposed.kind,
        brief=proposed.brief + (f"\n\nRoot cause ({diagnosis.id}): {diagnosis.cause}" if diagnosis else ""),
        scope=_scope(proposed, files),
        criteria=tuple(
            Criterion(
                id=f"{proposed.id}.{n}",
                text=c.text,
                check=c.check or None,
                evidence=(c.evidence or "").strip() or None,
                covers=c.covers or covers,
            )
            for n, c in enumerate(criteria, 1)
        ),
        checks=tuple(checks),
        depends_on=proposed.depends_on,
        diagnosis=diagnosis.id if diagnosis is not None else proposed.diagnosis or None,
    )


def _only(items: Sequence[RequestItem]) -> tuple[str, ...]:
    """The one item that is asked for, which every criterion then serves."""
    wanted = tuple(item.id for item in items if item.wanted)
    return wanted if len(wanted) == 1 else ()


def _scope(proposed: ProposedTask, files: Sequence[str]) -> Scope:
    return Scope(
        paths=tuple(_anchored(pattern, files) for pattern in proposed.paths),
        forbid=proposed.forbid,
        protect=tuple(pattern for pattern in proposed.protect if not pattern.startswith("!")),
        symbols=proposed.symbols,
        max_files=proposed.max_files or None,  # where every field has to be given, 0 says that there is no limit
        max_lines=proposed.max_lines or None,
        kinds=proposed.kinds or USUAL_KINDS,
    )


def _anchored(pattern: str, files: Sequence[str]) -> str:
    """`/src/` for `src/` and `/NEWS.md` for `NEWS.md`, where the one at the root is what is meant.

    By git's rules a name without a slash before its end matches at any depth.
    """
    name = pattern.rstrip("/")
    if not name or "/" in name or any(char in name for char in "!*?["):
        return pattern
    if pattern.endswith("/"):
        at_root = any(path.startswith(pattern) for path in files)
    else:
        at_root = name in files or not any(path.endswith(f"/{name}") for path in files)
    return f"/{pattern}" if at_root else pattern


def plan_problems(
    plan: Plan, triage: Triage, files: Sequence[str], *, live: Sequence[Task] = (), ended: Sequence[str] = ()
) -> tuple[Broken, ...]:
    """Every rule a plan breaks, as sentences a model can act on.

    `live` are tasks the run has already and that its tasks may stand on, `ended` those that came to nothing.
    """
    ids = Counter(task.id for task in plan.tasks)
    found = [] if plan.tasks else [_formed("the plan has no task")]
    found += [_formed(f"the id {task!r} is used {count} times") for task, count in ids.items() if count > 1]
    known = {task.id for task in live}
    found += [
        _formed(f"the run has a task {task!r} already; go on counting") for task in ids if task in {*known, *ended}
    ]
    for task in plan.tasks:
        found += _task_problems(task, triage)
        found += [
            _formed(f"{task.id} depends on {other!r}, which {'came to nothing' if other in ended else 'is no task'}")
            for other in task.depends_on
            if other not in ids and other not in known
        ]
    if found:
        return tuple(found)
    if triage.items:
        found += coverage_problems(plan, triage.items)
    unused = {diagnosis.id for diagnosis in triage.diagnoses} - {task.diagnosis for task in plan.tasks}
    found += [
        Broken(rule="request covered", how=f"no task rests on the diagnosis {diagnosis}")
        for diagnosis in sorted(unused)
    ]
    found += _aimless(plan, triage, files)
    if cycle := _cycle(plan):
        how = "the tasks depend on each other in a circle: " + " → ".join(cycle)
        return (*found, Broken(rule="dependencies have no circle", how=how))
    return (*found, *_meetings(plan.tasks, live, files))


def _aimless(plan: Plan, triage: Triage, files: Sequence[str]) -> Iterator[Broken]:
    """Bugs in code that exists, given to tasks that may change none of it: they could only add files beside it."""
    for diagnosis in triage.diagnoses:
        places = [location.path for location in diagnosis.locations if location.path in files]
        resting = [task for task in plan.tasks if task.diagnosis == diagnosis.id]
        if places and resting and not any(Reach.of(task.scope, files).files for task in resting):
            patterns = ", ".join(dict.fromkeys(pattern for task in resting for pattern in task.scope.paths))
            yield _formed(
                f"{' and '.join(task.id for task in resting)} may change {patterns}, which no file matches, and the "
                f"cause of {diagnosis.id} is in {', '.join(dict.fromkeys(places))}: name what is to change"
            )


def _formed(how: str) -> Broken:
    return Broken(rule="tasks are well formed", how=how)


def _task_problems(task: Task, triage: Triage) -> Iterator[Broken]:
    yield from _form_problems(task)
    if task.kind == "investigate":
        yield Broken(
            rule="investigate inline first",
            how=f"{task.id} delegates an investigation; investigate yourself, with your own tools",
        )
    elif hunt := _HUNT.search(task.brief):
        yield Broken(
            rule="investigate inline first",
            how=f"the brief of {task.id} sends a Build to look for the cause ({hunt.group()!r}); find it yourself, "
            "and write down what is to be done",
        )
    known = {diagnosis.id for diagnosis in triage.diagnoses}
    if task.diagnosis is not None and task.diagnosis not in known:
        how = f"{task.id} rests on the diagnosis {task.diagnosis!r}, which was not handed in"
        yield Broken(rule="diagnosis before delegation", how=how)
    if task.kind == "fix" and task.diagnosis is None:
        how = f"{task.id} is a fix without a diagnosis; name the one it rests on"
        yield Broken(rule="diagnosis before delegation", how=how)
    yield from _criteria_problems(task)


def _form_problems(task: Task) -> Iterator[Broken]:
    for problem in problems(task.scope):
        yield _formed(f"{task.id}: {problem}")
    if not task.id or not all(char.isascii() and (char.isalnum() or char in "-_") for char in task.id):
        yield _formed(f"the id {task.id!r} has to consist of letters, digits, - and _")
    if len(task.id) > _ID_LIMIT_CHARS:
        yield _formed(f"the id {task.id[:_ID_LIMIT_CHARS]!r}… is longer than {_ID_LIMIT_CHARS} characters")
    if not task.title.strip():
        yield _formed(f"{task.id} has no title")
    if not task.brief.strip():
        yield _formed(f"{task.id} has no brief, and a Build is told nothing else")


def _criteria_problems(task: Task) -> Iterator[Broken]:
    if not task.criteria:
        yield _provable(f"{task.id} has no criterion")
    names = Counter(check.name for check in task.checks)
    for name, count in names.items():
        if count > 1:
            yield _provable(f"{task.id} has {count} checks named {name!r}")
    for check in task.checks:
        if not check.command.strip():
            yield _provable(f"the check {check.name!r} of {task.id} has no command")
    for criterion in task.criteria:
        if criterion.check is None and criterion.evidence is None:
            yield _provable(f"{criterion.id} cannot be proved: give it a check or the evidence to cite")
        elif criterion.check is not None and criterion.check not in names:
            yield _provable(f"{criterion.id} names the check {criterion.check!r}, which {task.id} does not have")


def _provable(how: str) -> Broken:
    return Broken(rule="criteria are provable", how=how)


def search_problems(tasks: Sequence[Task], files: Sequence[str]) -> tuple[Broken, ...]:
    """Of a plan that only looks: each task in its own area."""
    found = [problem for task in tasks for problem in _form_problems(task)]
    reach = {place: Reach.of(task.scope, files) for place, task in enumerate(tasks)}
    found += [
        Broken(
            rule="investigate inline first",
            how=f"{one.id} and {other.id} would both search {meeting!r}; give each an area of its own",
        )
        for (here, one), (there, other) in combinations(enumerate(tasks), 2)
        if (meeting := reach[here].meets(reach[there]))
    ]
    ids = Counter(task.id for task in tasks)
    return (*found, *(_formed(f"the id {task!r} is used {count} times") for task, count in ids.items() if count > 1))


def unmade_problems(
    tasks: Sequence[Task], creates: Mapping[str, Sequence[str]], request: str, files: Collection[str]
) -> tuple[Broken, ...]:
    """Tasks that speak of a file which the request names, nobody has made and no task makes."""
    missing = missing_files(request, files)
    made = {path.strip("/").removeprefix("./") for paths in creates.values() for path in paths}
    return tuple(
        Broken(
            rule="named files exist",
            how=f"{task.id} is planned on {path}, which the request names and is not in the repository: look what is "
            "meant, list it in `creates` if the task is to make it, or ask the user",
        )
        for task in tasks
        for path in missing
        if path.strip("/").removeprefix("./") not in made
        if any(path.strip("/") in text for text in (task.brief, *task.scope.paths))
    )


def _cycle(plan: Plan) -> list[str]:
    try:
        TopologicalSorter({task.id: task.depends_on for task in plan.tasks}).prepare()
    except CycleError as error:
        return [str(task) for task in error.args[1]]
    return []


def _meetings(tasks: Sequence[Task], live: Sequence[Task], files: Sequence[str]) -> list[Broken]:
    above = ancestors((*live, *tasks))
    reach = {task.id: Reach.of(task.scope, files) for task in (*live, *tasks)}
    return [
        Broken(
            rule="parallel scopes are disjoint",
            how=f"{one.id} and {other.id} could both change {meeting!r} at the same time: "
            "make their scopes disjoint, or let one depend on the other",
        )
        for one, other in (*combinations(tasks, 2), *product(live, tasks))
        if one.id not in above[other.id] and other.id not in above[one.id]
        if (meeting := reach[one.id].meets(reach[other.id]))
    ]


class PlanDesk:
    """Takes the Captain's plan, if it is valid and its checks can be run at all.

    `may_search`: tasks that only look are allowed, by themselves.
    """

    def __init__(self, voyage: Voyage) -> None:
        self.triage: Triage | None = None
        self.may_search = False
        self._voyage = voyage
        self._refusals = Refusals(voyage, "plan")
        self.submit = self._tool()

    def _tool(self) -> FunctionTool:
        @tool(effect="execute")
        async def submit_plan(
            context: ToolContext,
            summary: str,
            tasks: list[ProposedTask],
            declined: list[ProposedRefusal] = [],  # noqa: B006 - only read
        ) -> ToolOutput:
            """Hands in the plan, after the triage was taken. `declined`: items that are not done, and why."""
            if self.triage is None:
                return said("First hand in the triage.", is_error=True)
            plan = as_plan(summary, tasks, self.triage, self._voyage.files, declined)
            plan = await self._placed(plan, self.triage)
            if broken := await self._broken(plan, self.triage, {task.id: task.creates for task in tasks}):
                return await self._refusals.refuse(broken, context.path)
            return ToolOutput(content=(Text(text="Taken."),), submission=codec.to_json(plan))

        return submit_plan

    async def _placed(self, plan: Plan, triage: Triage) -> Plan:
        """On top of the tasks the run has already, where it could meet them, or rests on what they made."""
        voyage = self._voyage
        standing, proofs = voyage.standing, {diagnosis.id: diagnosis.reproduction for diagnosis in triage.diagnoses}
        if not standing.tasks or any(problems(task.scope) for task in plan.tasks):
            return plan
        plan, above = stacked(plan, standing, voyage.files), ancestors(standing.tasks)
        for place, task in enumerate(plan.tasks):
            command = proofs.get(task.diagnosis or "")
            stands_on = {*task.depends_on, *(name for parent in task.depends_on for name in above.get(parent, ()))}
            if command is None or stands_on >= set(standing.built):
                continue
            if not await shows_at(voyage, command, standing.base, name=f"base-of-{task.diagnosis}"):
                tasks = list(plan.tasks)
                tasks[place] = on_top_of(task, standing.built, above)
                plan = replace(plan, tasks=tuple(tasks))
        return plan

    async def _broken(self, plan: Plan, triage: Triage, creates: Mapping[str, Sequence[str]]) -> Sequence[Broken]:
        voyage = self._voyage
        if self.may_search and plan.tasks and all(task.kind == "investigate" for task in plan.tasks):
            return search_problems(plan.tasks, voyage.files)
        if triage.kind == "fix" and not triage.diagnoses:
            how = "no bug has a diagnosis yet: plan tasks of the kind 'investigate', each in an area of its own"
            return (Broken(rule="diagnosis before delegation", how=how),)
        return (
            *plan_problems(plan, triage, voyage.files, live=voyage.standing.live, ended=voyage.standing.ended),
            *unmade_problems(plan.tasks, creates, voyage.asked, voyage.files),
        ) or await unrunnable(voyage, plan, triage, name=f"check-commands-{self._refusals.count + 1}")


async def unrunnable(voyage: Voyage, plan: Plan, triage: Triage, *, name: str) -> tuple[Broken, ...]:
    """Checks whose program does not exist. One that a task has yet to write is named by a path.

    Reproductions are left out, which the triage has seen run already.
    """
    known = {diagnosis.proof for diagnosis in triage.diagnoses}
    checks = {check.command: check for task in plan.tasks for check in task.checks if check.command not in known}
    found = []
    async with voyage.fresh_box(name, voyage.base) as box:
        for command, check in checks.items():
            result = await box.run_shell(command, timeout_s=voyage.options.command_timeout_s)
            if result.exit_code == _NOT_FOUND and "/" not in command.split()[0]:
                how = f"the check {check.name!r} cannot be run: {voyage.shown(result, box)}"
                found.append(Broken(rule="checks can run", how=how))
    return tuple(found)
