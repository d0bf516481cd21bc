"""Rules that go by single lines, in every language: what stands on one side and not on the other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from captain.guards.shortcuts.paths import is_product, is_test, language
from captain.guards.shortcuts.rules import hit
from captain.guards.shortcuts.values import FileChange, Shortcut

_LINE_CHARS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """The lines of a file that the other side lacks, with their numbers. Lines that only moved are not among them."""

    path: str
    added: tuple[tuple[int, str], ...]
    removed: tuple[tuple[int, str], ...]

    @classmethod
    def of(cls, change: FileChange) -> Lines:
        old, new = (change.old or "").split("\n"), (change.new or "").split("\n")
        start = 0
        end = min(len(old), len(new))
        while start < end and old[start] == new[start]:
            start += 1
        stop = 0
        while stop < end - start and old[-1 - stop] == new[-1 - stop]:
            stop += 1
        before = [line[:_LINE_CHARS].strip() for line in old[start : len(old) - stop]]
        after = [line[:_LINE_CHARS].strip() for line in new[start : len(new) - stop]]
        return cls(
            path=change.path,
            added=tuple(_surplus(after, before, start + 1)),
            removed=tuple(_surplus(before, after, start + 1)),
        )


def _surplus(lines: list[str], others: list[str], first: int) -> Iterator[tuple[int, str]]:
    shared = Counter(others)
    for number, line in enumerate(lines, first):
        if not line:
            continue
        if shared[line] > 0:
            shared[line] -= 1
        else:
            yield number, line


_SUPPRESSIONS: Final = {
    "noqa": re.compile(r"#\s*(ruff:\s*|flake8[:\-]\s*)?noqa\b", re.IGNORECASE),
    "type: ignore": re.compile(r"#\s*type:\s*ignore|#\s*pyright:\s*ignore|#\s*mypy:\s*ignore-errors|#\s*ty:\s*ignore"),
    "pylint": re.compile(r"#\s*pylint:\s*(disable|skip-file)"),
    "no cover": re.compile(r"#\s*pragma:\s*no\s*(cover|branch)|(istanbul|c8|v8)\s+ignore|LCOV_EXCL|NOCOV"),
    "nosec": re.compile(r"#\s*nosec\b|//\s*nosemgrep|#\s*nosemgrep"),
    "eslint": re.compile(r"eslint-disable|biome-ignore|(tslint|jshint|oxlint-):?\s*(disable|ignore)"),
    "@ts": re.compile(r"@ts-(ignore|nocheck|expect-error)\b"),
    "nolint": re.compile(r"//\s*nolint\b|\bNOLINT(NEXTLINE|BEGIN)?\b|//\s*lint:(file-)?ignore"),
    "allow": re.compile(r"#!?\[(allow|expect)\(|#!?\[cfg_attr\([^]]*\ballow\("),
    "SuppressWarnings": re.compile(r"@SuppressWarnings|@Suppress\(|@SuppressFBWarnings|"
                                   r"#pragma\s+warning\s+disable|NOSONAR"),
    "rubocop": re.compile(r"rubocop:(disable|todo)"),
    "shellcheck": re.compile(r"#\s*shellcheck\s+disable"),
    "diagnostic": re.compile(r"#pragma\s+(GCC|clang)\s+diagnostic\s+ignored"),
}  # fmt: skip
_ANY_SUPPRESSION: Final = re.compile("|".join(f"(?:{one.pattern})" for one in _SUPPRESSIONS.values()), re.IGNORECASE)

_SNIFFS: Final = {
    "python": re.compile(
        r"""PYTEST_CURRENT_TEST|PYTEST_XDIST|PYTEST_VERSION|_called_from_test|
          ['"](pytest|unittest|_pytest|nose|nose2)['"]\s*(not\s+)?in\s+sys\.(modules|argv)|
          sys\.modules(\.get\(|\[)\s*['"](pytest|_pytest|unittest|nose)|
          in\s+sys\.argv\[0\]|sys\.argv\[0\][^#]*(pytest|unittest|test)|
          ['"]test['"]\s+in\s+sys\.argv|
          (environ(\.get)?|getenv)\s*[\[(]\s*['"](CI|GITHUB_ACTIONS|GITLAB_CI|TRAVIS|CIRCLECI|JENKINS_URL|TESTING|IS_TEST|TEST_ENV|
            UNIT_TEST|TEST_MODE|TOX_ENV_NAME|TOX_ENV_DIR|COVERAGE_RUN|COVERAGE_PROCESS_START)['"]|
          ['"](CI|GITHUB_ACTIONS|TESTING|TOX_ENV_NAME)['"]\s+in\s+os\.environ|
          (inspect\.(stack|currentframe|getouterframes)|sys\._getframe|traceback\.(extract_stack|format_stack)).*(test|assert|expected)|
          \b(filename|co_filename|f_code\.co_name|function|co_name|func_name)\b.{0,40}(startswith|in|==).{0,12}['"]_?(py)?test|
          ['"]_?(py)?test[\w_]*['"]\s+in\s+\w*(\.(filename|co_filename|f_code|function)|f_code\.co_\w+)|
          \b(f_back|f_locals|f_globals)\b.*(test|assert|expected|pytest)""",
        re.VERBOSE,
    ),
    "js": re.compile(
        r"""process\.env\.(JEST_WORKER_ID|VITEST\w*|CI|GITHUB_ACTIONS|MOCHA\w*|TEST|TESTING|IS_TEST|TEST_ENV|CYPRESS\w*)\b|
          process\.env\[['"](JEST_WORKER_ID|VITEST|CI|GITHUB_ACTIONS)['"]\]|
          (NODE_ENV|\benv\.MODE)\s*[!=]==?\s*['"]test['"]|import\.meta\.vitest|
          typeof\s+(jest|describe|it|vi|expect|cy)\s*[!=]==?|(global|globalThis|window)\.(jest|__karma__|Cypress|describe|it|expect)\b|
          process\.argv.*(jest|mocha|vitest|test)|new\s+Error\(\)\.stack.*(test|spec)|require\.main.*(jest|mocha)""",
        re.VERBOSE,
    ),
    "go": re.compile(
        r"""testing\.Testing\(\)|flag\.Lookup\("test\.|os\.Args\[0\].*(\.test|_test|/T/)|Getenv\("(CI|GITHUB_ACTIONS|GO_TEST\w*|TESTING)"\)|
          runtime\.Caller.*_test\.go|LookupEnv\("(CI|GITHUB_ACTIONS|TESTING)"\)|HasSuffix\([^)]*"(\.test|_test\.go)"\)""",
        re.VERBOSE,
    ),
    "rust": re.compile(
        r"""\bcfg!\(test\)|env::var(_os)?\("(CI|GITHUB_ACTIONS|CARGO_\w*TEST\w*|RUST_TEST\w*|NEXTEST\w*)"\)|(option_)?env!\("CI"\)""",
        re.VERBOSE,
    ),
    "java": re.compile(
        r"""getenv\("(CI|GITHUB_ACTIONS|JENKINS_URL|TESTING)"\)|Class\.forName\("org\.(junit|testng)|
          getStackTrace\(\).*(junit|[Tt]est)|(getClassName|className)\S*\.(contains|startsWith|endsWith)\("[^"]*(junit|[Tt]est)|
          getProperty\("(surefire|test|maven\.test)\S*"\)""",
        re.VERBOSE,
    ),
    "ruby": re.compile(
        r"""ENV(\.fetch\(|\[)['"](CI|GITHUB_ACTIONS|TESTING|TEST)['"]|Rails\.env\.test\?|defined\?\(\(?(RSpec|Minitest|Test::Unit)|
          ENV(\.fetch\(|\[)['"](RAILS|RACK)_ENV['"]\]?\)?\s*==\s*['"]test['"]|caller\b.*(rspec|_spec|_test|minitest)|
          \$(0|PROGRAM_NAME).*(rspec|rake|test)""",
        re.VERBOSE,
    ),
    "c": re.compile(
        r"""getenv\("(CI|GITHUB_ACTIONS|GTEST\w*|TESTING|TEST_\w+)"\)|\#\s*if(def)?\s+.*\b(UNIT_TEST\w*|GTEST\w*|TESTING|RUNNING_TESTS)\b""",
        re.VERBOSE,
    ),
    "shell": re.compile(
        r"""\[\[?\s.*\$\{?(CI|GITHUB_ACTIONS|BATS_\w+|PYTEST_CURRENT_TEST|TESTING)\b|-[nz]\s+"?\$\{?(CI|BATS_TEST\w*|TESTING)\b""",
        re.VERBOSE,
    ),
}  # fmt: skip

_WAITS: Final = {
    "python": re.compile(
        r"""(?<![\w.])(time|asyncio|anyio|trio|gevent)\.sleep\(\s*(?!0\s*\))|(?<![\w.])sleep\(\s*[\d.]*[1-9]|
          @(\w+\.)*(flaky|retry|rerun\w*|retrying|repeat_on_failure|backoff\.on_exception)\b|mark\.flaky|mark\.rerun""",
        re.VERBOSE,
    ),
    "js": re.compile(
        r"setTimeout\(\s*(r|res|resolve|done)\s*,\s*[1-9]|waitForTimeout\(|\bsleep\(\s*[1-9]|jest\.retryTimes|this\.retries\(|"
        r"\bretry:\s*[1-9]|\bretries:\s*[1-9]|cy\.wait\(\s*\d"
    ),
    "go": re.compile(r"\btime\.Sleep\(|retry\.Do\("),
    "rust": re.compile(r"\b(thread|time)::sleep\(|(?<!\w)sleep\(Duration"),
    "java": re.compile(r"\bThread\.sleep\(|TimeUnit\.\w+\.sleep\(|@(Retry\w*|Flaky\w*|"
                       r"RepeatedIfExceptionsTest)\b|Thread\.Sleep\("),
    "ruby": re.compile(r"^\s*sleep[\s(]+[\d.]|\bretry\b\s*(if|unless|$)|retry:\s*\d"),
    "c": re.compile(r"\b(sleep_for|usleep|nanosleep|Sleep)\s*\(|^\s*sleep\s*\("),
    "shell": re.compile(r"(^|[;&|]\s*|\bdo\s+|\bthen\s+)sleep\s+[\d.]"),
}  # fmt: skip
_SWALLOWED: Final = {
    "js": re.compile(r"\bcatch\s*(\(\s*\w*\s*\))?\s*\{\s*(//.*|/\*.*\*/|return(\s+(null|undefined|false|true|"
                     r"\{\}|\[\]))?;?)?\s*\}|\.catch\(\s*\(?\w*\)?\s*=>\s*(\{\s*\}|null|undefined)"),
    "java": re.compile(r"\bcatch\s*\(\s*(final\s+)?(Exception|Throwable|RuntimeException|"
                       r"Error)\s*\w*\s*\)\s*\{\s*(//.*|return\s*(null|false|true)?;?)?\s*\}"),
    "go": re.compile(r"^_\s*=\s*err\b|^_\s*=\s*recover\(\)|defer func\(\)\s*\{\s*_?\s*=?\s*recover\(\)\s*\}\(\)"),
    "ruby": re.compile(r"\brescue\s+(nil|false|true)\b|\brescue\s*(=>\s*\w+)?\s*;?\s*(nil|end)\b|"
                       r"\brescue\s+(Exception|StandardError)\s*(=>\s*\w+)?$"),
    "c": re.compile(r"\bcatch\s*\(\s*\.\.\.\s*\)\s*\{\s*(//.*|return.*;)?\s*\}"),
}  # fmt: skip
_STUBS: Final = {
    "js": re.compile(r"throw\s+new\s+Error\(\s*['\"`][^'\"`]*(not (yet )?implemented|TODO|"
                     r"unimplemented)", re.IGNORECASE),
    "go": re.compile(r"panic\(\s*\"[^\"]*(not (yet )?implemented|TODO|unimplemented)", re.IGNORECASE),
    "rust": re.compile(r"\b(todo|unimplemented)!\s*\("),
    "java": re.compile(r"throw\s+new\s+(UnsupportedOperationException|NotImplementedException|"
                       r"NotImplementedError)|\bTODO\(\""),
    "ruby": re.compile(r"raise\s+NotImplementedError"),
}  # fmt: skip
_TAMPERS: Final = re.compile(
    r"\bos\._exit\(\s*0?\s*\)|\bsys\.exit\(\s*0?\s*\)|(?<![\w.])exit\(\s*0?\s*\)|\boutcome\s*=\s*['\"]passed['\"]|force_result\(|"
    r"session\.exitstatus\s*=\s*0|pytest\.exit\(.*returncode\s*=\s*0|process\.exit\(\s*0?\s*\)|\bos\.Exit\(0\)"
)
_COMMENT: Final = {"python": "#", "ruby": "#", "shell": "#"}
_TRAILING: Final = {
    "python": re.compile(r"\s#\s.*$"),
    "ruby": re.compile(r"\s#\s.*$"),
    "shell": re.compile(r"\s#\s.*$"),
}
_SLASHES: Final = re.compile(r"\s//\s.*$")


def line_shortcuts(every: list[Lines]) -> Iterator[Shortcut]:
    """By file; a line that went to another file is not new there."""
    elsewhere = Counter(line for one in every for _, line in one.removed)
    yield from _suppressed(every)
    for one in every:
        kind = language(one.path)
        if not kind:
            continue
        code = [(number, _code(line, kind)) for number, line in one.added if elsewhere[line] == 0]
        gone = [_code(line, kind) for _, line in one.removed]
        for rule, forms in _rules_for(one.path):
            if form := forms.get(kind):
                yield from _more(rule, form, one.path, [(number, line) for number, line in code if line], gone)


def _rules_for(path: str) -> Iterator[tuple[str, dict[str, re.Pattern[str]]]]:
    product, test = is_product(path), is_test(path)
    if product:
        yield "environment-sniffed", _SNIFFS
        yield "stub-left", _STUBS
        yield "exception-swallowed", _SWALLOWED
    if product or test:
        yield "failure-retried", _WAITS
    if test or path.endswith("conftest.py"):
        yield "assertion-neutered", dict.fromkeys(("python", "js", "go"), _TAMPERS)


def _more(
    rule: str, form: re.Pattern[str], path: str, added: list[tuple[int, str]], removed: list[str]
) -> Iterator[Shortcut]:
    """A hit for each line beyond the number of such lines that went."""
    matching = [(number, line) for number, line in added if form.search(line)]
    if not matching:
        return
    balance = sum(1 for line in removed if form.search(line))
    detail = "It ends or overrules the test run." if rule == "assertion-neutered" else ""
    for number, line in matching[balance:]:
        asks = rule == "assertion-neutered" and _inside_text(line)
        yield hit(rule, path, number, line, detail=detail, asks_only=asks)


def _inside_text(line: str) -> bool:
    """A call that stands in quotes is a program the test writes, or a text it looks for."""
    found = _TAMPERS.search(line)
    before = line[: found.start()] if found else ""
    return before.count('"') % 2 == 1 or before.count("'") % 2 == 1


def _suppressed(every: list[Lines]) -> Iterator[Shortcut]:
    """Growth only, kind by kind: a suppression that moved, or took another's place, is none."""
    added: dict[str, list[tuple[str, int, str]]] = {}
    removed: Counter[str] = Counter()
    for one in every:
        if language(one.path):
            for number, line in one.added:
                for kind in _kinds(line):
                    added.setdefault(kind, []).append((one.path, number, line))
            for _, line in one.removed:
                removed.update(_kinds(line))
    for kind, places in added.items():
        for path, number, line in places[removed[kind] :]:
            yield hit("check-suppressed", path, number, line)


def _kinds(line: str) -> tuple[str, ...]:
    if not _ANY_SUPPRESSION.search(line):
        return ()
    return tuple(kind for kind, form in _SUPPRESSIONS.items() if form.search(line))


def _code(line: str, kind: str) -> str:
    """Without comments, as far as a line alone tells."""
    start = _COMMENT.get(kind, "//")
    if line.startswith(start) or (start == "//" and line.startswith("*")):
        return ""
    return _TRAILING.get(kind, _SLASHES).sub("", line)
