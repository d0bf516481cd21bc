"""No artefact of a run holds a secret of the host, in whatever form agents, tools and errors come upon it."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from captain.agent import Agent, Crewmate
from captain.cli.boundary import guarded
from captain.core.errors import ModelError
from captain.core.masking import MASK, Masker
from captain.core.messages import ToolCall
from captain.models import OpenAIChat, ScriptedModel, ScriptedReply, call, outfit, secrets_of
from captain.runs import MemoryStore, RunJournal
from captain.testing import FakeClock, make_repository
from captain.tools import tool
from tests.core.test_masking import leaks, written
from tests.root import ALLOW_ROOT
from tests.voyages import CALC_FIXED, FILES, fix_task, fix_triage, plan, review, write

CANARY = 'c4nary/+Q7x"9ZkP2&wLt5é\\Vn8'
ALL_FORMS = "\n".join([*written(CANARY).values(), f"x: {CANARY}"])


@pytest.fixture(autouse=True)
def _a_secret_in_the_hosts_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARBOUR_TOKEN", CANARY)


def script(path: Path, replies: list[Any]) -> str:
    def shown(reply: Any) -> Any:
        if isinstance(reply, ToolCall):
            return {"calls": [{"name": reply.name, "arguments": json.loads(reply.arguments)}], "text": ALL_FORMS}
        return reply

    path.write_text(json.dumps([shown(reply) for reply in replies]), "utf-8")
    return f"scripted:{path}"


def artefacts(*folders: Path) -> dict[str, str]:
    return {
        str(path): path.read_bytes().decode("utf-8", "replace").replace("\0", "")
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_run_whose_files_tools_and_models_are_full_of_a_secret_leaves_none_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo, state, record = tmp_path / "repo", tmp_path / "state", tmp_path / "record"
    make_repository(repo, {**FILES, "leak.txt": ALL_FORMS, "AGENTS.md": f"Be brief.\n{ALL_FORMS}\n"})
    noisy = f"cat leak.txt; {shlex.quote(sys.executable)} -c 'import calc; assert calc.add(2, 2) == 4'"
    captain = [
        call("read", path="leak.txt"),
        call("read", path=f"{CANARY}.txt"),
        call("shell", command="cat leak.txt; tail -c 30 leak.txt; exit 3"),
        fix_triage(noisy, cause=f"add subtracts; {ALL_FORMS}"),
        plan(
            fix_task(
                title=f"Mend add {CANARY}",
                brief=ALL_FORMS,
                criteria=[{"text": f"it adds {CANARY}", "check": "adds"}],
                checks=[{"name": "adds", "command": noisy}],
                covers=["R1", "R2", "R3", "R4"],
            )
        ),
    ]
    build = [
        call("shell", command=f"echo {CANARY!r}"),
        call("follow_up", title=f"later {CANARY}", detail=ALL_FORMS),
        write("calc.py", CALC_FIXED),
        ALL_FORMS,
        f"I leave it. {CANARY}",
    ]
    finding = {
        "severity": "minor",
        "category": "tests",
        "path": "calc.py",
        "anchor": "return",
        "claim": f"it says {CANARY}",
        "evidence": ALL_FORMS,
    }
    models = [
        *("--captain", script(tmp_path / "captain.json", captain)),
        *("--build", script(tmp_path / "build.json", build)),
        *("--review", script(tmp_path / "review.json", [review(finding), review()])),
    ]
    where = ["--repo", str(repo), "--state-dir", str(state)]

    code = guarded(["run", *ALLOW_ROOT, f"Mend add. {ALL_FORMS}", *models, *where, "--record", str(record)])
    first = capsys.readouterr()
    assert code == 0, first.out
    replayed = [f"replay:{record}#{name}" for name in models[1::2]]
    crew = [*("--captain", replayed[0]), *("--build", replayed[1]), *("--review", replayed[2])]
    assert guarded(["run", *ALLOW_ROOT, f"Mend add. {ALL_FORMS}", *crew, *where, "--json"]) == 0
    second = capsys.readouterr()
    run = next(path.parent.name for path in state.rglob("report.md"))
    assert guarded(["report", run, "--state-dir", str(state)]) == 0
    assert guarded(["runs", "--all", "--state-dir", str(state)]) == 0
    third = capsys.readouterr()

    said = {"1": first.out, "1e": first.err, "2": second.out, "2e": second.err, "3": third.out, "3e": third.err}
    log = subprocess.run(["git", "-C", str(repo), "log", "--all"], capture_output=True, text=True, check=True).stdout
    kept = artefacts(state, record)
    assert {"report.md", "report.json"} < {Path(name).name for name in kept}
    assert any("run_opened" in text for name, text in kept.items() if not name.endswith(".json"))  # the journal
    assert len([name for name in kept if name.startswith(str(record))]) > 8
    assert leaks(CANARY, ALL_FORMS)
    assert {name: found for name, text in {**kept, **said, "log": log}.items() if (found := leaks(CANARY, text))} == {}
    assert "[secret:HARBOUR_TOKEN]" in kept[next(name for name in kept if name.endswith("report.md"))]


def test_a_crash_file_and_what_is_said_of_a_crash_hold_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> str:
        raise RuntimeError(f"{ALL_FORMS} {ValueError(CANARY)!r}")

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("captain.cli.setup.read_request", crash)

    codes = [guarded(["run", *ALLOW_ROOT, "x"]), guarded(["--debug", "run", "x"])]

    said, kept = capsys.readouterr(), artefacts(tmp_path)
    assert codes == [1, 1]
    assert len(kept) == 1
    assert not any(leaks(CANARY, text) for text in (said.out, said.err, *kept.values()))
    assert "RuntimeError" in next(iter(kept.values()))


async def test_what_a_models_error_says_is_masked_for_whoever_catches_it() -> None:
    model = ScriptedModel([ScriptedReply(error=ModelError(f"401: {CANARY}", model="m", hint=f"not {CANARY}"))])

    with pytest.raises(ModelError) as caught:
        await Agent(mate=Crewmate(model=model), instructions="x").run("y")

    assert (str(caught.value), caught.value.hint) == ("401: [secret:HARBOUR_TOKEN]", "not [secret:HARBOUR_TOKEN]")


@tool(effect="read")
async def look() -> str:
    """Looks."""
    return "x" * 39_990 + CANARY + "y" * 100


@tool(effect="write")
async def put(text: str) -> str:
    """Puts."""
    return f"put {text}"


async def test_a_secret_at_the_border_of_a_clipped_result_does_not_stay_in_half() -> None:
    model = ScriptedModel([call("look"), "Done."])

    await Agent(mate=Crewmate(model=model), instructions="x", tools=(look,)).run("y")

    assert CANARY[:6] not in str(model.requests[1].messages)


async def test_a_mask_is_not_written_in_place_of_what_it_stands_for() -> None:
    model = ScriptedModel(
        [
            call("put", text=f"plain {MASK}"),
            call("look"),
            ScriptedReply(calls=(call("put", text="KEY = [secret:HARBOUR_TOKEN]"),)),
            ScriptedReply(text="Done.", expects="stands for a value that is not shown"),
        ]
    )

    result = await Agent(mate=Crewmate(model=model), instructions="x", tools=(look, put)).run("y")

    assert result.ending == "done"
    assert f"put plain {MASK}" in str(result.messages)


async def test_a_step_gives_the_same_when_it_is_done_and_when_it_is_remembered() -> None:
    store, masker = MemoryStore(), Masker([CANARY])

    async def work() -> list[str]:
        return [f"it is {CANARY}"]

    first = await (await RunJournal.open(store, FakeClock(), masker)).step(
        "a", work, inputs=None, gives=list[str], effect="call"
    )
    again = await (await RunJournal.open(store, FakeClock(), masker)).step(
        "a", work, inputs=None, gives=list[str], effect="call"
    )

    assert first == again == [f"it is {MASK}"]


def test_keys_given_in_code_are_known_through_everything_that_stands_around_a_model() -> None:
    inner = [OpenAIChat("a", api_key="k3y-of-the-first", base_url="http://localhost:1/v1")]
    inner += [OpenAIChat("b", api_key="k3y-of-the-other", base_url="http://localhost:1/v1")]

    assert secrets_of(outfit(inner)) == ("k3y-of-the-first", "k3y-of-the-other")
    assert secrets_of(ScriptedModel([])) == ()
