"""Accepted work that does not go onto what is below it: how it is made to fit, and what a person says if it is not."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias

from captain.core import codec, ids
from captain.core.errors import GitError, WorkspaceError
from captain.core.events import BranchSet, Kept, Noticed, TaskRestacked, TasksClashed
from captain.core.questions import Choice
from captain.core.tasks import Task
from captain.orchestration.context import Voyage
from captain.orchestration.stack import Layer, Move, Restacking, Stack, moves_of
from captain.workspace import RefMove

Decision: TypeAlias = Literal["leave", "drop", "rebased"]

_LEAVE: Final = Choice(name="leave", text="leave its branch as it was, out of the result, and what builds on it too")
_DROP: Final = Choice(name="drop", text="leave it out, and put what builds on it onto what it stood on")
_REBASED: Final = Choice(name="rebased", text="take its branch as it stands now: somebody has rebased it by hand")


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """The accepted work of `task`, between `start` and `head`, does not go onto `onto`; `evidence` says in what.

    `branch` is that of the task.
    """

    task: Task
    branch: str
    start: str
    head: str
    onto: str
    evidence: TasksClashed

    @property
    def name(self) -> str:
        """The same work on the same ground has the same."""
        return codec.digest((self.onto, self.head))[:12]


class Repair(Protocol):
    """Makes a task fit to what was accepted before it, asked once for each task.

    Gives a commit that has `misfit.onto` in its history, or None if it could not be done. What it gives is checked
    like everything else. Raises `BudgetExceededError`, and `UnansweredError` where it waits for a person itself.
    """

    async def __call__(self, misfit: Misfit, /) -> str | None: ...


async def ask_about(voyage: Voyage, misfit: Misfit, above: Sequence[str]) -> Decision:
    """What becomes of a task that conflicts and was not made to fit. Raises `UnansweredError`.

    Without a word from a person everything stays: its branch, and under a ref what it was to be put onto.
    """
    task, evidence = misfit.task, misfit.evidence
    paths = "\n".join(evidence.conflicts)
    command = by_hand(voyage.repository.root, misfit.onto, misfit.start, misfit.branch)
    answer = await voyage.questions.ask(
        _key(misfit),
        "conflict",
        f"{task.id} ({task.title}) conflicts with {' and '.join(evidence.others) or 'what is below it'}, "
        "and the small task for it did not make it fit.",
        choices=(_LEAVE, *((_DROP,) if above else ()), _REBASED),
        task=task.id,
        details=f"{paths}\nby hand: {command}" + (f"\non top of it: {', '.join(above)}" if above else ""),
        recommended="leave",
    )
    decisions: dict[str, Decision] = {"drop": "drop", "rebased": "rebased"}
    return decisions.get(answer.choice, "leave")


def is_decided(voyage: Voyage, misfit: Misfit) -> bool:
    """Whether a person has said already what becomes of it: then nothing is tried any more."""
    return voyage.questions.answered_below(_key(misfit)) > 0


async def rebased_by_hand(voyage: Voyage, misfit: Misfit) -> str | None:
    """Where the task's branch is now, if that stands on what it was to be put onto."""
    repository, branch = voyage.repository, misfit.branch

    async def look() -> str:
        ref = f"refs/heads/{branch}"
        head = (await repository.refs(ref)).get(ref, "")
        return head if head and await repository.is_ancestor(misfit.onto, head) else ""

    path = f"task/{misfit.task.id}/rebased/{misfit.name}"
    head = await voyage.step(path, look, inputs={"branch": branch, "onto": misfit.onto}, gives=str, effect="read")
    if not head:
        text = f"The branch {branch} does not stand on {misfit.onto[:12]}, so {misfit.task.id} is left out."
        await voyage.tell(Noticed(text=text))
    return head or None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moves:
    """`elsewhere` are branches that somebody else has moved."""

    moves: tuple[RefMove, ...]
    elsewhere: tuple[str, ...]


async def move_branches(voyage: Voyage, now: Mapping[str, tuple[str, str]]) -> None:
    """Has the branches of tasks follow their work, which is between these commits now: all of them, or none.

    Their old heads are kept. One that somebody else has moved or removed stays as it is.
    """
    if not now:
        return
    known = {task: _heads_told(voyage, task) for task in now}

    async def look() -> _Moves:
        return await _moves(voyage, now, known)

    async def move() -> str:
        try:
            await voyage.repository.move_refs(found.moves)
        except (GitError, WorkspaceError) as error:
            return str(error)
        return ""

    path = f"integrate/branches/{codec.digest(now)[:12]}"
    found = await voyage.step(f"{path}/look", look, inputs={"now": now}, gives=_Moves, effect="read")
    problem = await voyage.step(path, move, inputs={"now": now}, gives=str) if found.moves else ""
    for branch in found.elsewhere:
        await voyage.tell(Noticed(text=f"{branch} is not where the run had it, so it stays as it is."))
    if problem:
        await voyage.tell(Noticed(text=f"The branches of restacked tasks stay where they were: {problem}"))
        return
    branches = {f"refs/heads/{ids.task_branch(voyage.run, task)}": task for task in now}
    for moved, kept in zip(found.moves[::3], found.moves[1::3], strict=True):
        task = branches[moved.ref]
        await voyage.tell(Kept(ref=kept.ref, commit=kept.new, reason="the branch before it was restacked", task=task))
        await voyage.tell(BranchSet(branch=moved.ref.removeprefix("refs/heads/"), commit=moved.new, task=task))


async def _moves(voyage: Voyage, now: Mapping[str, tuple[str, str]], known: Mapping[str, set[str]]) -> _Moves:
    moves, elsewhere = list[Move](), list[str]()
    for task, (start, head) in now.items():
        branch = ids.task_branch(voyage.run, task)
        at = (await voyage.repository.refs(f"refs/heads/{branch}")).get(f"refs/heads/{branch}")
        if at is None or at not in {head, *known[task]}:
            elsewhere.append(branch)
        elif at != head:
            layer = Layer(task=task, branch=branch, head=at, start=at, on=())
            moves.append(Move(before=layer, after=replace(layer, head=head, start=start)))
    restacking = Restacking(stack=Stack(base=voyage.base), moves=tuple(moves))
    return _Moves(moves=await moves_of(voyage.repository, voyage.run, restacking), elsewhere=tuple(elsewhere))


def _heads_told(voyage: Voyage, task: str) -> set[str]:
    """Where the run itself has had a task's work."""
    found = set[str]()
    for recorded in voyage.journal.events:
        event = recorded.event
        if isinstance(event, BranchSet) and event.task == task:
            found.add(event.commit)
        elif isinstance(event, TaskRestacked) and event.task == task:
            found |= {event.before, event.after}
    return found


def by_hand(root: Path, onto: str, start: str, branch: str) -> str:
    """The command that puts a task's branch onto something else."""
    return shlex.join(["git", "-C", str(root), "rebase", "--onto", onto, start, branch])


def _key(misfit: Misfit) -> str:
    return f"task/{misfit.task.id}/conflict/{misfit.name}"
