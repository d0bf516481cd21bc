"""Where every error of the command ends: one sentence, a hint, an exit code, and never a bare traceback."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from captain.cli import exits
from captain.core.errors import CaptainError, UsageError

_SUPERFLUOUS: Final = "Got unexpected extra argument"
_SHOWN_CHARS: Final = 80  # of arguments that have no place


@dataclass(slots=True)
class Switches:
    """What the command line says before the command's name."""

    debug: bool = False


def guarded(arguments: Sequence[str]) -> int:
    """Runs the command line and gives its exit code, whatever happens."""
    from typer import Exit
    from typer.main import get_command

    from captain.cli.main import app

    _never_fail_to_encode()
    switches = Switches()
    command = get_command(app)
    try:
        # Not `command.main`, which ends with 1 of its own when the reader of standard output goes away.
        with command.make_context("captain", list(arguments), obj=switches) as context:
            code = command.invoke(context)
        sys.stdout.flush()
    except Exit as end:
        return end.exit_code
    except KeyboardInterrupt:
        return exits.CANCELLED
    except Exception as error:  # noqa: BLE001 the boundary of the process
        return _answer(list(_leaves(error)), error, debug=switches.debug)
    return code if isinstance(code, int) else 0


def complain(message: str, hint: str = "") -> None:
    """`error:` and `hint:` on standard error, safe to show."""
    print(_safe(f"error: {message}"), file=sys.stderr)
    if hint:
        print(_safe(f"hint: {hint}"), file=sys.stderr)
    sys.stderr.flush()


def _answer(leaves: list[Exception], error: Exception, *, debug: bool) -> int:
    from typer import TyperException

    first = leaves[0]
    if all(isinstance(leaf, BrokenPipeError) for leaf in leaves):
        _drop_stdout()
        return exits.BROKEN_PIPE
    if isinstance(first, TyperException):
        return _misused(first)
    known = next((leaf for leaf in leaves if isinstance(leaf, CaptainError)), None)
    if known is None or (debug and not isinstance(known, UsageError)):
        _unexpected(error, debug=debug)
    if known is None:
        return exits.FAILED
    complain(str(known), known.hint)
    return exits.USAGE if isinstance(known, UsageError) else exits.FAILED


def _misused(error: Exception) -> int:
    """Typer's own complaint about the arguments; without any, it is the help page."""
    context = getattr(error, "ctx", None)
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    if type(error).__name__ == "NoArgsIsHelpError":
        print(_safe(message), file=sys.stderr)
        return exits.USAGE
    path = context.command_path if context is not None else "captain"
    for worse, better in (("No such option: ", "There is no option "), ("Value error, ", "")):
        message = message.replace(worse, better)
    if message.startswith(_SUPERFLUOUS):
        given = message.removeprefix(_SUPERFLUOUS).partition(" (")[2].rstrip(").")
        message = f"There is no place for {_clipped(given)}; an argument with spaces has to be quoted."
    complain(message.rstrip(), f"See {path} --help.")
    return exits.USAGE


def _clipped(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"


def _unexpected(error: Exception, *, debug: bool) -> None:
    trace = _masked("".join(traceback.format_exception(error)))
    if debug:
        print(_safe(trace), end="", file=sys.stderr)
        return
    leaf = next(_leaves(error))
    complain(
        f"Captain stopped on an error of its own: {type(leaf).__name__}: {leaf}",
        f"The traceback is in {_save(trace)}; captain --debug … shows it here. Please report it.",
    )


def _save(trace: str) -> Path:
    """Beside the records of runs, or in a temporary file where that folder cannot be written."""
    from captain.runs.state import default_state_dir, private_folder

    folder = default_state_dir() / "crashes"
    try:
        private_folder(folder)
        path = folder / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}.txt"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(trace)
    except OSError:
        handle, name = tempfile.mkstemp(prefix="captain-crash-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(trace)
        return Path(name)
    return path


def _safe(text: str) -> str:
    """For a terminal: nothing in it acts, nothing in it is a secret."""
    from captain.reports.escape import visible

    return visible(_masked(text))


def _masked(text: str) -> str:
    from captain.core.masking import Masker
    from captain.sandbox import secret_variables

    return Masker(named=secret_variables()).mask(text)


def _leaves(error: Exception) -> Iterator[Exception]:
    """The errors inside task groups; a lone error is its own leaf."""
    if isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _never_fail_to_encode() -> None:
    """On a terminal that is not UTF-8, a character it lacks is shown as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_stdout() -> None:
    """What is still buffered has no reader; without this the interpreter complains at its exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # no real file behind it
        sys.stdout = io.StringIO()
