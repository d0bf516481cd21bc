"""Which hunks serve the task: each link that counts, and what is doubted."""

from __future__ import annotations

from captain.core.hunks import Hunk, parse_hunks
from captain.core.tasks import Check, Criterion, Location, Scope, Task
from captain.guards import relevance

TASK = Task(
    id="T1",
    title="Read dates with dots",
    kind="change",
    brief="parse_date in quay/dates.py refuses 1.2.2026.",
    scope=Scope(paths=("quay/", "tests/test_dates.py")),
    criteria=(Criterion(id="T1.1", text="The importer takes timezones too.", check="suite"),),
    checks=(Check(name="suite", command="pytest"),),
)


def hunk(path: str, context: str = "", *, removed: tuple[str, ...] = (), added: tuple[str, ...] = ()) -> Hunk:
    return Hunk(path=path, old_start=1, new_start=1, context=context, removed=removed, added=added)


def serving(*hunks: Hunk, locations: tuple[Location, ...] = ()) -> list[bool]:
    return [answer.serves for answer in relevance(hunks, TASK, locations=locations)]


def test_a_hunk_in_a_named_file_its_test_or_a_named_function_serves() -> None:
    assert serving(
        hunk("quay/dates.py", added=("x = 1",)),
        hunk("tests/test_dates.py", added=("y = 1",)),
        hunk("quay/other.py", "def parse_date(text):", added=("z = 1",)),
        hunk("quay/money.py", "def split(total):", added=("return total",)),
    ) == [True, True, True, False]


def test_a_rare_word_of_a_criterion_is_a_link_and_a_short_or_common_one_is_not() -> None:
    assert serving(
        hunk("quay/zones.py", added=("TIMEZONES = {}",)),
        hunk("quay/money.py", added=("with_dots = True",)),
        hunk("quay/tidy.py", added=("import unittest",)),
    ) == [True, False, False]


def test_what_a_serving_hunk_uses_serves_too_over_any_number_of_steps() -> None:
    assert serving(
        hunk("quay/dates.py", added=("return _split_day(text)",)),
        hunk("quay/text.py", added=("def _split_day(text):", "    return _pieces(text)")),
        hunk("quay/low.py", added=("def _pieces(text):", "    return text.split()")),
        hunk("quay/unrelated.py", added=("def _others(text):", "    return text.split()")),
    ) == [True, True, True, False]


def test_within_a_located_file_the_symbol_decides_and_not_the_file() -> None:
    there = (Location(path="quay/dates.py", symbol="Dates.parse"),)
    task = TASK.__class__(**{name: getattr(TASK, name) for name in TASK.__slots__} | {"brief": "It refuses 1.2.2026."})
    answers = relevance(
        [
            hunk("quay/dates.py", "    def parse(self, text):", added=("q = 1",)),
            hunk("quay/dates.py", "    def show(self):", added=("w = 1",)),
        ],
        task,
        locations=there,
    )
    assert [answer.serves for answer in answers] == [True, False]
    assert answers[0].reason == "It is in parse, which the task names."
    assert answers[1].reason == "It shares no name with the task, and nothing with a hunk that serves it."


def test_a_task_without_words_doubts_everything_and_fails_on_nothing() -> None:
    empty = Task(id="T", title="", kind="change", brief="", scope=Scope(paths=("",)), criteria=(), checks=())
    assert [answer.serves for answer in relevance([hunk("a.py", added=("a",))], empty)] == [False]
    assert relevance([], empty) == ()


DIFF = r"""diff --git a/a.py b/a.py
index 1..2 100644
--- a/a.py
+++ b/a.py
@@ -1,3 +1,3 @@ def f():
 kept
--- a/fake.py
-@@ -1 +1 @@
++++ b/fake.py
+diff --git a/x b/x
@@ -9 +9,0 @@
-gone
diff --git "a/\303\251 \"q\".txt" "b/\303\251 \"q\".txt"
new file mode 100644
--- /dev/null
+++ "b/\303\251 \"q\".txt"
@@ -0,0 +1 @@
+new
\ No newline at end of file
diff --git a/with space b/with space
--- a/with space@TAB@
+++ /dev/null
@@ -1 +0,0 @@
-old
diff --git a/p.png b/p.png
Binary files a/p.png and b/p.png differ
"""


def test_hunks_are_read_by_their_counts_and_paths_are_unquoted() -> None:
    assert [(h.path, h.context, h.removed, h.added, h.around) for h in parse_hunks(DIFF.replace("@TAB@", "\t"))] == [
        (
            "a.py",
            "def f():",
            ("-- a/fake.py", "@@ -1 +1 @@"),
            ("+++ b/fake.py", "diff --git a/x b/x"),
            ("kept",),
        ),
        ("a.py", "", ("gone",), (), ()),
        ('é "q".txt', "", (), ("new",), ()),
        ("with space", "", ("old",), (), ()),
    ]


def test_a_long_chain_of_hunks_is_followed_to_its_end_and_names_that_are_everywhere_link_nothing() -> None:
    chain = [hunk(f"quay/step{n}.py", added=(f"def step_{n}(q):", f"    return step_{n + 1}(q)")) for n in range(3000)]
    everywhere = [hunk(f"quay/other{n}.py", added=("def everywhere(q): ...", "everywhere(1)")) for n in range(2000)]
    start = hunk("quay/dates.py", added=("step_0(everywhere)",))
    answers = relevance([start, *chain, *everywhere], TASK)
    assert all(answer.serves for answer in answers[:3001])
    assert not any(answer.serves for answer in answers[3001:])
