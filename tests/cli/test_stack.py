"""`captain stack`, on records and branches as runs leave them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import anyio
import pytest

from captain.cli.boundary import guarded
from captain.core import events as ev
from captain.core.tasks import Plan, Scope, Task, TaskState
from captain.runs import find_run, stored_runs
from tests.cli.test_history import keep
from tests.orchestration import test_restacking as restacking
from tests.reports.sample import HOSTILE, record
from tests.root import ALLOW_ROOT
from tests.runs.holding import held
from tests.voyages import (
    CALC_FIXED,
    TEXT_FIXED,
    calc_repository,
    crew,
    fix_task,
    fix_triage,
    plan,
    review,
    sail,
    shout_task,
    write,
)
from tests.workspace.repos import ENV, Repo, new_repo

pytestmark = pytest.mark.slow


RUN = "20261126-180000-abcd"
NUMBERED = "".join(f"line {number}\n" for number in range(12))


def line(number: int, text: str, of: str = NUMBERED) -> str:
    return of.replace(f"line {number}\n", f"{text}\n")


class Scene:
    """A run that is over: T1, T2 on T1, T3 by itself, and T4 that was parked."""

    def __init__(self, folder: Path, *, title: str = "Title") -> None:
        self.state = folder / "state"
        self.repo = new_repo(folder / "repo", {"a.txt": NUMBERED, "b.txt": NUMBERED})
        self.base = self.repo.git("rev-parse", "HEAD")
        self.title = title
        self.events: list[ev.Event] = []
        self.tasks: list[Task] = []

    def branch(self, task: str) -> str:
        return f"captain/{RUN}/task/{task}"

    def head(self, task: str) -> str:
        return self.repo.git("rev-parse", f"refs/heads/{self.branch(task)}")

    def commit(self, start: str, files: dict[str, str | bytes], message: str = "change") -> str:
        self.repo.git("checkout", "-q", "--detach", start)
        made = self.repo.commit(files, message)
        self.repo.git("checkout", "-q", "main")
        return made

    def stand(self, task: str, files: dict[str, str | bytes], *parents: str, state: TaskState = "accepted") -> None:
        start = self.head(parents[0]) if parents else self.base
        head = self.commit(start, files, f"work of {task}")
        self.repo.git("branch", self.branch(task), head)
        self.tasks.append(
            Task(
                id=task,
                title=f"{self.title} of {task}",
                kind="change",
                brief="",
                scope=Scope(paths=("**",)),
                criteria=(),
                checks=(),
                depends_on=parents,
            )
        )
        self.events += [
            ev.SnapshotTaken(task=task, base=start, commit=head, ref=f"refs/captain/{RUN}/task/{task}/1", files=1),
            ev.BranchSet(branch=self.branch(task), commit=head, task=task),
            ev.TaskChanged(task=task, state=state),
        ]

    def keep(self) -> None:
        opened = ev.RunOpened(
            run=RUN,
            request="Mend it",
            repository=str(self.repo.root),
            base=self.base,
            branch="main",
            crew=(),
            sandbox="unsandboxed",
        )
        adopted = ev.PlanAdopted(plan=Plan(summary="", tasks=tuple(self.tasks)))
        ended = ev.RunEnded(status="succeeded", summary="done")
        keep(self.state, self.repo.root / ".git", record(opened, adopted, *self.events, ended))

    def captain(self, *words: str) -> int:
        return guarded(["stack", RUN[:15], "--state-dir", str(self.state), *words])

    def move_main(self, files: dict[str, str | bytes]) -> str:
        self.repo.git("checkout", "-q", "main")
        return self.repo.commit(files, "main moves on")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path)
    made.stand("T1", {"a.txt": line(1, "one")})
    made.stand("T2", {"a.txt": line(5, "two", line(1, "one")), "new.txt": "x\ny\n"}, "T1")
    made.stand("T3", {"b.txt": line(3, "three")})
    made.stand("T4", {"b.txt": "parked\n"}, state="parked")
    made.keep()
    return made


def shown(scene: Scene, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert scene.captain("--json") == 0
    read: dict[str, Any] = json.loads(capsys.readouterr().out)
    return read


def test_the_stack_is_shown_in_order_with_sizes(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    assert scene.captain() == 0
    assert capsys.readouterr().out.splitlines() == [
        f"run {RUN}: Mend it",
        f"on main at {scene.base[:12]}",
        f"  T1  accepted  on the base  in place  {scene.head('T1')[:12]}  1 file +1 -1   Title of T1",
        f"  T3  accepted  on the base  in place  {scene.head('T3')[:12]}  1 file +1 -1   Title of T3",
        f"  T4  parked    on the base  in place  {scene.head('T4')[:12]}  1 file +1 -12  Title of T4",
        f"  T2  accepted  on T1        in place  {scene.head('T2')[:12]}  2 files +3 -1  Title of T2",
        f"branches: captain/{RUN}/task/TASK",
    ]
    read = shown(scene, capsys)
    assert [(task["task"], task["standing"], task["added"]) for task in read["tasks"]][-1] == ("T2", "in place", 3)
    assert read["outdated"] == []


def test_accepted_branches_follow_the_users_branch_and_old_heads_are_kept(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    old = {task: scene.head(task) for task in ("T1", "T2", "T3", "T4")}
    assert scene.captain("--restack") == 0
    assert "Everything stands on main already." in capsys.readouterr().out
    tip = scene.move_main({"a.txt": line(9, "theirs"), "theirs.txt": "x\n"})
    assert scene.captain() == 0
    out = capsys.readouterr().out
    assert f"on main at {tip[:12]}, 1 commit on from {scene.base[:12]}, where the run began" in out
    assert f"3 branches need a restack: captain stack {RUN} --restack" in out

    assert scene.captain("--restack") == 0

    out = capsys.readouterr().out
    assert f"T2  captain/{RUN}/task/T2 moved from {old['T2'][:12]} to {scene.head('T2')[:12]}" in out
    assert "No check has run on these branches yet" in out
    assert scene.repo.git("show", f"{scene.branch('T2')}:a.txt") + "\n" == line(
        9, "theirs", line(5, "two", line(1, "one"))
    )
    assert scene.repo.git("rev-parse", f"{scene.branch('T2')}^") == scene.head("T1")
    assert scene.repo.git("rev-parse", f"{scene.branch('T1')}^") == tip
    assert scene.head("T4") == old["T4"], "what was not accepted stays where it is"
    for task in ("T1", "T2", "T3"):
        assert scene.repo.git("rev-parse", f"refs/captain/{RUN}/restacked/{task}/1") == old[task]
    read = shown(scene, capsys)
    assert read["outdated"] == []
    assert [task["added"] for task in read["tasks"] if task["task"] == "T2"] == [3]
    assert scene.repo.git("status", "--porcelain") == ""


def test_a_conflict_is_named_and_nothing_moves(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    before = scene.repo.git("for-each-ref", "refs/captain", "refs/heads/captain")
    tip = scene.move_main({"a.txt": line(1, "theirs")})
    assert scene.captain("--restack") == 3
    out = capsys.readouterr().out
    assert f"T1  does not fit onto {tip[:12]}:\n    a.txt (contents)\n" in out
    assert f"rebase --onto {tip} {scene.base} captain/{RUN}/task/T1" in out
    assert "T2  stays as it is, on top of what is in conflict" in out
    assert "T3  would fit" in out
    assert "No branch moved. --keep-going moves those that fit." in out
    assert scene.repo.git("for-each-ref", "refs/captain", "refs/heads/captain") == before


def test_those_that_fit_move_if_asked_and_the_rest_goes_on_by_hand(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    two = scene.head("T2")
    tip = scene.move_main({"a.txt": line(1, "theirs")})
    assert scene.captain("--restack", "--keep-going", "--json") == 3
    done = json.loads(capsys.readouterr().out)
    assert [move["task"] for move in done["moves"]] == ["T3"]
    assert done["conflicts"] == [
        {
            "task": "T1",
            "commit": scene.head("T1"),
            "onto": tip,
            "paths": [{"path": "a.txt", "kind": "contents"}],
        }
    ]
    assert (done["moved"], done["held"]) == (True, ["T2"])
    assert scene.repo.git("rev-parse", f"{scene.branch('T3')}^") == tip
    assert scene.head("T2") == two

    mended = scene.commit(tip, {"a.txt": line(1, "both")}, "work of T1, by hand")
    scene.repo.git("branch", "-f", scene.branch("T1"), mended)
    assert shown(scene, capsys)["outdated"] == ["T2"]
    assert scene.captain("--restack") == 0, "what T1 said before does not come up again"
    assert scene.repo.git("rev-parse", f"{scene.branch('T2')}^") == mended
    assert scene.repo.git("show", f"{scene.branch('T2')}:a.txt") + "\n" == line(5, "two", line(1, "both"))


def test_a_branch_the_user_has_merged_is_left_out_and_what_is_above_follows(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    one = scene.head("T1")
    scene.move_main({"theirs.txt": "x\n"})
    scene.repo.git("merge", "-q", "--no-edit", scene.branch("T1"))
    tip = scene.repo.git("rev-parse", "main")
    assert {task["task"]: task["standing"] for task in shown(scene, capsys)["tasks"]}["T1"] == "merged"
    assert scene.captain("--restack") == 0
    assert scene.head("T1") == one
    assert scene.repo.git("rev-parse", f"{scene.branch('T2')}^") == tip
    assert {task["task"]: task["standing"] for task in shown(scene, capsys)["tasks"]}["T2"] == "in place"


def test_the_stack_is_put_onto_another_commit_if_asked(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.move_main({"theirs.txt": "x\n"})
    other = scene.commit(scene.base, {"other.txt": "x\n"})
    scene.repo.git("branch", "release", other)
    assert scene.captain("--restack", "--onto", "release") == 0
    assert scene.repo.git("rev-parse", f"{scene.branch('T1')}^") == other
    assert "theirs.txt" not in scene.repo.git("ls-tree", "--name-only", scene.branch("T2"))
    assert scene.captain("--onto", "no-such") == 2
    assert "'no-such' names no commit" in capsys.readouterr().err


def test_a_branch_that_is_gone_is_said_and_another_can_be_named(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.repo.git("branch", "-m", "main", "trunk")
    assert scene.captain() == 2
    assert "The branch 'main' that run" in capsys.readouterr().err
    assert scene.captain("--onto", "trunk") == 0


def test_a_branch_that_is_checked_out_stops_everything(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.move_main({"theirs.txt": "x\n"})
    scene.repo.git("checkout", "-q", scene.branch("T3"))
    before = scene.repo.git("for-each-ref")
    assert scene.captain("--restack") == 1
    assert "is checked out in" in capsys.readouterr().err
    assert scene.repo.git("for-each-ref") == before


def test_a_run_that_goes_on_is_not_restacked(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    with held(find_run(scene.state, RUN).project, RUN):
        assert scene.captain("--restack") == 2
        assert "still going on" in capsys.readouterr().err
        assert scene.captain() == 0


def test_patches_are_written_in_order_and_git_takes_them(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.repo.git("config", "format.signature", "of mine")
    scene.repo.git("config", "diff.noprefix", "true")
    folder = tmp_path / "out"
    assert scene.captain("--export", str(folder)) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["01-T1.patch", "02-T3.patch", "03-T2.patch"]
    assert "of mine" not in (folder / "01-T1.patch").read_text()
    scene.repo.git("config", "--unset", "diff.noprefix")
    scene.repo.git("checkout", "-q", "-b", "applied", scene.base)
    scene.repo.git("am", "-q", *map(str, sorted(folder.iterdir())))
    assert scene.repo.git("rev-parse", "HEAD:a.txt") == scene.repo.git("rev-parse", f"{scene.branch('T2')}:a.txt")
    assert scene.repo.git("rev-parse", "HEAD:b.txt") == scene.repo.git("rev-parse", f"{scene.branch('T3')}:b.txt")
    capsys.readouterr()
    assert scene.captain("--export", str(folder)) == 2
    assert "There is already a file" in capsys.readouterr().err


def test_one_branch_is_printed_as_git_takes_it(scene: Scene, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert scene.captain("--branch", "T4") == 0
    patch = capfdbinary.readouterr().out
    assert b"Subject: [PATCH] work of T4" in patch
    argv = ["git", "-C", str(scene.repo.root), "apply", "--check"]
    assert subprocess.run(argv, input=patch, env=ENV, check=False).returncode == 0
    assert scene.captain("--branch", "T9") == 2
    assert b"There are branches of T1, T2, T3, T4." in capfdbinary.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--restack", "--export", "x"), "--restack and --export cannot be asked for at once."),
        (("--keep-going",), "--keep-going says how --restack goes about it."),
        (("--branch", "T1", "--json"), "--branch writes patches, not JSON."),
    ],
)
def test_what_cannot_be_asked_for_together_is_refused(
    scene: Scene, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scene.captain(*words) == 2
    assert said in capsys.readouterr().err


def test_nothing_in_a_hostile_record_acts_on_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = Scene(tmp_path, title=HOSTILE)
    scene.stand("T1", {"a\x1b[2J.txt": "x\n", "a.txt": "mine\n"})
    scene.keep()
    scene.move_main({"a\x1b[2J.txt": "y\n"})
    assert scene.captain() == 0
    assert scene.captain("--restack") == 3
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert r"a\x1b[2J.txt" in out


def scripted(folder: Path, name: str, script: Any) -> str:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(script), "utf-8")
    return f"scripted:{path}"


def crewed(folder: Path, builds: list[Any]) -> list[str]:
    said = {"calls": [{"name": "submit_review", "arguments": {"summary": "looked", "findings": [], "evidence": []}}]}
    file = folder / "crew.toml"
    file.write_text(
        "[crew]\n"
        f"captain = {json.dumps(scripted(folder, 'captain', []))}\n"
        f"build = {json.dumps(scripted(folder, 'build', builds))}\n"
        f"review = {json.dumps(scripted(folder, 'review', [said] * 9))}\n"
    )
    return ["--crew", str(file), *ALLOW_ROOT]


def test_with_a_crew_a_conflict_is_solved_in_a_run_of_its_own(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tip = scene.move_main({"a.txt": line(1, "theirs")})
    assert scene.captain("--restack") == 3
    without = capsys.readouterr().out
    assert f"With a crew, a conflict becomes a small task: captain stack {RUN} --restack --crew FILE.toml" in without
    mended = {"name": "write", "arguments": {"path": "a.txt", "content": line(1, "theirs and one")}}
    assert scene.captain("--restack", *crewed(tmp_path, [{"calls": [mended]}, "Both hold."])) == 0
    out = capsys.readouterr().out
    assert "T1-fit  added: Make Title of T1 fit" in out
    assert "T1  was made to fit, by a small task, onto the base: " in out
    assert "T2  followed T1: " in out
    assert f"Of run {RUN} these stand on main now: T1, T3, T2." in out
    assert scene.repo.git("rev-parse", f"{scene.branch('T1')}^") == tip
    assert scene.repo.git("show", f"{scene.branch('T2')}:a.txt") + "\n" == line(5, "two", line(1, "theirs and one"))
    assert shown(scene, capsys)["outdated"] == []
    (left,) = [run for run in stored_runs(scene.state) if run.id != RUN]
    assert left.facts().unfinished == ()


def test_a_crew_has_nothing_to_do_where_everything_fits(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.move_main({"theirs.txt": "x\n"})
    assert scene.captain("--restack", *crewed(tmp_path, [])) == 0
    assert f"T2  captain/{RUN}/task/T2 moved from" in capsys.readouterr().out
    assert [run.id for run in stored_runs(scene.state)] == [RUN]


def test_a_conflict_the_crew_does_not_solve_is_left_as_it_was(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = scene.head("T1")
    scene.move_main({"a.txt": line(1, "theirs")})
    assert scene.captain("--restack", "--yes", *crewed(tmp_path, ["I cannot."])) == 3
    out = capsys.readouterr().out
    assert "T1 does not fit onto what is below it: it conflicts in a.txt. T2 stays as it is" in " ".join(out.split())
    assert scene.head("T1") == one
    assert scene.captain(*crewed(tmp_path, [])) == 2
    assert "A crew is for what --restack finds in conflict." in capsys.readouterr().err


def test_a_run_that_restacked_leaves_branches_that_stand_on_one_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo, state = calc_repository(tmp_path / "repo"), tmp_path / "state"
    outcome, _ = anyio.run(sail, repo, state, restacking.crew())
    Repo(repo).commit({"new.txt": "x\n"})
    capsys.readouterr()
    where = ["--state-dir", str(state)]
    for asked, standing in (([], "outdated"), (["--restack"], None), ([], "in place")):
        assert guarded(["stack", outcome.run, *where, *asked, "--json"]) == 0
        read = json.loads(capsys.readouterr().out)
        if standing:
            assert [(task["task"], task["parents"], task["standing"]) for task in read["tasks"]] == [
                ("T1", [], standing),
                ("T2", ["T1"], standing),
                ("T3", ["T2"], standing),
                ("T4", ["T3"], standing),
            ]
    top = f"captain/{outcome.run}/task/T4"
    assert Repo(repo).git("diff", "--stat", str(outcome.branch), top, "--", ":!new.txt") == ""
    assert guarded(["stack", outcome.run, *where, "--export", str(tmp_path / "out")]) == 0
    Repo(repo).git("checkout", "-q", "-b", "applied", "main")
    Repo(repo).git("am", "-q", *map(str, sorted((tmp_path / "out").iterdir())))
    assert Repo(repo).git("rev-parse", "HEAD^{tree}") == Repo(repo).git("rev-parse", f"{top}^{{tree}}")


def test_a_real_run_leaves_a_stack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repo, state = calc_repository(tmp_path / "repo"), tmp_path / "state"
    build = {
        "Task T1:": [write("calc.py", CALC_FIXED), "Done."],
        "Task T2:": [write("text.py", TEXT_FIXED), "Done."],
    }
    script = [fix_triage(), plan(fix_task(), shout_task("T2", depends_on=["T1"]))]
    outcome, _ = anyio.run(sail, repo, state, crew(script, build, [review()] * 2))
    Repo(repo).commit({"new.txt": "x\n"})
    capsys.readouterr()
    assert guarded(["stack", outcome.run, "--state-dir", str(state), "--restack"]) == 0
    assert guarded(["stack", outcome.run, "--state-dir", str(state), "--json"]) == 0
    read = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [(task["task"], task["parents"], task["standing"]) for task in read["tasks"]] == [
        ("T1", [], "in place"),
        ("T2", ["T1"], "in place"),
    ]
    assert read["result"]["branch"] == outcome.branch
