"""Test files of other languages as units, by lines; also Python that does not parse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from captain.guards.shortcuts.units import ANYTHING, EXACT, NEAR, NOTHING, PART, SOME, Claim, Detail, Skip, Unit, names

_STATEMENT_LINES: Final = 12
_LINE_CHARS: Final = 2_000
_FILE_LINES: Final = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tests:
    """How a language writes tests. `start` has the test's name as its group `name`."""

    start: re.Pattern[str]
    claim: re.Pattern[str]
    skip: re.Pattern[str]
    marked: re.Pattern[str] | None = None
    """What must stand on the lines above `start`, where `start` alone does not make a test."""
    comment: str = "//"


_JS_NAME: Final = r"""\s*\(\s*(?P<quote>['"`])(?P<name>(?:(?!(?P=quote)).)*)(?P=quote)"""
_LANGUAGES: Final = {
    "js": _Tests(
        start=re.compile(
            r"^\s*(?P<kind>[xf]?(?:it|test|specify)(?:\.(?!each\()\w+)*(?:\.each\(.*\))?|\]?\s*(?:as const)?\)|"
            r"`)" + _JS_NAME
        ),
        claim=re.compile(r"(?<![\w.])(expect(?!\.(assertions|hasAssertions))|assert|should)\b\s*[.(]|(?<![\w])t\.(is|true|deepEqual|like|throws|truthy)\("),
        skip=re.compile(
            r"(?<![\w.])(?:(?:it|test|describe|suite|context|specify)\.(?:skip|todo|only|fails|failing)\b"
            r"|[xf](?:it|describe|test|context|specify)\s*\(|this\.skip\(\)|t\.skip\()"
        ),
    ),
    "go": _Tests(
        start=re.compile(r"^func\s+(?:\(\w+\s+\*?\w+\)\s*)?(?P<name>(?:Test|Fuzz|Example)\w*)\s*\("),
        claim=re.compile(r"\b[tb]\.(Error|Errorf|Fatal|Fatalf|Fail|FailNow)\(|\b(assert|require|is|c|qt|gt)\.[A-Z]\w*\(|"
                         r"\b(?!bytes|strings|slices|reflect|maps)\w+\.(Equal|NotEqual|NoError|ErrorIs|ErrorAs|ErrorContains|True|False|"
                         r"Nil|NotNil|Len|Contains|ElementsMatch|Empty|Zero|Panics)\("),
        skip=re.compile(r"\b[tb]\.(Skip|Skipf|SkipNow)\("),
    ),
    "rust": _Tests(
        start=re.compile(r"^\s*(?:pub\s+)?(?:async\s+)?fn\s+(?P<name>\w+)\s*[(<]"),
        claim=re.compile(r"\b(debug_)?assert\w*!\s*[({]|\bpanic!\s*\("),
        skip=re.compile(r"#\[(ignore|should_panic)\b|#\[cfg_attr\([^]]*\bignore\b"),
        marked=re.compile(r"#\[(\w+::)*(test|rstest|test_case)\b"),
    ),
    "java": _Tests(
        start=re.compile(r"^\s*(?:public |private |protected |internal |static |async |suspend |override )*"
                         r"(?:void|fun|Task|def)\s+(?P<name>`[^`]+`|\w+)\s*\("),
        claim=re.compile(r"\b(assert\w*|Assert\.\w+|verify|fail|assertThat|expectThrows)\s*[({]"),
        skip=re.compile(r"@(Disabled|Ignore)\w*\b|\bAssume\w*\.|\[(Ignore|Fact\(Skip|Theory\(Skip)"),
        marked=re.compile(r"@(Test|ParameterizedTest|RepeatedTest)\b|\[(Test|Fact|Theory|TestMethod)\b"),
    ),
    "ruby": _Tests(
        start=re.compile(r"""^\s*(?P<kind>[xf]?(?:it|specify|test|scenario|example)\s*\(?\s*["'](?P<title>[^"']*)["']|"""
                         r"""def\s+(?P<name>test_\w+))"""),
        claim=re.compile(r"\b(expect|assert\w*|refute\w*|must_\w+|wont_\w+)\b|\.should\b"),
        skip=re.compile(r"^\s*(skip|pending)\b|^\s*x(it|describe|context|specify)\b|,\s*skip:"),
        comment="#",
    ),
    "c": _Tests(
        start=re.compile(r"^\s*(?:(?:TYPED_)?TEST(?:_F|_P|_CASE|_METHOD)?\s*\((?P<name>[^)]*)\)|"
                         r"(?:static\s+)?(?:void|int)\s+(?P<title>test_\w+)\s*\()"),
        claim=re.compile(r"\b(ASSERT|EXPECT|CHECK|REQUIRE|assert|cr_assert|TEST_ASSERT|ck_assert)\w*\s*\("),
        skip=re.compile(r"\bGTEST_SKIP\b|\bDISABLED_\w+|\bSKIP\s*\("),
    ),
    "shell": _Tests(
        start=re.compile(r"""^\s*(?:@test\s+["'](?P<name>[^"']*)["']|(?:function\s+)?(?P<title>test_?\w+)\s*\(\)|"""
                         r"""test_expect_success\s+["'](?P<third>[^"']*)["'])"""),
        claim=re.compile(r"^\s*(\[\[?\s|test\s|assert\w*\s|refute\w*\s|grep\s+-q|diff\s|cmp\s|test_cmp\s)"),
        skip=re.compile(r"^\s*skip\b|\btest_expect_failure\b"),
        comment="#",
    ),
    "python": _Tests(
        start=re.compile(r"^\s*(?:async\s+)?def\s+(?P<name>test\w*)\s*\("),
        claim=re.compile(r"^\s*assert\b|\bself\.(assert\w+|fail)\s*\(|\b(raises|warns)\s*\("),
        skip=re.compile(r"\bmark\.(skip|skipif|xfail)\b|\bskip(If|Unless|Test)?\s*\(|expectedFailure"),
        comment="#",
    ),
}  # fmt: skip

