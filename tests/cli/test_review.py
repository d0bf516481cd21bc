"""`captain review` from the command line to the exit code, with scripted models and real git."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from captain.cli.boundary import guarded
from captain.testing import git, make_repository
from tests.root import ALLOW_ROOT
from tests.waiting import files_below, until

pytestmark = pytest.mark.slow


BASE: Final = {"app.py": "start\nmiddle\nend\n", "lib.py": "one\n"}
CHANGE: Final = "start\nWRONG one\nmiddle\nWRONG two\nend\n"

REVIEW: Final = "You review one change"
VERIFY: Final = "You give a second opinion"
GONE: Final = "Something was wrong in a git repository"
BUILD: Final = "Mend the cause"

Reply = dict[str, Any] | str


def says(name: str, **arguments: Any) -> Reply:
    return {"calls": [{"name": name, "arguments": arguments}]}


def finding(word: str = "WRONG one", severity: str = "major", *, shown: bool = True, **more: Any) -> dict[str, Any]:
    check = {"suggested_check": f"! grep -q '{word}' app.py"} if shown else {}
    said = {
        "category": "correctness",
        "path": "app.py",
        "anchor": word,
        "claim": f"{word} is wrong.",
        "evidence": "Look.",
    }
    return {**said, **check, "severity": severity, **more}


def finds(*findings: Mapping[str, Any]) -> Reply:
    return says("submit_review", summary="Looked.", findings=list(findings))


YES: Final = says("submit_opinion", holds=True, reason="It is so.")
NO: Final = says("submit_opinion", holds=False, reason="A caller guards against it.")


def edits(old: str, new: str) -> list[Reply]:
    return [says("edit", path="app.py", old=old, new=new), "Done."]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = make_repository(tmp_path / "repository", BASE)
    git(root, "checkout", "-q", "-b", "work")
    (root / "app.py").write_text(CHANGE)
    git(root, "commit", "-q", "-a", "-m", "Say more")
    return root


class Command:
    """`captain review` with a crew that follows a script: replies by who is asked."""

    def __init__(self, folder: Path, repository: Path) -> None:
        self.repository = repository
        self.state = folder / "state"
        self._script = folder / "script.json"

    def model(self, **replies: Sequence[Reply]) -> str:
        names = {"review": REVIEW, "verify": VERIFY, "gone": GONE, "build": BUILD}
        self._script.write_text(json.dumps({names[name]: said for name, said in replies.items()}), "utf-8")
        return f"scripted:{self._script}"

    def __call__(self, *arguments: str, **replies: Sequence[Reply]) -> int:
        crew = ["--captain", self.model(**replies)] if replies else []
        where = ["--repo", str(self.repository), "--state-dir", str(self.state)]
        return guarded(["review", *ALLOW_ROOT, *where, "--policy", "economy", *crew, *arguments])


@pytest.fixture
def command(tmp_path: Path, repository: Path) -> Command:
    return Command(tmp_path, repository)


def every_byte(repository: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(repository.rglob("*")):
        digest.update(f"{path.relative_to(repository)} {path.lstat().st_mode}\n".encode())
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def heads(repository: Path) -> str:
    return git(repository, "for-each-ref", "refs/heads") + git(repository, "status", "--porcelain")


# without --fix


@pytest.mark.parametrize(
    ("said", "votes", "code"),
    [
        pytest.param([finding(severity="critical")], [YES], 1, id="a critical one that was seen to fail"),
        pytest.param([finding(shown=False)], [YES, YES], 1, id="a major one that two opinions share"),
        pytest.param([finding(shown=False)], [NO], 0, id="a major one that a second opinion turns down"),
        pytest.param([finding(severity="minor")], [YES], 0, id="a minor one"),
        pytest.param([], [], 0, id="nothing"),
    ],
)
def test_a_review_ends_with_1_if_something_serious_is_verified(
    said: list[dict[str, Any]], votes: list[Reply], code: int, command: Command
) -> None:
    assert command(review=[finds(*said)], verify=votes) == code


def test_a_review_without_fixing_leaves_every_byte_of_the_repository_as_it_was(
    command: Command, repository: Path
) -> None:
    before = every_byte(repository)

    assert command("--check", "tests=true", review=[finds(finding(shown=False))], verify=[YES, YES]) == 1
    assert every_byte(repository) == before


def test_no_reviewer_at_hand_is_not_a_clean_review(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(review=["I would rather not.", "No.", "Never."]) == 3
    assert "no reviewer gave a usable review" in capsys.readouterr().out


def test_a_review_that_its_budget_cut_off_is_not_a_clean_one(command: Command) -> None:
    assert command("--budget-calls", "1", "--policy", "thorough", review=[finds(), finds(), finds()]) == 3


def test_time_that_is_used_up_ends_a_review_with_3(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--time", "0.0000001", "--quiet", review=[finds()]) == 3
    assert capsys.readouterr().out.startswith("budget: its 1e-07 s are used up\n")


def test_a_crew_file_names_who_reviews_and_who_mends(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = command.model(review=[finds(finding()), finds()], verify=[YES], build=["I would rather not."] * 2)
    (tmp_path / "crew.toml").write_text(f'[crew]\nbuild = "{model}"\nreview = "{model}"\n[budget]\ncalls = 50\n')

    assert command("--fix", "--crew", str(tmp_path / "crew.toml")) == 0
    assert "\nF1: the fixer left the files as they were: I would rather not.\n" in capsys.readouterr().out


def test_checks_alone_need_no_model(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--check", "words=! grep -q WRONG app.py", "--check", "fine=true") == 1
    assert "1 of 2 checks failed (words)" in capsys.readouterr().out


def test_a_check_that_fails_without_the_change_too_is_not_held_against_it(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--check", "never=false") == 0
    assert "Failed before the change, and not held against it: `never`" in capsys.readouterr().out


def test_what_is_not_committed_is_said_not_to_be_reviewed(
    command: Command, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "lib.py").write_text("two\n")

    assert command(review=[finds()]) == 0
    assert "notice: The work tree has uncommitted changes. They are not reviewed" in capsys.readouterr().out


def test_a_base_that_has_gone_on_is_left_where_the_two_part(
    command: Command, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = git(repository, "rev-parse", "main")
    git(repository, "checkout", "-q", "main")
    (repository / "lib.py").write_text("two\n")
    git(repository, "commit", "-q", "-a", "-m", "Meanwhile")
    git(repository, "checkout", "-q", "work")

    assert command("--json", review=[finds()]) == 0

    report = json.loads(capsys.readouterr().out)
    assert report["base"] == start
    assert report["notes"][0].startswith("main has gone on since this branch left it; compared with where the two part")


def test_a_change_without_content_is_said_to_be_none_and_ends_with_0(
    command: Command, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repository, "commit", "-q", "--allow-empty", "-m", "Nothing")

    assert command("--base", "work~1", review=[]) == 0
    assert capsys.readouterr().out.startswith("There is nothing to review: ")
    assert command("--base", "work~1", "--json", review=[]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] is None
    assert command("--base", "work~1", "--sarif", review=[]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["results"] == []
    assert not command.state.exists()


def test_on_the_default_branch_it_is_compared_with_where_that_came_from(
    command: Command, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = git(repository, "rev-parse", "main")
    git(repository, "checkout", "-q", "main")
    git(repository, "merge", "-q", "--ff-only", "work")
    git(repository, "update-ref", "refs/remotes/origin/main", start)

    assert command("--json", review=[finds()]) == 0
    assert json.loads(capsys.readouterr().out)["base"] == start


def test_a_finding_outside_the_scope_is_left_for_another_task(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scope.toml").write_text('paths = ["/lib.py"]\n')

    assert command("--json", "--scope", str(tmp_path / "scope.toml"), review=[finds(finding())]) == 0

    report = json.loads(capsys.readouterr().out)
    assert [case["status"] for case in report["cases"]] == ["out_of_scope"]
    assert report["follow_ups"][0]["title"] == "Outside the scope: WRONG one is wrong."


def test_reviewers_are_told_what_the_change_is_for(command: Command) -> None:
    fine = [{"name": "submit_review", "arguments": {"summary": "Fine.", "findings": []}}]
    asked: Reply = {"calls": fine, "expects": "Say it in the order of the day."}
    told: Reply = {"calls": fine, "expects": "- Say more"}

    assert command("--ask", "Say it in the order of the day.", review=[asked]) == 0
    assert command(review=[told]) == 0


def test_hostile_words_do_not_reach_the_terminal(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = finding(claim="Wrong.\x1b[2J\u202e", path="app.py\x1b]0;x", category="\x1b[31m")

    command(review=[finds(hostile)])
    command("--json", review=[finds(hostile)])
    others = capsys.readouterr().out
    command("--sarif", review=[finds(hostile)])

    document = capsys.readouterr().out
    assert "\x1b" not in others + document
    assert "\u202e" not in others + document
    [result] = json.loads(document)["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "app.py%1B%5D0%3Bx"


def test_what_is_recorded_can_be_replayed(command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = tmp_path / "recording"

    assert command("--quiet", "--record", str(recording), review=[finds(finding())], verify=[YES]) == 1
    assert command("--quiet", "--review", f"replay:{recording}") == 1

    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("left")] == [
        "left: 1 verified finding (1 major)"
    ] * 2


def test_a_cost_limit_that_cannot_count_is_said_to_be_none(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--budget-usd", "5", review=[finds()]) == 0
    assert "notice: The cost limit cannot count calls whose price is not known (scripted:" in capsys.readouterr().out


# with --fix


def test_what_converges_ends_with_0_and_the_result_is_on_the_branch_that_was_asked_for(
    command: Command, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, head = heads(repository), git(repository, "rev-parse", "HEAD")
    mended = edits("WRONG one\n", "")

    code = command(
        "--fix", "--branch", "mended/one", review=[finds(finding()), finds(), finds()], verify=[YES], build=mended
    )

    out = capsys.readouterr().out
    assert code == 0
    assert "round 1: 1 found, 1 verified, 1 fixed; no checks; weight 3, then 0\n" in out
    assert "converged: the cold review of round 2 admitted nothing, and nothing is open\nresult: mended/one\n" in out
    assert f"  git -C {repository} diff {head[:12]}..mended/one\n" in out
    assert f"  git -C {repository} merge --ff-only mended/one\n" in out
    assert git(repository, "show", "mended/one:app.py") == "start\nmiddle\nWRONG two\nend"
    git(repository, "branch", "-D", "mended/one")
    assert heads(repository) == before


def test_without_a_branch_the_result_is_under_a_ref_that_can_be_taken_over(
    command: Command, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = heads(repository)

    code = command(
        "--fix", "--quiet", review=[finds(finding()), finds(), finds()], verify=[YES], build=edits("WRONG one\n", "")
    )

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert heads(repository) == before
    assert lines[1].startswith("result: refs/captain/")
    git(repository, *lines[3].split()[3:])  # merge --ff-only REF, as it says
    assert (repository / "app.py").read_text() == "start\nmiddle\nWRONG two\nend\n"


def test_what_is_known_and_not_mended_still_ends_with_0(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    code = command("--fix", "--quiet", review=[finds(finding(severity="minor", shown=False))], build=[])

    assert code == 0
    assert capsys.readouterr().out.startswith("converged with residuals: ")


def test_no_fix_accepted_in_two_rounds_ends_with_1_as_stalled(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    code = command(
        "--fix",
        "--quiet",
        review=[finds(finding("WRONG one")), finds(finding("WRONG two"))],
        verify=[YES, YES],
        build=["No."] * 4,
    )

    assert code == 1
    assert capsys.readouterr().out.startswith("stalled: ")


def test_a_fix_that_brings_old_files_back_ends_with_1_as_oscillating(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = finding("WRONG one", shown=False), finding("RIGHT one", shown=False, claim="It says RIGHT.")

    code = command(
        "--fix",
        "--quiet",
        review=[finds(first), finds(), finds(second), finds()],
        verify=[YES] * 4,
        gone=[YES] * 2,
        build=[*edits("WRONG one", "RIGHT one"), *edits("RIGHT one", "WRONG one")],
    )

    assert code == 1
    assert capsys.readouterr().out.startswith("oscillating: ")


def test_a_fix_that_did_more_harm_than_good_ends_with_1_as_diverging(
    command: Command, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worse = finding("WORSE", "critical")

    code = command(
        "--fix",
        "--quiet",
        review=[finds(finding()), finds(), finds(worse)],
        verify=[YES, YES],
        build=edits("WRONG one", "WORSE"),
    )

    out = capsys.readouterr().out
    assert code == 1
    assert out.startswith("diverging: ")
    assert "result: " not in out, "of the two states the first one is better"


def test_a_critical_finding_nobody_could_mend_ends_with_3_for_a_person(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    code = command(
        "--fix", "--branch", "b", review=[finds(finding(severity="critical")), finds()], verify=[YES], build=["No."] * 2
    )

    out = capsys.readouterr().out
    assert code == 3
    assert "\nneeds human: " in out
    assert "\nno branch was made: b would have nothing that HEAD has not\n" in out


def test_a_budget_that_is_used_up_ends_with_3(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--fix", "--quiet", "--budget-tokens", "1", review=[finds()], build=[]) == 3
    assert capsys.readouterr().out.startswith("budget: ")


def test_a_fix_outside_the_scope_is_undone(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scope.toml").write_text('paths = ["/app.py"]\n')
    outside = [
        says("write", path="lib.py", content="two\n"),
        says("edit", path="app.py", old="WRONG one\n", new=""),
        "Done.",
    ]

    code = command(
        "--fix",
        "--json",
        "--scope",
        str(tmp_path / "scope.toml"),
        review=[finds(finding()), finds()],
        verify=[YES],
        build=outside * 3,
    )

    report = json.loads(capsys.readouterr().out)
    assert code == 0
    assert [attempt["clause"] for attempt in report["cases"][0]["attempts"]] == ["scope"] * 3


# what it prints


def test_json_is_one_object_with_the_series_of_a_picture(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    code = command(
        "--fix", "--json", review=[finds(finding()), finds(), finds()], verify=[YES], build=edits("WRONG one\n", "")
    )

    said = capsys.readouterr()
    report = json.loads(said.out)
    assert (code, said.err) == (0, "")
    assert (report["schema"], report["verdict"], report["acceptable"]) == (1, "converged", True)
    assert report["series"]["weight_in_hindsight"] == [3, 0, 0]
    assert report["series"]["fixed"] == [1, 0]
    assert report["spend"]["tokens_per_kept_fix"] == sum(
        report["spend"]["total"][kind] for kind in ("input_tokens", "output_tokens")
    )
    assert report["menders"] == [{"rung": "first", "attempts": 1, "kept": 1, "undone": 0, "declined": 0}]
    [case] = report["cases"]
    assert (case["status"], case["raised_by"], case["in_the_result"]) == ("fixed", ["review"], False)


def test_the_report_is_kept_in_the_state_folder(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    command("--quiet", review=[finds(finding())], verify=[YES])

    lines = capsys.readouterr().out.splitlines()
    report = Path(lines[-1].removeprefix("report: "))
    assert lines[1] == "left: 1 verified finding (1 major)"
    assert report.read_text("utf-8").startswith("# Review: needs human\n")
    assert json.loads(report.with_suffix(".json").read_text("utf-8"))["verdict"] == "needs_human"


def test_a_later_sarif_document_says_what_is_new_what_is_gone_and_what_is_as_it_was(
    command: Command, repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = finds(finding("WRONG one", shown=False), finding("WRONG two", shown=False))
    assert command("--sarif", review=[both], verify=[YES] * 4) == 1
    earlier = tmp_path / "earlier.sarif"
    earlier.write_text(capsys.readouterr().out, "utf-8")
    (repository / "app.py").write_text("new\nlines\nstart\nmiddle\nWRONG two\nWRONG three\nend\n")
    git(repository, "commit", "-q", "-a", "-m", "Go on")
    reworded = finding("WRONG two", shown=False, claim="Two cannot be right here.", evidence="Other words.")
    again = finds(reworded, finding("WRONG three", shown=False))

    assert command("--sarif", "--baseline", str(earlier), review=[again], verify=[YES] * 4) == 1

    results = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    states = {result["message"]["text"].split("\n")[0]: result["baselineState"] for result in results}
    assert states == {
        "Two cannot be right here.": "unchanged",
        "WRONG three is wrong.": "new",
        "WRONG one is wrong.": "absent",
    }


def test_a_result_that_is_left_stands_where_the_fix_of_another_moved_it(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    both = finds(finding("WRONG one"), finding("WRONG two"))

    code = command(
        "--fix",
        "--sarif",
        review=[both, finds(), finds()],
        verify=[YES, YES],
        build=[*edits("WRONG one\n", ""), "No.", "No."],
    )

    [result] = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    assert code == 0
    assert result["message"]["text"].startswith("WRONG two is wrong.")
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 3
    assert result["properties"]["status"] == "deferred"


# called wrongly


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((), "error: No model is given that reviews, and no check."),
        (("--fix", "--review", "scripted:x"), "error: No model is given that mends what is found."),
        (("--check", "make test"), "error: --check 'make test' is not a name, an equals sign and a command."),
        (("--check", "F1=true"), "error: --check 'F1=true' is not a name, an equals sign and a command."),
        (("--check", "a=true", "--check", "a=false"), "error: Two checks are called 'a'."),
        (("--json", "--sarif"), "error: --json and --sarif exclude each other."),
        (("--json", "--plain"), "error: --json and --plain exclude each other."),
        (("--baseline", "x"), "error: --baseline goes with --sarif only."),
        (
            ("--branch", "x"),
            "error: --branch goes with --fix only: a review alone makes nothing that could be on a branch.",
        ),
        (("--ask", " "), "error: --ask is empty."),
        (("--time", "soon"), "error: --time is not a length of time: soon."),
        (("--base", "nowhere", "--check", "a=true"), "error: 'nowhere' names no commit in "),
        (("--scope", "/gone.toml", "--check", "a=true"), "error: The scope file /gone.toml cannot be read"),
        (("--sarif", "--check", "a=true", "--baseline", "/gone"), "error: The baseline /gone cannot be read"),
        (("--review", "opnai:x"), "error: 'opnai:x' is not the name of a model that can be called."),
    ],
)
def test_a_wrong_call_ends_with_2(
    arguments: tuple[str, ...], error: str, command: Command, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = every_byte(repository)

    assert command(*arguments) == 2
    assert capsys.readouterr().err.startswith(error)
    assert every_byte(repository) == before


@pytest.mark.parametrize("name", ["work", "work/below", "main", "-x", "a..b", "bad name"])
def test_a_branch_that_is_there_or_cannot_be_is_refused_before_anything_is_spent(
    name: str, command: Command, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = heads(repository)

    assert command("--fix", f"--branch={name}", review=[finds()], build=[]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert heads(repository) == before
    assert not command.state.exists()


def test_histories_without_a_common_commit_end_with_2(
    command: Command, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repository, "checkout", "-q", "--orphan", "other")
    git(repository, "commit", "-q", "-m", "Elsewhere")

    assert command(review=[]) == 2
    assert capsys.readouterr().err.startswith("error: 'main' and HEAD have no commit in common in ")


def test_a_repository_without_a_default_branch_asks_for_a_base(
    command: Command, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repository, "branch", "-m", "main", "trunk")

    assert command(review=[]) == 2
    assert "hint: Say with --base what the change is to be compared with." in capsys.readouterr().err
    assert command("--base", "trunk", review=[finds()]) == 0


def test_a_baseline_that_is_none_ends_with_2(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ("{", "[]", '{"version": "2.0.0"}', '{"version": "2.1.0", "runs": []}'):
        (tmp_path / "earlier.sarif").write_text(text)
        assert command("--sarif", "--check", "a=true", "--baseline", str(tmp_path / "earlier.sarif")) == 2
        assert capsys.readouterr().err.startswith(f"error: The baseline {tmp_path / 'earlier.sarif'} ")


def test_a_state_folder_inside_the_work_tree_is_refused(
    command: Command, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command.state = repository / "state"

    assert command("--check", "a=true") == 2
    assert " is inside the work tree " in capsys.readouterr().err


def test_a_signal_stops_a_review_and_the_process_ends_with_130(command: Command, repository: Path) -> None:
    check = "waits=echo > at-work; sleep 600"
    where = ["--repo", str(repository), "--state-dir", str(command.state)]
    argv = [sys.executable, "-m", "captain", "review", *ALLOW_ROOT, *where, "--check", check]

    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        anyio.run(until, lambda: "at-work" in files_below(command.state))
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert err == "Stopping: what is finished is kept. Press Ctrl-C again to leave at once.\n"
    assert not [path for path in command.state.rglob("at-work") if path.exists()]
