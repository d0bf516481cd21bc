"""The plan: proposed by the Captain, validated here, adopted only when every rule holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import combinations
from typing import ClassVar, Final

from captain.core import codec
from captain.core.errors import CaptainError
from captain.core.events import PlanAdopted, Refused
from captain.core.messages import Text
from captain.core.tasks import (
    USUAL_KINDS,
    ChangeKind,
    Check,
    Criterion,
    Diagnosis,
    Plan,
    Scope,
    Task,
    TaskKind,
    Triage,
)
from captain.guards import Reach, problems
from captain.orchestration.context import Voyage
from captain.orchestration.conversation import Conversation
from captain.tools import FunctionTool, ToolOutput, said, tool

MAX_REFUSALS: Final = 3
_NOT_FOUND: Final = 127
_ID_LIMIT_CHARS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedCriterion:
    """One thing that must be true at the end: give either `check` or `evidence`."""

    __pydantic_config__: ClassVar = {"use_attribute_docstrings": True}

    text: str
    check: str | None = None
    """The name of the check of this task that proves it."""
    evidence: str | None = None
    """What a reviewer has to cite, where no command can prove it."""


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
    criteria: tuple[ProposedCriterion, ...]
    checks: tuple[Check, ...] = ()
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


def as_plan(summary: str, proposed: Sequence[ProposedTask], triage: Triage, files: Sequence[str]) -> Plan:
    """The plan that a proposal means. The reproduction of a fix joins its task as a check."""
    diagnoses = {diagnosis.id: diagnosis for diagnosis in triage.diagnoses}
    return Plan(summary=summary, tasks=tuple(_as_task(task, diagnoses, files) for task in proposed))


def _as_task(proposed: ProposedTask, diagnoses: dict[str, Diagnosis], files: Sequence[str]) -> Task:
    checks, criteria = list(proposed.checks), list(proposed.criteria)
    diagnosis = diagnoses.get(proposed.diagnosis or "")
    if diagnosis and diagnosis.reproduction:
        name = f"reproduction-{diagnosis.id}"
        checks.append(Check(name=name, command=diagnosis.reproduction))
        criteria.append(ProposedCriterion(text=f"The reproduction of {diagnosis.id} passes.", check=name))
    return Task(
        id=proposed.id,
        title=proposed.title,
        kind=proposed.kind,
        brief=proposed.brief + (f"\n\nRoot cause ({diagnosis.id}): {diagnosis.cause}" if diagnosis else ""),
        scope=_scope(proposed, files),
        criteria=tuple(
            Criterion(
                id=f"{proposed.id}.{n}", text=c.text, check=c.check or None, evidence=(c.evidence or "").strip() or None
            )
            for n, c in enumerate(criteria, 1)
        ),
        checks=tuple(checks),
        depends_on=proposed.depends_on,
        diagnosis=proposed.diagnosis or None,
    )


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


def plan_problems(plan: Plan, triage: Triage, files: Sequence[str]) -> tuple[str, ...]:
    """Every rule a plan breaks, as sentences a model can act on."""
    ids = Counter(task.id for task in plan.tasks)
    found = [] if plan.tasks else ["the plan has no task"]
    found += [f"the id {task!r} is used {count} times" for task, count in ids.items() if count > 1]
    for task in plan.tasks:
        found += _task_problems(task, triage)
        found += [f"{task.id} depends on {other!r}, which is no task" for other in task.depends_on if other not in ids]
    if found:
        return tuple(found)
    unused = {diagnosis.id for diagnosis in triage.diagnoses} - {task.diagnosis for task in plan.tasks}
    found += [f"no task rests on the diagnosis {diagnosis}" for diagnosis in sorted(unused)]
    if cycle := _cycle(plan):
        return (*found, "the tasks depend on each other in a circle: " + " → ".join(cycle))
    return (*found, *_meetings(plan, files))


def _task_problems(task: Task, triage: Triage) -> list[str]:
    found = [f"{task.id}: {problem}" for problem in problems(task.scope)]
    if not task.id or not all(char.isascii() and (char.isalnum() or char in "-_") for char in task.id):
        found.append(f"the id {task.id!r} has to consist of letters, digits, - and _")
    if len(task.id) > _ID_LIMIT_CHARS:
        found.append(f"the id {task.id[:_ID_LIMIT_CHARS]!r}… is longer than {_ID_LIMIT_CHARS} characters")
    if not task.title.strip():
        found.append(f"{task.id} has no title")
    if not task.brief.strip():
        found.append(f"{task.id} has no brief, and a Build is told nothing else")
    if task.kind == "investigate":
        found.append(f"{task.id} delegates an investigation; investigate yourself, with your own tools")
    known = {diagnosis.id for diagnosis in triage.diagnoses}
    if task.diagnosis is not None and task.diagnosis not in known:
        found.append(f"{task.id} rests on the diagnosis {task.diagnosis!r}, which was not handed in")
    if task.kind == "fix" and task.diagnosis is None:
        found.append(f"{task.id} is a fix without a diagnosis; name the one it rests on")
    return found + _criteria_problems(task)


def _criteria_problems(task: Task) -> list[str]:
    found = [] if task.criteria else [f"{task.id} has no criterion"]
    names = Counter(check.name for check in task.checks)
    found += [f"{task.id} has {count} checks named {name!r}" for name, count in names.items() if count > 1]
    found += [
        f"the check {check.name!r} of {task.id} has no command" for check in task.checks if not check.command.strip()
    ]
    for criterion in task.criteria:
        if criterion.check is None and criterion.evidence is None:
            found.append(f"{criterion.id} cannot be proved: give it a check or the evidence to cite")
        elif criterion.check is not None and criterion.check not in names:
            found.append(f"{criterion.id} names the check {criterion.check!r}, which {task.id} does not have")
    return found


def _cycle(plan: Plan) -> list[str]:
    try:
        TopologicalSorter({task.id: task.depends_on for task in plan.tasks}).prepare()
    except CycleError as error:
        return [str(task) for task in error.args[1]]
    return []


def ancestors(plan: Plan) -> dict[str, frozenset[str]]:
    """For every task the tasks it builds on, directly or not. The plan has to be acyclic."""
    tasks = {task.id: task for task in plan.tasks}
    order = TopologicalSorter({task.id: task.depends_on for task in plan.tasks}).static_order()
    found: dict[str, frozenset[str]] = {}
    for task in order:
        parents = tasks[task].depends_on
        found[task] = frozenset(parents).union(*(found[parent] for parent in parents))
    return found


def _meetings(plan: Plan, files: Sequence[str]) -> list[str]:
    above = ancestors(plan)
    reach = {task.id: Reach.of(task.scope, files) for task in plan.tasks}
    return [
        f"{one.id} and {other.id} could both change {meeting!r} at the same time: "
        f"make their scopes disjoint, or let one depend on the other"
        for one, other in combinations(plan.tasks, 2)
        if one.id not in above[other.id] and other.id not in above[one.id]
        if (meeting := reach[one.id].meets(reach[other.id]))
    ]


class PlanDesk:
    """Takes the Captain's plan, if it is valid and its checks can be run at all."""

    def __init__(self, voyage: Voyage) -> None:
        self.triage: Triage | None = None
        self._voyage = voyage
        self._refused = 0
        self.submit = self._tool()

    def _tool(self) -> FunctionTool:
        @tool(effect="execute")
        async def submit_plan(summary: str, tasks: list[ProposedTask]) -> ToolOutput:
            """Hands in the plan, after the triage was taken."""
            if self.triage is None:
                return said("First hand in the triage.", is_error=True)
            plan = as_plan(summary, tasks, self.triage, self._voyage.files)
            reproduced = {diagnosis.reproduction for diagnosis in self.triage.diagnoses}
            found = plan_problems(plan, self.triage, self._voyage.files) or await self._unrunnable(plan, reproduced)
            if found:
                return await self._refuse(found)
            return ToolOutput(content=(Text(text="Taken."),), submission=codec.to_json(plan))

        return submit_plan

    async def _unrunnable(self, plan: Plan, known: Collection[str | None]) -> tuple[str, ...]:
        """Checks whose program does not exist. One that a task has yet to write is named by a path.

        `known` are commands that triage has seen run already.
        """
        voyage = self._voyage
        commands = (check for task in plan.tasks for check in task.checks)
        checks = {check.command: check for check in commands if check.command not in known}
        found = []
        async with voyage.fresh_box(f"check-commands-{self._refused + 1}", voyage.base) as box:
            for command, check in checks.items():
                result = await box.run_shell(command, timeout_s=voyage.options.command_timeout_s)
                if result.exit_code == _NOT_FOUND and "/" not in command.split()[0]:
                    found.append(f"the check {check.name!r} cannot be run: {voyage.shown(result, box)}")
        return tuple(found)

    async def _refuse(self, found: tuple[str, ...]) -> ToolOutput:
        self._refused += 1
        await self._voyage.tell(Refused(what="plan", problems=found))
        if self._refused >= MAX_REFUSALS:
            raise CaptainError(
                f"The Captain's plan was refused {MAX_REFUSALS} times. The last reason: {found[0]}.",
                hint="Use another model as Captain, or ask for less at once.",
            )
        return said("The plan was not taken:\n" + "\n".join(f"- {p}" for p in found), is_error=True)


async def make_plan(voyage: Voyage, captain: Conversation) -> Plan:
    """The adopted plan."""
    submission = await captain.ask(
        "The triage is taken. Now plan the work and call `submit_plan`.", submits="submit_plan", path="plan"
    )
    plan = codec.from_json(Plan, submission)
    await voyage.tell(PlanAdopted(plan=plan))
    return plan