_EXCUSE: Final = re.compile(
    r"runtime\.GOOS|GOARCH|windows|win32|darwin|linux|platform|version|testing\.Short|os\.|not installed|LookPath|"
    r"EnabledOn|EnabledIf|target_os|\bonly\b.{0,3}$",
    re.IGNORECASE,
)
_TRIVIAL: Final = re.compile(
    r"""expect\(\s*(true|1|'[^']*'|"[^"]*")\s*\)\s*\.(to|toBe|toEqual|toBeTruthy|toStrictEqual)\b
      | \bassert(True|_|!|\.True|\.ok)?\s*\(\s*(t\s*,\s*)?(true|1)\s*[,)] | \bassert\.(isTrue|True|
        ok)\(\s*(t,\s*)?true\b
      | \bassert(_eq!|Equals?|\.Equal|\.strictEqual)\s*\(\s*(t\s*,\s*)?(?P<one>true|\d+|"[^"]*")\s*,\s*(?P=one)\s*[,)]
      | \b(EXPECT|ASSERT)_TRUE\(\s*(true|1)\s*\) | ^\s*assert\s+(True|1)\s*($|,|\#) | \bassert\s+true\b""",
    re.VERBOSE,
)
_ALWAYS: Final = re.compile(r"\|\|\s*true\b|\bor\s+True\b|\|\s*\|\s*1\s*[,)]")
_STRENGTHS: Final = (
    (NEAR, re.compile(r"toBeCloseTo|InDelta|InEpsilon|closeTo|be_within|NEAR\(|approx|assertAlmostEqual|"
                      r"ElementsMatch|arrayContaining|objectContaining|ThrowsExactly|JSONEq")),
    (ANYTHING, re.compile(
        r"toBeTruthy|toBeDefined|not\.toBeNull|not\.toBeUndefined|not\.toThrow|\.to\.exist|\.to\.be\.ok|be_truthy|be_present|"
        r"\bNotNil\(|\bNotEmpty\(|assertNotNull|assertIsNotNone|is_some\(\)|is_ok\(\)|is_err\(\)|!\w[\w.]*\.is_empty\(\)|"
        r"isNotNull\(|isNotEmpty\(|isPresent\(|toHaveBeenCalled\(\)|is not None|refute_nil|not_to be_nil|not_to raise|"
        r"doesNotThrow|assertDoesNotThrow|\bNoError\(|toBeInstanceOf\(Object|expect\.anything|\bassert\.ok\([^=<>!]*\)"
    )),
    (SOME, re.compile(
        r"\.not\.|toBeGreater|toBeLess|NotEqual|assert_ne!|EXPECT_NE|ASSERT_NE|_[GL][TE]\(|assertNot|Greater|Less|toBeInstanceOf|"
        r"IsType|isInstanceOf|be_a\b|toBeFalsy|assertFalse|\.False\(|\bmatches!\(|[^=!]!=[^=]|\bnot_to\b|\.to\.be\.an?\("
    )),
    (PART, re.compile(
        r"toContain|toMatch\b|toMatch\(|toMatchObject|toHaveLength|toHaveProperty|Contains|Regexp|\.Len\(|startsWith|"
        r"hasSize|include\(|to match|\.contains\(|starts_with|ErrorContains|toThrow\(\)|HasPrefix|stringContaining|"
        r"assertIn\(|\bassert .+ in |\.throws?\([^,]*\)$|assertThrows|\bError\("
    )),
    (ANYTHING, re.compile(
        r"^\s*(debug_)?assert!\([^=<>]*\)|assertTrue\([^=]*\)|\bTrue\(t,[^=]*\)|(EXPECT|ASSERT)_TRUE|^\s*assert\s+[\w.()]+$"
    )),
)  # fmt: skip
_LOOP: Final = re.compile(r"^\s*(?:for|while)\b|\.(?:forEach|each|map)\b|\.each\(")
_EMPTY_CONDITION: Final = re.compile(r"\bif\s*\(?\s*(false|0)\s*\)?\s*\{")


