"""Reproductions: the library runs them itself, on untouched copies of the base commit, and has to see them fail.

A command that fails is not yet a reproduction. It may fail because its program does not exist, because it names a file
that is not there, or because a test runner could not start: then it would fail after the fix as well.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

from captain.core.events import ReproductionRan
from captain.core.house_rules import Broken
from captain.core.tasks import Diagnosis
from captain.orchestration.context import Voyage
from captain.sandbox import ExecResult

RUNS: Final = 3
"""Each in a copy of its own: what fails every time is taken for sure, what fails sometimes for flaky."""

_CANNOT_RUN: Final = (126, 127)  # the shell's own codes for "not executable" and "not found"
_PYTEST: Final = re.compile(r"(?<![\w.-])(?:py\.?test)(?![\w-])")
_PYTEST_CODES: Final = {
    2: "pytest was interrupted, as by an error while it collected tests",
    3: "pytest had an internal error",
    4: "pytest was called wrongly, or names a test that does not exist",
    5: "pytest found no test to run",
}
_NO_SUCH: Final = re.compile(
    r"no such file|can't open file|cannot open|not found|does not exist|no module named|cannot find", re.IGNORECASE
)
_PATH: Final = re.compile(r"(?<![\w/.-])(?:\./)?((?:[\w-][\w.-]*/)*[\w-][\w.-]*\.[A-Za-z][A-Za-z0-9]{0,7})(?![\w/])")
_SYNTAX: Final = re.compile(
    r'File "<(?:string|stdin)>", line \d+\n(?:[ \t][^\n]*\n|\n)*(?:SyntaxError|IndentationError)\b'
    r"|^\S*(?:bash|sh): (?:-c: )?(?:line )?\d*:? ?[^\n]*(?:syntax error|unexpected (?:EOF|end of file)|unterminated)",
    re.IGNORECASE | re.MULTILINE,
)
_UNKNOWN_MODULE: Final = re.compile(r"\bNo module named '?(\w+)")
_NO_TESTS: Final = re.compile(r"^(?:Ran 0 tests in|NO TESTS RAN|no tests ran in)", re.MULTILINE)
_SHOWN_CHARS: Final = 1_500


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of one reproduction: what is broken by it, or nothing; and whether it failed only sometimes."""

    broken: Broken | None
    flaky: bool = False


async def see_fail(voyage: Voyage, diagnosis: Diagnosis, command: str, *, number: int) -> Seen:
    """Runs `command` three times, each on a fresh copy of the base commit; `number` names the attempt."""
    seen: list[tuple[ExecResult, str]] = []
    refuted = ""
    while len(seen) < RUNS and not refuted:
        async with voyage.fresh_box(f"reproduce-{number}-{len(seen) + 1}", voyage.base) as box:
            result = await box.run_shell(command, timeout_s=voyage.options.command_timeout_s)
            output = voyage.shown(result, box)
        seen.append((result, output))
        refuted = "" if result.exit_code == 0 else _for_another_reason(voyage, command, result, output)
    failures = [each for each in seen if each[0].exit_code != 0]
    shown, said = seen[-1] if refuted or not failures else failures[0]
    failed = len(failures) - bool(refuted)
    if not failures:
        refuted = (
            "passes on the base commit, so it does not show the bug. Look again: is this the cause? Its output was:\n"
            f"{_cut(said) or '(nothing)'}"
        )
    await voyage.tell(
        ReproductionRan(
            diagnosis=diagnosis.id,
            command=command,
            commit=voyage.base,
            exit_code=shown.exit_code,
            seen_to_fail=not refuted,
            output=said,
            cause=diagnosis.cause,
            runs=len(seen),
            failed=failed,
            refuted=refuted.split("\n", 1)[0].split(". ", 1)[0].rstrip(":."),
        )
    )
    if refuted:
        return Seen(Broken(rule="reproduction seen to fail", how=f"{diagnosis.id}: the reproduction {refuted}"))
    return Seen(None, flaky=failed < len(seen))


async def shows_at(voyage: Voyage, command: str, commit: str, *, name: str) -> bool:
    """Whether a reproduction fails at `commit` too, and not for a reason of its own."""
    async with voyage.fresh_box(name, commit) as box:
        result = await box.run_shell(command, timeout_s=voyage.options.command_timeout_s)
        output = voyage.shown(result, box)
    there = replace(voyage, files=await voyage.repository.files(commit))
    return result.exit_code != 0 and not _for_another_reason(there, command, result, output)


def _for_another_reason(voyage: Voyage, command: str, result: ExecResult, output: str) -> str:
    """Why a failure does not show the bug, to be read after "the reproduction"; empty if it may."""
    if result.timed_out:
        return (
            f"was still running after {voyage.options.command_timeout_s:g} s and was stopped. "
            "If the bug is that something hangs, put a limit into the command, such as `timeout 10 …`."
        )
    if result.exceeded:
        return f"was stopped, as it passed the limit of its box for {result.exceeded}. Its output was:\n{_cut(output)}"
    if result.exit_code in _CANNOT_RUN:
        return f"could not be run (exit code {result.exit_code}). Its output was:\n{_cut(output)}"
    if why := failure_of_its_own(command, result.exit_code, output, voyage.files):
        return f"fails for a reason of its own: {why}. Its output was:\n{_cut(output)}"
    return ""


def failure_of_its_own(command: str, exit_code: int | None, output: str, files: Collection[str]) -> str:
    """What is wrong with the command itself, if that is why it failed; empty where it may have met the bug."""
    if _PYTEST.search(command) and exit_code in _PYTEST_CODES:
        return f"{_PYTEST_CODES[exit_code]} (exit code {exit_code})"
    if _NO_TESTS.search(output):
        return "no test was run"
    if _SYNTAX.search(output):
        return "the command itself has a syntax error"
    for named in dict.fromkeys(match.group(1) for match in _PATH.finditer(command)):
        there = any(path == named or path.endswith(f"/{named}") for path in files)
        if not there and any(named in line and _NO_SUCH.search(line) for line in output.splitlines()):
            return f"it names {named}, which is not in the repository"
    if (module := _UNKNOWN_MODULE.search(output)) and _imports(command, module.group(1), files):
        return f"it imports {module.group(1)}, which is not in the repository and not installed"
    return ""


def _imports(command: str, module: str, files: Collection[str]) -> bool:
    """Whether the command, and nothing of the project, asks for a module that the project does not have."""
    ours = any(module in (PurePosixPath(path).stem, *PurePosixPath(path).parts[:-1]) for path in files)
    return not ours and bool(re.search(rf"(?<!\w)(?:import|from|-m)\s+{re.escape(module)}\b", command))


def _cut(output: str) -> str:
    return output if len(output) <= _SHOWN_CHARS else "…" + output[-_SHOWN_CHARS:]
