"""Milliseconds to judge a diff of 2,000 lines over 200 files: the minimum of five runs."""

from __future__ import annotations

import time
from collections.abc import Callable

from captain.core.diff import Change, LineCount
from captain.core.hunks import parse_hunks
from captain.core.tasks import Scope, Task
from captain.guards import ScopeGuard, relevance

FILES = [f"src/pkg{n % 20}/sub{n % 7}/module_{n}.py" for n in range(195)]
FILES += ["tests/test_x.py", "uv.lock", "AGENTS.md", "src/conftest.py", "docs/a.md"]
CHANGES = [Change(path=p, old_mode="100644", new_mode="100644", old_id="1" * 40, new_id="2" * 40) for p in FILES]
LINES = {path: LineCount(added=7, removed=3) for path in FILES}
SCOPE = Scope(
    paths=("/src/", "*.md", "tests/**", "*.lock"), forbid=("src/vendor/", "*.min.js"), max_files=100, max_lines=1000
)
BODY = " same\n" * 6 + "-    old_value = compute_things(a, b)\n" * 3 + "+    new_value = compute_things(x, y)\n" * 7
DIFF = "".join(f"--- a/{path}\n+++ b/{path}\n@@ -10,9 +10,13 @@ def thing():\n{BODY}" for path in FILES)
TASK = Task(
    id="T1",
    title="Change compute_things",
    kind="change",
    brief="It is in src/pkg1/sub1/module_1.py.",
    scope=SCOPE,
    criteria=(),
    checks=(),
)
SOURCE = "".join(f"def thing_{n}(a, b):\n    return compute(a, b) + {n}\n\n" for n in range(40))
SOURCES = {path: (SOURCE, SOURCE.replace("+ 3", "+ 4")) for path in FILES[:20]}


def minimum_ms(work: Callable[[], object]) -> float:
    work()  # patterns are compiled once in a process
    times = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def main() -> None:
    narrow = Scope(paths=("/src/",), symbols=("thing_3",))
    for name, work in (
        ("the judgement", lambda: ScopeGuard(SCOPE).judge(CHANGES, lines=LINES)),
        ("reading its text into hunks", lambda: parse_hunks(DIFF)),
        ("and their relevance", lambda: relevance(parse_hunks(DIFF), TASK)),
        ("symbols in 20 files of 120 lines", lambda: ScopeGuard(narrow).judge(CHANGES[:20], sources=SOURCES)),
    ):
        print(f"{minimum_ms(work):6.1f} ms  {name}")


if __name__ == "__main__":
    main()