def has_tests(language: str) -> bool:
    return language in _LANGUAGES


def text_units(path: str, language: str, text: str) -> list[Unit]:
    tests = _LANGUAGES[language]
    lines = [line[:_LINE_CHARS] for line in text.split("\n")[:_FILE_LINES]]
    bare = list(_without_comments(lines, tests.comment))
    whole = Unit(path=path, name="", line=1, source="", is_test=False)
    units, unit, indent = [whole], whole, -1
    body: list[str] = []
    seen: dict[str, int] = {}
    skip_until = -1
    loops: list[int] = []
    for place, line in enumerate(bare):
        stripped = line.strip()
        if not stripped:
            continue
        depth = len(line) - len(line.lstrip())
        started = tests.start.match(line)
        if started and (tests.marked is None or tests.marked.search(_above(bare, place))):
            _close(unit, body)
            name = next(
                (value for key, value in started.groupdict().items() if key not in ("kind", "quote") and value), ""
            )
            seen[name] = seen.get(name, 0) + 1
            unique = name if seen[name] == 1 else f"{name}#{seen[name]}"
            unit = Unit(path=path, name=unique or "test", line=place + 1, source="", is_test=True)
            units.append(unit)
            indent, body = depth, []
        elif unit is not whole and depth <= indent and stripped[0] not in "}){" and stripped != "end":
            _close(unit, body)
            unit, body = whole, []
        body.append(line)
        while loops and loops[-1] >= depth:
            loops.pop()
        if _LOOP.search(line):
            loops.append(depth)
        if tests.skip.search(line):
            _add_skip(unit, units, tests, bare, place)
        if place > skip_until and tests.claim.search(line) and not (started and language != "js"):
            statement, skip_until = _statement(bare, place)
            unit.claims.append(_claim(statement, place, many=bool(loops)))
    _close(unit, body)
    return units


