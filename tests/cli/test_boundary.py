"""What every wrong call is answered, and with which exit code."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from captain.cli import exits
from captain.cli.boundary import guarded
from captain.core.errors import JournalError


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = guarded(arguments)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (("run",), "Missing argument 'REQUEST'.", "See captain run --help."),
        (("runn",), "No such command 'runn'. Did you mean 'run', 'runs'?", "See captain --help."),
        (
            ("run", "x", "--capt", "m"),
            "There is no option --capt (Possible options: --captain)",
            "See captain run --help.",
        ),
        (
            ("run", "fix", "the", "bug"),
            "There is no place for the bug; an argument with spaces has to be quoted.",
            "See captain run --help.",
        ),
        (
            ("runs", "show", "one", "x" * 300),
            f"There is no place for {'x' * 80}…; an argument with spaces has to be quoted.",
            "See captain runs show --help.",
        ),
        (("run", "", "--captain", "m"), "The request is empty.", 'Say what you want done: captain run "Fix …".'),
        (("run", " \n", "--captain", "m"), "The request is empty.", 'Say what you want done: captain run "Fix …".'),
        (
            ("run", "x"),
            "No model is given for the captain.",
            "Give one with --captain MODEL, such as --captain openai:gpt-5.5, or in a file with --crew FILE.toml. "
            "To see a whole run without a model or a key: captain demo (make demo in a checkout).",
        ),
        (
            ("run", "x", "--captain", "m", "--budget-usd", "a lot"),
            "--budget-usd is not an amount in US dollars: a lot.",
            "Write a number such as 2.50.",
        ),
        (
            ("run", "x", "--captain", "m", "--budget-time", "soon"),
            "--budget-time is not a length of time: soon.",
            "Write seconds, or numbers with units: 90, 90s, 5m, 1h30m.",
        ),
        (
            ("run", "x", "--captain", "m", "--budget-tokens", "0"),
            "--budget-tokens is not a whole number above 0: 0.",
            "Leave it out, or write 1 or more.",
        ),
        (
            ("run", "x", "--captain", "m", "--json", "--plain"),
            "--json goes with none of --live, --plain and --quiet.",
            "Leave the others out.",
        ),
        (
            ("run", "x", "--captain", "m", "--live", "--quiet"),
            "--live and --quiet exclude each other.",
            "Leave one of them out.",
        ),
        (
            ("run", "x", "--crew", "/gone/crew.toml"),
            "The crew file /gone/crew.toml cannot be read: No such file or directory.",
            "Check the path given to --crew.",
        ),
        (
            ("runs", "--repo", "/"),
            "/ is not in a git repository.",
            "Run `git init` there and commit, or name another folder.",
        ),
    ],
)
def test_a_wrong_call_ends_with_2_and_says_what_to_do(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], error: str, hint: str
) -> None:
    assert answer(capsys, *arguments) == (exits.USAGE, "", f"error: {error}\nhint: {hint}\n")


def test_the_command_alone_shows_its_help_and_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = answer(capsys)

    assert (code, out) == (exits.USAGE, "")
    assert err.startswith("Usage: captain [OPTIONS] COMMAND [ARGS]...")


def test_help_and_version_end_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "--version") == answer(capsys, "version")
    code, out, _ = answer(capsys, "run", "--help")

    assert code == 0
    assert "--budget-usd" in out


def test_an_empty_request_on_standard_input_is_named_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("  \n"))

    code, _, err = answer(capsys, "run", "-", "--captain", "m")

    assert (code, err.splitlines()[0]) == (exits.USAGE, "error: The request on standard input is empty.")


def test_a_run_that_is_not_on_record_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = answer(capsys, "report", "2026", "--state-dir", str(tmp_path))

    assert code == exits.USAGE
    assert err == (
        f"error: No run on record has an id that starts with '2026'.\nhint: There is no run on record in {tmp_path}.\n"
    )


class TestUnexpected:
    @pytest.fixture
    def broken(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        """A state folder that is used for crashes, and a command that meets an error nobody thought of."""
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        monkeypatch.setattr("captain.runs.find_run", lambda *_: 1 // 0)
        return tmp_path / "captain" / "crashes"

    def test_an_unexpected_error_is_one_line_and_its_traceback_a_file(
        self, capsys: pytest.CaptureFixture[str], broken: Path
    ) -> None:
        code, out, err = answer(capsys, "report", "x")

        (saved,) = broken.iterdir()
        assert (code, out) == (exits.FAILED, "")
        assert err.splitlines() == [
            "error: Captain stopped on an error of its own: ZeroDivisionError: integer division or modulo by zero",
            f"hint: The traceback is in {saved}; captain --debug … shows it here. Please report it.",
        ]
        assert "Traceback (most recent call last)" in saved.read_text("utf-8")

    def test_with_debug_the_traceback_is_shown(self, capsys: pytest.CaptureFixture[str], broken: Path) -> None:
        code, _, err = answer(capsys, "--debug", "report", "x")

        assert code == exits.FAILED
        assert err.startswith("Traceback (most recent call last)")
        assert not broken.exists()

    def test_where_the_state_folder_cannot_be_written_a_temporary_file_will_do(
        self, capsys: pytest.CaptureFixture[str], broken: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        broken.parent.write_text("a file where the folder should be")
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

        answer(capsys, "report", "x")

        assert len(list(tmp_path.glob("captain-crash-*.txt"))) == 1


def test_an_error_of_captains_own_kind_ends_with_1_however_deep_it_was_raised(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ExceptionGroup("", [ExceptionGroup("", [JournalError("The disk\x1b[2J is full.", hint="Make room.")])])

    monkeypatch.setattr("captain.runs.find_run", fail)

    assert answer(capsys, "report", "x") == (
        exits.FAILED,
        "",
        "error: The disk\\x1b[2J is full.\nhint: Make room.\n",
    )


def test_an_interrupted_command_ends_with_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("captain.runs.find_run", interrupted)

    assert answer(capsys, "report", "x") == (exits.CANCELLED, "", "")


def test_the_list_of_commands_begins_with_what_one_begins_with_and_says_whole_sentences(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = answer(capsys, "--help")
    assert code == 0
    listed = out.partition("Commands:\n")[2]
    names = [line.split()[0] for line in listed.splitlines() if line[:2] == "  " and line[2:3].strip()]
    assert names[:3] == ["run", "plan", "resume"]
    assert "..." not in listed
