"""Configuration of tests, linters, type checkers and CI: what was lowered, switched off, left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from captain.guards.shortcuts.lines import Lines
from captain.guards.shortcuts.paths import is_configuration, is_recording, is_test
from captain.guards.shortcuts.rules import hit
from captain.guards.shortcuts.values import FileChange, Shortcut

_NUMBER: Final = r"['\"]?\s*[:= ]\s*['\"]?(?P<value>\d+(?:\.\d+)?)"
_FLOORS: Final = re.compile(
    r"(?P<key>fail[_-]under|cov-fail-under|minimum_coverage|coverage-threshold|branches|functions|lines|statements|target|"
    r"min-?score|score)" + _NUMBER,
    re.IGNORECASE,
)
_CEILINGS: Final = re.compile(
    r"(?P<key>max-complexity|max[-_]line[-_]length|line-length|max-warnings|max-(?:args|locals|branches|statements|lines)|"
    r"timeout[-_]?(?:minutes|seconds|ms|method)?|testTimeout|test_timeout|--timeout|retries|reruns|threshold)"
    + _NUMBER,
    re.IGNORECASE,
)
_SWITCHED_OFF: Final = (
    (re.compile(r"continue-on-error['\"]?\s*:\s*true|allow_failure\s*:\s*true|continueOnError\s*:\s*true"),
     "A failing step no longer fails."),
    (re.compile(r"\|\|\s*(true|:|exit 0|echo\b)|;\s*true\s*$|^\s*-\s*(-?)set \+e|^set \+e|--exit-zero|"
                r"--no-verify|--passWithNoTests|"
                r"--pass-with-no-tests|exit-zero\s*=\s*true|-\s*if:\s*false|^if:\s*(false|\$\{\{\s*false)"),
     "A failing command no longer fails."),
    (re.compile(r"--deselect\b|--ignore(-glob)?[= ]|-k\s*['\"]?\s*['\"]?not\b|-m\s*\\?['\"]not\b|"
                r"testPathIgnorePatterns|--testPathIgnore|"
                r"collect_ignore|norecursedirs|--skip[= ]\w|-skip[= ]|--exclude-task|-x\s+test\b|-DskipTests|"
                r"maven\.test\.skip|"
                r"-p\s+no:|grep:\s*/|--grep.*--invert|forbidOnly['\"]?\s*:\s*false|-run\s+\S+"),
     "Fewer tests are selected."),
    (re.compile(r"--reruns\b|--retries[= ][1-9]|\bretries['\"]?\s*:\s*[1-9]|rerunFailingTestsCount|-count=\d|"
                r"--flaky|jest\.retryTimes"),
     "Failing tests are run again until they pass."),
    (re.compile(r"^strict['\"]?\s*[=:]\s*false|['\"](strict\w*|noImplicit\w*|noUnused\w*|no[A-Z]\w+|allowUnreachableCode)['\"]\s*:\s*false|"
                r"^(disallow_\w+|check_untyped_defs|warn_\w+|strict_\w+|no_implicit_\w+)\s*=\s*[Ff]alse|ignore_errors\s*=\s*[Tt]rue|"
                r"ignore_missing_imports\s*=\s*[Tt]rue|follow_imports\s*=\s*.?skip|skipLibCheck['\"]\s*:\s*true|"
                r"(xfail_strict|--strict-\w+)\s*=\s*[Ff]alse|disable_error_code|allow_untyped_\w+\s*=\s*[Tt]rue"),
     "The type checker is less strict."),
    (re.compile(r"['\"][\w@/-]+['\"]\s*:\s*(\[\s*)?['\"](off)['\"]|['\"][\w@]*[-/][\w/-]+['\"]\s*:\s*0\b|^\w[\w/-]*:\s*(\[\s*)?['\"]?off['\"]?\]?,?$|"
                r"^Enabled:\s*false|^\w+\s*=\s*\"allow\"|^disable\s*[=:]|^disable-all:\s*true"),
     "A rule is switched off."),
    (re.compile(r"^(filterwarnings|-W)\b.*ignore|^['\"]?ignore:|-W\s*ignore|"
                r"^['\"]ignore['\"]"), "Warnings are no longer seen."),
)  # fmt: skip
_STRICT: Final = re.compile(
    r"^['\"]?(strict|strictNullChecks|noImplicitAny|warn_unused_\w+|disallow_\w+|check_untyped_defs|xfail_strict|warn_return_any)"
    r"['\"]?\s*[=:]\s*[Tt]rue|^--strict\b|--strict-markers|--cov-fail-under|--cov-branch|-W\s*error|^['\"]error['\"],?$|"
    r"filterwarnings\s*=\s*.*error|-D warnings|--max-warnings[= ]0|fail_under"
)
_LISTS: Final = re.compile(
    r"^['\"]?(?P<key>(?:extend-)?ignore|(?:extend-)?per-file-ignores|ignores?|omit|exclude(?:_lines|_also)?|disable|skips?|ignorePatterns|"
    r"coveragePathIgnorePatterns|enable|select|extend-select|testpaths|addopts)['\"]?\s*[=:]\s*(?P<rest>.*)$"
)
_GROWS: Final = frozenset({"select", "extend-select", "enable", "testpaths"})
_TEST_COMMAND: Final = re.compile(
    r"\b(pytest|tox\b|nox\b|unittest|npm (run )?test|npm t\b|yarn test|pnpm test|npx (jest|vitest|mocha)|jest\b|"
    r"vitest\b|go test|"
    r"go vet|cargo (test|clippy)|make (test|check|lint)|mvn (test|verify)|gradlew? (test|check)|rspec|"
    r"bundle exec rake|ctest|mypy|"
    r"ruff (check)?|flake8|eslint|tsc\b|golangci-lint)\b"
)
_TEST_TIMEOUT: Final = re.compile(
    r"(?P<key>timeout|jest\.setTimeout|setTimeout|max_seconds|deadline)(?:_s|_ms)?\s*[=:(]\s*(?P<value>\d+(?:\.\d+)?)\s*[,)]?"
)
_WORD: Final = re.compile(r"[\w./*-]+")
_SHOWN: Final = 5


def setting_shortcuts(lines: Lines) -> Iterator[Shortcut]:
    if is_configuration(lines.path):
        yield from _numbers(lines)
        yield from _off(lines)
        yield from _no_longer_strict(lines)
        yield from _lists(lines)
        yield from _commands(lines)
    elif is_test(lines.path):
        yield from _compared(lines, _TEST_TIMEOUT, "A time limit was raised.", lowered=False)


def recording_shortcuts(changes: list[FileChange]) -> Iterator[Shortcut]:
    """One for each folder: a recording is made anew with its neighbours."""
    seen: set[str] = set()
    for change in changes:
        folder = change.path.rpartition("/")[0]
        if change.old is None or not is_recording(change.path) or folder in seen:
            continue
        seen.add(folder)
        if change.new is None:
            yield hit("snapshot-rewritten", change.path, 1, change.old[:200], side="old", detail="It was deleted.")
        else:
            number, line = next(iter(Lines.of(change).added), (1, change.new[:200]))
            yield hit("snapshot-rewritten", change.path, number, line)


def _told(lines: Lines, number: int, line: str, detail: str) -> Shortcut:
    return hit("configuration-loosened", lines.path, number, line, detail=detail)


def _numbers(lines: Lines) -> Iterator[Shortcut]:
    yield from _compared(lines, _FLOORS, "A threshold was lowered.", lowered=True)
    yield from _compared(lines, _CEILINGS, "A limit was raised.", lowered=False)


def _compared(lines: Lines, form: re.Pattern[str], detail: str, *, lowered: bool) -> Iterator[Shortcut]:
    before: dict[str, list[float]] = {}
    for _, line in lines.removed:
        for match in form.finditer(line):
            before.setdefault(match["key"].lower(), []).append(float(match["value"]))
    for number, line in lines.added if before else ():
        for match in form.finditer(line):
            values = before.get(match["key"].lower())
            if not values:
                continue
            was, now = values.pop(0), float(match["value"])
            if (now < was) if lowered else (now > was):
                yield _told(lines, number, line, f"{detail} It was {was:g}.")


def _off(lines: Lines) -> Iterator[Shortcut]:
    for form, detail in _SWITCHED_OFF:
        balance = sum(1 for _, line in lines.removed if form.search(line))
        matching = [
            (number, line) for number, line in lines.added if form.search(line) and not line.startswith(("#", "//"))
        ]
        for number, line in matching[balance:][:_SHOWN]:
            yield _told(lines, number, line, detail)


def _no_longer_strict(lines: Lines) -> Iterator[Shortcut]:
    kept = {match[0] for _, line in lines.added for match in _STRICT.finditer(line)}
    for number, line in lines.removed:
        match = _STRICT.search(line)
        if match and match[0] not in kept and not line.startswith("#"):
            yield hit(
                "configuration-loosened", lines.path, number, line, side="old", detail="A strict setting is gone."
            )


def _lists(lines: Lines) -> Iterator[Shortcut]:
    """Lists on one line; what is spread over several shows by its single entries only."""
    before: dict[str, set[str]] = {}
    for _, line in lines.removed:
        if match := _LISTS.match(line):
            before.setdefault(match["key"], set()).update(_WORD.findall(match["rest"].partition("#")[0]))
    for number, line in lines.added:
        match = _LISTS.match(line)
        if not match or match["key"] == "addopts" or ("{" in line and "(" in line):
            continue
        was, now = before.get(match["key"], set()), set(_WORD.findall(match["rest"].partition("#")[0]))
        if match["key"] in _GROWS:
            if was and now < was:
                yield _told(lines, number, line, "The list of what is checked became shorter.")
        elif now > was and (was or not before):
            yield _told(lines, number, line, "The list of what is left out became longer.")


def _commands(lines: Lines) -> Iterator[Shortcut]:
    after = {match[0] for _, line in lines.added for match in _TEST_COMMAND.finditer(line)}
    for number, line in lines.removed:
        match = _TEST_COMMAND.search(line)
        runs = lines.path.endswith((".yml", ".yaml", ".sh", "Jenkinsfile", ".mk")) or "akefile" in lines.path
        if (
            match
            and runs
            and match[0] not in after
            and not line.startswith(("#", "name:", "- name:", "- repo", "rev", "- id"))
        ):
            yield hit(
                "configuration-loosened",
                lines.path,
                number,
                line,
                side="old",
                detail="A command that checked something is gone.",
            )