def _close(unit: Unit, body: list[str]) -> None:
    unit.source = "\n".join(body)
    if _EMPTY_CONDITION.search(unit.source):
        dead = "It stands in a branch that is never taken."
        unit.claims = [
            Claim(raw=one.raw, line=one.line, quote=one.quote, detail=one.detail, dead=dead, many=one.many)
            for one in unit.claims
        ]


def _above(lines: list[str], place: int) -> str:
    """The attributes over a definition."""
    found = []
    for line in reversed(lines[max(0, place - 6) : place]):
        if not line.strip().startswith(("#[", "@", "[")):
            break
        found.append(line)
    return "\n".join(found)


def _add_skip(unit: Unit, units: list[Unit], tests: _Tests, lines: list[str], place: int) -> None:
    """Attributes stand above the test they are about, so they count for the file."""
    line = lines[place]
    target = units[0] if line.strip().startswith(("#[", "@", "[")) else unit
    around = " ".join(lines[max(0, place - 2) : place + 1])
    match = tests.skip.search(line)
    text = "".join(line.split()) if match else ""
    target.skips.append(Skip(text=text, line=place + 1, excused=bool(_EXCUSE.search(around)), quote=line))


def _statement(lines: list[str], place: int) -> tuple[str, int]:
    """The lines of a call up to where its parentheses close, and what is chained to it."""
    taken, depth = [], 0
    end = place
    for end in range(place, min(place + _STATEMENT_LINES, len(lines))):
        line = lines[end]
        taken.append(line.strip())
        depth += line.count("(") - line.count(")")
        following = lines[end + 1].strip() if end + 1 < len(lines) else ""
        if depth <= 0 and not following.startswith("."):
            break
    return " ".join(taken), end


def _claim(statement: str, place: int, *, many: bool) -> Claim:
    return Claim(
        raw="".join(statement.split()).rstrip(";,"),
        line=place + 1,
        quote=statement,
        detail=partial(_detail, statement),
        many=many,
    )


def _detail(statement: str) -> Detail:
    if _TRIVIAL.search(statement):
        return Detail(strength=NOTHING, trivial="It asserts a constant.")
    if _ALWAYS.search(statement):
        return Detail(strength=NOTHING, names=names(statement), trivial="One side of its `or` is always true.")
    strength = next((level for level, form in _STRENGTHS if form.search(statement)), EXACT)
    return Detail(
        strength=strength,
        text="".join(statement.split()),
        subjects=frozenset(_subjects(statement)),
        names=names(statement),
    )


def _subjects(statement: str) -> Iterator[str]:
    """What stands in the first parentheses, split at its commas."""
    start = statement.find("(")
    depth, begun = 0, start + 1
    for place in range(start, len(statement)) if start >= 0 else ():
        char = statement[place]
        depth += (char in "([{") - (char in ")]}")
        if (char == "," and depth == 1) or depth == 0:
            part = "".join(statement[begun:place].split()).lstrip("&!*")
            begun = place + 1
            if names(part) and part not in ("t", "true", "false"):
                yield part
                yield from (base for base in (part.partition(".is_")[0], part.partition("==")[0]) if base != part)
        if depth == 0:
            return


def _without_comments(lines: list[str], prefix: str) -> Iterator[str]:
    """Lines that are only comment become blank; where a comment trails behind code it stays."""
    inside = False
    for line in lines:
        stripped = line.strip()
        if inside or (prefix == "//" and stripped.startswith("/*")):
            inside = "*/" not in stripped
            yield ""
        elif stripped.startswith(prefix) or (prefix == "//" and stripped.startswith("*")):
            yield ""
        else:
            yield line
