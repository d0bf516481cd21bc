"""A scripted voyage that is cut off after any commit of its journal, and taken up again by another process.

`python -m tests.crashes FOLDER` plays a voyage that is left alone and writes what came of it, as JSON;
`python -m tests.crashes FOLDER 3 7` one whose process is lost after its third commit, and whose second one after its
seventh; `python -m tests.crashes FOLDER --kill 50 1` one whose first fifty processes are killed, at moments that the
seed decides. Each process is forked off this one, so that none takes the time of its imports.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import anyio

import captain
import captain.api
from captain.core import codec
from captain.core.events import RequestAdded, RunOpened, TaskChanged
from captain.core.messages import AssistantMessage, Request, Text, ToolResult
from captain.core.questions import Answered, Question
from captain.models import ScriptedModel, call
from captain.models.scripted import Scripted
from captain.reports import RunView
from captain.runs import SqliteStore, stored_runs
from captain.runs.entries import Entry
from captain.testing import git
from tests.voyages import (
    CALC_FIXED,
    ONE_LOOK,
    PYTHON,
    TEXT_FIXED,
    UNCONFINED,
    calc_repository,
    change_triage,
    finding,
    fix_task,
    fix_triage,
    opinion,
    plan,
    review,
    shout_task,
    task,
    write,
)

LOST = 137
LONG = int(os.environ.get("CRASHES_LONG", "0"))
"""So many turns more does one of the Builds take."""
ADDED = os.environ.get("CRASHES_ADDED", "")
"""What is asked for besides, once the run is under way: a function that trebles, on top of what is mended."""
REQUEST = "Mend it"
TREBLE = "\n\ndef treble(a):\n    return 3 * a\n"
TREBLE_CHECK = {"name": "treble", "command": f"{PYTHON} -c 'import calc; assert calc.treble(2) == 6'"}
FLAWED = CALC_FIXED + "\n\ndef spare():\n    return None  # flaw\n"


def text_of(request: Request) -> str:
    parts = [part for message in request.messages for part in message.parts]
    shown = [one for part in parts for one in (part.content if isinstance(part, ToolResult) else (part,))]
    return request.instructions + "\n".join(one.text for one in shown if isinstance(one, Text))


def turn_of(request: Request) -> int:
    return sum(isinstance(message, AssistantMessage) for message in request.messages)


def scripted(calls: Path, name: str, say: Callable[[str, int], Scripted]) -> ScriptedModel:
    """Its replies depend on nothing but the conversation, whichever process asks; each call is noted in `calls`."""

    def reply(request: Request) -> Scripted:
        line = json.dumps([name, codec.digest(request.messages), turn_of(request)])
        descriptor = os.open(calls, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{line}\n".encode())
        os.close(descriptor)
        return say(text_of(request), turn_of(request))

    return ScriptedModel(reply, id=name)


def as_captain(_: str, turn: int) -> Scripted:
    asks = call("submit_triage", kind="clarify", reason="two readings", reply="Which of the two?")
    trebles = task("T3", criteria=[{"text": "it trebles", "check": "treble"}], checks=[TREBLE_CHECK])
    turns = (asks, fix_triage(), plan(fix_task(), shout_task("T2")), change_triage(), plan(trebles))
    return turns[turn]


async def as_user(question: Question) -> Answered:
    if question.kind == "clarify":
        return Answered(text="Both of them.")
    return Answered(choice="drop" if question.kind == "conflict" else "leave")


def as_build(text: str, turn: int) -> Scripted:
    if "Title of T3" in text:
        return (write("calc.py", CALC_FIXED + TREBLE), "It trebles.")[turn]
    if "What is to be mended" in text:
        return (write("calc.py", CALC_FIXED), "Mended.")[turn]
    if "Title of T2" in text and turn < LONG:
        return write("text.py", f"{TEXT_FIXED}\n\n# draft {turn}\n")
    turn -= LONG if "Title of T2" in text else 0
    if "Title of T2" in text:
        return (write("text.py", TEXT_FIXED), write("scrap.md", "Left over.\n"), "It shouts.")[turn]
    return (write("calc.py", FLAWED.replace("flaw", "draft")), write("calc.py", FLAWED), "It adds.")[turn]


def as_reviewer(text: str, _: int) -> Scripted:
    if "You give a second opinion" in text or "Something was wrong in a git repository" in text:
        return opinion()
    flawed = "+    return None  # flaw" in text
    return review({**finding(claim="spare is not asked for"), "anchor": "# flaw"}) if flawed else review()


def crew(calls: Path) -> captain.Crew:
    return captain.Crew(
        captain=scripted(calls, "captain", as_captain),
        build=scripted(calls, "build", as_build),
        review=[scripted(calls, "review", as_reviewer)],
    )


def lost_after(commits: int) -> None:
    """From now on this process is gone right after so many commits of a journal."""
    append = SqliteStore.append
    made = 0

    async def append_or_go(store: SqliteStore, entries: Sequence[Entry], /) -> None:
        nonlocal made
        await append(store, entries)
        made += 1
        if made == commits:
            os._exit(LOST)

    SqliteStore.append = append_or_go  # type: ignore[method-assign]


def counted() -> Callable[[], int]:
    append = SqliteStore.append
    made = 0

    async def append_and_count(store: SqliteStore, entries: Sequence[Entry], /) -> None:
        nonlocal made
        await append(store, entries)
        made += 1

    SqliteStore.append = append_and_count  # type: ignore[method-assign]
    return lambda: made


Team: TypeAlias = Callable[[Path], captain.Crew]
"""The crew that notes its calls in a file."""


def captain_of(folder: Path, team: Team) -> captain.Captain:
    return captain.Captain(
        team(folder / "calls"),
        state_dir=folder / "state",
        sandbox=UNCONFINED,
        options=captain.Options(review=ONE_LOOK, on_question=as_user),
    )


async def begin(folder: Path, team: Team = crew) -> captain.Outcome:
    async with captain_of(folder, team).start(REQUEST, repo=folder / "repo") as run:
        return await to_its_end(run)


async def to_its_end(run: captain.Run, *, added: bool = not ADDED) -> captain.Outcome:
    """`added` says that there is nothing to add any more."""
    if not added:
        async for recorded in run.events():
            if isinstance(recorded.event, TaskChanged):
                await run.add(ADDED)
                break
    return await run.result()


def has_begun(folder: Path) -> bool:
    runs = stored_runs(folder / "state")
    return any(isinstance(one.event, RunOpened) for run in runs for one in run.events())


async def go_on(folder: Path, team: Team = crew) -> captain.Outcome:
    carrier = captain_of(folder, team)
    (stored,) = [run for run in stored_runs(folder / "state") if run.events()]
    view = RunView.of(stored.events())
    if view.ended is not None:  # it was lost when nothing was left to do but to say so
        ended, branch = view.ended, view.result.branch if view.result else None
        return captain.Outcome(
            run=stored.id,
            status=ended.status,
            summary=ended.summary,
            hint=ended.hint,
            branch=branch,
            view=view,
            folder=stored.folder,
        )
    async with carrier.resume(stored.id) as run:
        known = any(isinstance(one.event, RequestAdded) for one in stored.events())
        return await to_its_end(run, added=known or not ADDED)


def told(folder: Path, outcome: captain.Outcome, commits: int) -> dict[str, Any]:
    """What must be the same however often the process was lost."""
    repo, run = folder / "repo", outcome.run
    lines = git(repo, "for-each-ref", "--format=%(objectname) %(refname)", f"refs/heads/captain/{run}").splitlines()
    return {
        "status": outcome.status,
        "summary": outcome.summary.replace(run, "RUN"),
        "tasks": {one.id: [one.state, one.reason, one.verdict] for one in outcome.view.tasks.values()},
        "cases": {
            one.id: sorted([case.id, case.status, case.finding.claim] for case in one.ledger.cases.values())
            for one in outcome.view.tasks.values()
        },
        "trees": {
            line.split()[1].replace(run, "RUN"): git(repo, "rev-parse", f"{line.split()[0]}^{{tree}}") for line in lines
        },
        "follow_ups": sorted(note.title for note in outcome.view.follow_ups),
        "calls": sorted(Counter((folder / "calls").read_text().splitlines()).items()),
        "commits": commits,
    }


def forked(work: Callable[[], object]) -> tuple[int, str]:
    """The exit code and what was written, of a process that does nothing but this."""
    reads, writes = os.pipe()
    if not (child := os.fork()):
        os.close(reads)
        code = 1
        try:
            os.write(writes, json.dumps(work()).encode())
            code = 0
        except BaseException:  # noqa: BLE001 - the end of a process
            os.write(writes, traceback.format_exc().encode()[-60_000:])
        finally:
            os._exit(code)
    os.close(writes)
    with os.fdopen(reads, "rb") as pipe:
        said = pipe.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def play(folder: Path, losses: Sequence[int], team: Team = crew) -> dict[str, Any]:
    """The voyage whose n-th process is lost after `losses[n]` commits, to its end."""
    folder.mkdir(parents=True)
    calc_repository(folder / "repo")

    def work(made: Callable[[], int]) -> dict[str, Any]:
        return told(folder, anyio.run(go_on if has_begun(folder) else begin, folder, team), made())

    return to_the_end(folder, losses, work)


def to_the_end(
    folder: Path, losses: Sequence[int], work: Callable[[Callable[[], int]], dict[str, Any]]
) -> dict[str, Any]:
    """What comes of `work`, begun again by a new process each time one is lost; it is given the count of commits.

    `under_way` counts the model calls that had begun when a process was lost and were not on record: no one can know
    whether they were answered.
    """
    under_way = 0
    for loss in (*losses, 0):

        def carry(loss: int = loss) -> dict[str, Any]:
            made = counted()
            if loss:
                lost_after(loss)
            return work(made)

        code, said = forked(carry)
        if code == 0:
            return {**json.loads(said), "under_way": under_way}
        if code != LOST:
            raise AssertionError(f"after {losses}: exit {code}\n{said}")
        facts = [run.facts() for run in stored_runs(folder / "state")]
        under_way += sum(effect == "call" for fact in facts for _, effect in fact.unfinished)
    raise AssertionError(f"after {losses}: it did not come to an end")


def play_killed(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """A voyage whose processes are killed at any moment, so many of them, and then one that is left alone."""
    folder.mkdir(parents=True)
    calc_repository(folder / "repo")
    chance = random.Random(seed)
    under_way = killed = 0
    while killed < kills:
        if not (child := os.fork()):
            anyio.run(go_on if has_begun(folder) else begin, folder)
            os._exit(0)
        time.sleep(chance.uniform(0.1, 1.0))
        os.kill(child, signal.SIGKILL)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            break  # it was through before its turn came
        killed += 1
        facts = [run.facts() for run in stored_runs(folder / "state")]
        under_way += sum(effect == "call" for fact in facts for _, effect in fact.unfinished)
    code, said = forked(lambda: told(folder, anyio.run(go_on, folder), 0))
    if code != 0:
        raise AssertionError(said)
    return {**json.loads(said), "under_way": under_way, "killed": killed}


if __name__ == "__main__" and sys.argv[2:3] == ["--kill"]:
    sys.stdout.write(json.dumps(play_killed(Path(sys.argv[1]), int(sys.argv[3]), int(sys.argv[4])), indent=2))
elif __name__ == "__main__":
    sys.stdout.write(json.dumps(play(Path(sys.argv[1]), [int(loss) for loss in sys.argv[2:]]), indent=2))
