"""A patch changes files as it says, in both dialects, all of it or nothing."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captain.core.errors import ToolError
from captain.sandbox.local import LocalBox
from captain.tools import ToolContext, apply_patch
from captain.tools.patch import AddFile, DeleteFile, UpdateFile, parse_patch
from captain.tools.patching import apply_hunks
from tests.tools.conftest import Use

CODE = """import os


class Ship:
    def name(self):
        return "ship"

    def load(self):
        return 0


class Boat:
    def name(self):
        return "boat"

    def load(self):
        return 0
"""


def patch(*lines: str) -> str:
    return "\n".join(["*** Begin Patch", *lines, "*** End Patch"])


@pytest.fixture
def code(root: Path) -> Path:
    path = root / "ships.py"
    path.write_text(CODE)
    return path


async def test_files_are_updated_added_moved_and_deleted_by_one_patch(root: Path, code: Path, use: Use) -> None:
    (root / "old.txt").write_text("one\ntwo\n")
    (root / "old.txt").chmod(0o755)
    (root / "gone.txt").write_text("x")
    said = await use(
        apply_patch,
        patch=patch(
            "*** Update File: ships.py",
            "@@ class Boat:",
            "@@     def load(self):",
            "-        return 0",
            "+        return 1",
            "*** Add File: new/deep/file.txt",
            "+hello",
            "+",
            "+world",
            "*** Update File: old.txt",
            "*** Move to: names/new.txt",
            "@@",
            " one",
            "-two",
            "+2",
            "*** Delete File: gone.txt",
        ),
    )
    assert said == "Updated ships.py.\nAdded new/deep/file.txt.\nMoved old.txt to names/new.txt.\nDeleted gone.txt."
    assert code.read_text() == CODE[: CODE.rindex("0")] + "1\n"
    assert (root / "new/deep/file.txt").read_text() == "hello\n\nworld\n"
    assert (root / "names/new.txt").read_text() == "one\n2\n"
    assert (root / "names/new.txt").stat().st_mode & 0o777 == 0o755
    assert not (root / "old.txt").exists()
    assert not (root / "gone.txt").exists()


async def test_a_unified_diff_is_taken_as_models_write_it(root: Path, code: Path, use: Use) -> None:
    """With talk around it, wrong counts, and an empty line of context that lost its space."""
    (root / "gone.txt").write_text("x\n")
    said = await use(
        apply_patch,
        patch="""Here is the change:
diff --git a/ships.py b/ships.py
index 000..111 100644
--- a/ships.py
+++ b/ships.py
@@ -1,99 +1,3 @@
-import os
+import sys


@@ -12,3 +12,3 @@ class Boat:
     def name(self):
-        return "boat"
+        return "BOAT"

--- /dev/null
+++ b/new.txt
@@ -0,0 +1,2 @@
+hello
+world
--- a/gone.txt
+++ /dev/null
@@ -1 +0,0 @@
-x
""",
    )
    assert said == "Updated ships.py.\nAdded new.txt.\nDeleted gone.txt."
    assert code.read_text() == CODE.replace("import os", "import sys").replace('"boat"', '"BOAT"')
    assert (root / "new.txt").read_text() == "hello\nworld\n"
    assert not (root / "gone.txt").exists()


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ((" missing", "-not there at all", "+x"), "its lines are not in the file"),
        (("@@ class Yacht:", "-        return 0", "+x"), "no line is 'class Yacht:'"),
        (("     def load(self):", "-        return 0", "+        return 1"), r"fits in 2 places, at lines 8, 16"),
        (("-        return 0", "+x", "*** End of File", "@@", "-import os", "+y"), "stand at line 1, above line 17"),
        (("-import os", "+x", "*** End of File"), "are not the end of the file"),
        ((" class Ship:", "-  def name(self):", "+x"), r"line 5 begins with 4 spaces, in the patch with 2 spaces"),
        (("@@", "what is this"), "is not a line of a hunk"),
        ((), "the hunks for ships.py are missing"),
    ],
)
async def test_a_patch_that_does_not_fit_says_where_it_was_meant_and_changes_nothing(
    root: Path, code: Path, use: Use, bad: tuple[str, ...], says: str
) -> None:
    good = ("*** Add File: new.txt", "+new", "*** Delete File: README.md")
    with pytest.raises(ToolError, match=says) as caught:
        await use(apply_patch, patch=patch(*good, "*** Update File: ships.py", *bad))
    assert "Nothing was changed." in str(caught.value)
    assert code.read_text() == CODE
    assert not (root / "new.txt").exists()
    assert (root / "README.md").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "changes no file"),
        ("hello", "changes no file"),
        ("*** Begin Patch\n*** End Patch", "changes no file"),
        ("*** Begin Patch\n*** Update File: a\n@@\n-x\n+y", "the patch may have been cut off"),
        (patch("*** Rename File: a"), "is not the begin of a file"),
        (patch("*** Add File: a", "no plus"), "does not begin with +"),
        ("@@ -1 +1 @@\n-x\n+y\n", "is a hunk of no file"),
        ("--- a/x\n+++ b/x\nno hunk\n", "begin with @@"),
        ("--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n x\n", "every line has to begin with +"),
        (patch("*** Add File: README.md", "+x"), "exists already"),
        (patch("*** Delete File: none"), "none does not exist"),
        (patch("*** Update File: none", "@@", "-x", "+y"), "none does not exist"),
        (patch("*** Update File: README.md", "*** Move to: .gitignore"), "which exists already"),
        (patch("*** Update File: README.md", "@@", " # Read me"), "leaves every file as it is"),
        (patch("*** Add File: ../x", "+x"), "outside"),
        (patch("*** Add File: .git/hooks/x", "+x"), r"inside \.git"),
        (patch("*** Update File: README.md", "*** Move to: .git/x"), r"inside \.git"),
        (patch("*** Add File: ", "+x"), "without a path"),
        (patch("*** Add File: a", "+half \ud83d"), "no character"),
    ],
)
async def test_a_patch_that_cannot_be_meant_is_explained(root: Path, use: Use, text: str, says: str) -> None:
    before = sorted(path.name for path in root.iterdir())
    with pytest.raises(ToolError, match=says):
        await use(apply_patch, patch=text)
    assert sorted(path.name for path in root.iterdir()) == before
    assert (root / "README.md").read_text() == "# Read me\n"


class FullBox(LocalBox):
    """Has no room for one file."""

    async def write(self, path: str, data: bytes, /) -> None:
        if path == "full":
            raise ToolError(f"{path} could not be written: No space left on device.")
        await super().write(path, data)


@pytest.mark.parametrize("place", range(4))
async def test_what_fails_at_one_file_is_taken_back_from_the_others(root: Path, place: int) -> None:
    (root / "run.sh").write_text("old\n")
    (root / "run.sh").chmod(0o755)
    (root / "moved.txt").write_text("one\n")
    sections = [
        ("*** Update File: run.sh", "@@", "-old", "+new"),
        ("*** Add File: made/new.txt", "+x"),
        ("*** Update File: moved.txt", "*** Move to: names/moved.txt", "@@", "-one", "+two"),
    ]
    sections.insert(place, ("*** Add File: full", "+x"))
    box = FullBox(root, {})
    with pytest.raises(ToolError, match=r"full could not be written: No space left on device\. Nothing was changed"):
        await apply_patch.call(
            {"patch": patch(*(line for section in sections for line in section))}, ToolContext(maybe_box=box)
        )
    await box.close()
    assert (root / "run.sh").read_text() == "old\n"
    assert (root / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (root / "moved.txt").read_text() == "one\n"
    assert not [name for name in ("made/new.txt", "names/moved.txt", "full") if (root / name).exists()]


async def test_a_file_may_be_changed_in_several_sections(root: Path, code: Path, use: Use) -> None:
    sections = ("*** Update File: ships.py", "@@", "-import os", "+import sys")
    more = ("*** Update File: ./ships.py", "@@", "-import sys", "+import re")
    await use(apply_patch, patch=patch(*sections, *more))
    assert code.read_text() == CODE.replace("import os", "import re")


async def test_a_patch_that_was_applied_before_is_recognised(code: Path, use: Use) -> None:
    once = patch("*** Update File: ships.py", "@@", "-import os", "+import os, sys, re", " ", " ", " class Ship:")
    await use(apply_patch, patch=once)
    with pytest.raises(ToolError, match="Its new text is there already, at line 1: was this edit made before"):
        await use(apply_patch, patch=once)


async def test_paths_that_look_like_options_are_paths(root: Path, use: Use) -> None:
    (root / "-rf").write_text("x\n")
    await use(apply_patch, patch=patch("*** Update File: -rf", "*** Move to: --help", "@@", "-x", "+y"))
    assert (root / "--help").read_text() == "y\n"


def apply(before: str, *lines: str) -> str:
    (change,) = parse_patch(patch("*** Update File: f", *lines))
    assert isinstance(change, UpdateFile)
    return apply_hunks(before, change.hunks, "f")


@pytest.mark.parametrize(
    ("before", "lines", "after"),
    [
        ("a\nb\nc\n", ("@@", " a", "-b", "+B", " c"), "a\nB\nc\n"),
        ("a\nb\nc\n", (" a", "-b", "+B"), "a\nB\nc\n"),  # the first @@ may be missing
        ("a\r\nb\r\nc\r\n", ("@@", " a", "-b", "+B", "+B2", " c"), "a\r\nB\r\nB2\r\nc\r\n"),
        ("a\r\nb\nc\n", ("@@", " a", "+x"), "a\r\nx\r\nb\nc\n"),
        ("a  \nb\n", ("@@", " a", "-b", "+B"), "a  \nB\n"),  # the file's own white space stays
        ("a\nb", ("@@", " a", "-b", "+B"), "a\nB"),
        ("a\nb", ("@@", " b", "+c"), "a\nb\nc"),
        ("a\r\nb", ("@@", " b", "+c"), "a\r\nb\r\nc"),
        ("a\nb", ("@@", "+c"), "a\nb\nc"),
        ("", ("@@", "+c"), "c\n"),
        ("a\nb\n", ("@@", "-a", "-b"), ""),
        ("a\nb\n", ("@@", "-b"), "a\n"),
        ("x\nf\ny\nf\nx\n", ("@@ y", " f", "+g"), "x\nf\ny\nf\ng\nx\n"),
        ("f\na\nf\na\n", ("@@", " f", "-a", "+A", "*** End of File"), "f\na\nf\nA\n"),
        ("def f():\n    a\n", ("@@ def f():", "+    new"), "def f():\n    new\n    a\n"),
        ("def f():\n    a\n", ("@@ def f():", " def f():", "-    a", "+    b"), "def f():\n    b\n"),
        ("a\n\nb\n", ("@@", " a", "", "-b", "+c"), "a\n\nc\n"),
        ("a\x0cb\u2028c\nd\n", ("@@", " a\x0cb\u2028c", "-d", "+e"), "a\x0cb\u2028c\ne\n"),
    ],
)
def test_hunks_find_their_place_and_keep_line_ends(before: str, lines: tuple[str, ...], after: str) -> None:
    assert apply(before, *lines) == after


@pytest.mark.parametrize(
    ("before", "diff", "after"),
    [
        ("a\nb", "@@ -2 +2 @@\n-b\n\\ No newline at end of file\n+c\n", "a\nc\n"),
        ("a\nb\n", "@@ -2 +2 @@\n-b\n+c\n\\ No newline at end of file\n", "a\nc"),
        ("a\nb", "@@ -2 +2 @@\n-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n", "a\nc"),
        ("x\ny\nx\ny\n", "@@ -3,2 +3,2 @@\n x\n-y\n+z\n", "x\ny\nx\nz\n"),
        ("a\nb\n", "@@ -1,0 +2 @@\n+x\n", "a\nx\nb\n"),
        ("- a\n-- b\n", "@@ -1,2 +1,2 @@\n - a\n--- b\n+++ c\n", "- a\n++ c\n"),
    ],
)
def test_a_unified_hunk_is_taken_by_its_lines(before: str, diff: str, after: str) -> None:
    (change,) = parse_patch(f"--- a/f\n+++ b/f\n{diff}")
    assert isinstance(change, UpdateFile)
    assert apply_hunks(before, change.hunks, "f") == after


def test_names_in_a_diff_may_be_quoted_dated_and_without_a_prefix() -> None:
    quoted, dated, moved, plain = parse_patch(
        '--- "a/\\303\\274 \\"x\\".txt"\n+++ "b/\\303\\274 \\"x\\".txt"\n@@ -1 +1 @@\n-a\n+b\n'
        "--- a/b\t2026-01-01 00:00:00\n+++ b/b\t2026-01-01 00:00:00\n@@ -1 +1 @@\n-a\n+b\n"
        "diff --git a/one b/two\nsimilarity index 100%\nrename from one\nrename to two\n"
        "--- b/c\n+++ b/c\n@@ -1 +1 @@\n-a\n+b\n"
    )
    assert (quoted.path, dated.path, plain.path) == ('ü "x".txt', "b", "b/c")
    assert isinstance(moved, UpdateFile)
    assert (moved.path, moved.move_to, moved.hunks) == ("one", "two", ())


def test_a_patch_may_come_wrapped_and_with_other_line_ends() -> None:
    text = patch("*** Add File: a", "+x", "*** Delete File: b").replace("\n", "\r\n")
    assert parse_patch(f"```\napply_patch <<'EOF'\r\n{text}\r\nEOF\n```") == (
        AddFile(path="a", content="x\n"),
        DeleteFile(path="b"),
    )


LINE = st.text(st.sampled_from("ab -+@*\\\t\x0c\u2028é"), max_size=4)
FILE = st.lists(LINE, min_size=1, max_size=12)


@settings(max_examples=300, deadline=None)
@given(
    before=FILE, place=st.integers(0, 11), gone=st.integers(0, 3), new=st.lists(LINE, max_size=3), crlf=st.booleans()
)
def test_only_the_lines_that_a_patch_names_change(
    before: list[str], place: int, gone: int, new: list[str], crlf: bool
) -> None:
    """Lines numbered so that every place is one of its kind."""
    lines = [f"{number}{line}" for number, line in enumerate(before)]
    place = min(place, len(lines) - 1)
    after = [*lines[: place + 1], *new, *lines[place + 1 + gone :]]
    hunk = [
        " " + lines[place],
        *("-" + line for line in lines[place + 1 : place + 1 + gone]),
        *("+" + line for line in new),
    ]
    end = "\r\n" if crlf else "\n"
    text = "".join(line + end for line in lines)
    assert apply(text, "@@", *hunk) == "".join(line + end for line in after)


@settings(max_examples=60, deadline=None)
@given(before=FILE, after=FILE, ends=st.booleans())
def test_what_git_writes_as_a_diff_is_applied_as_git_means_it(before: list[str], after: list[str], ends: bool) -> None:
    """Numbered lines, as places that are alike are to be told apart by more context."""
    one = "\n".join(f"{number} {line}" for number, line in enumerate(before)) + "\n"
    other = "\n".join(f"{number} {line}" for number, line in enumerate(after)) + ("\n" if ends else "")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "one").write_text(one, newline="")
        Path(folder, "other").write_text(other, newline="")
        diff = subprocess.run(
            ["git", "diff", "--no-index", "--text", "--no-color", "one", "other"],
            cwd=folder,
            capture_output=True,
            check=False,
            env={"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"},
        ).stdout.decode()
    if one == other:
        assert diff == ""
        return
    (change,) = parse_patch(diff)
    assert isinstance(change, UpdateFile)
    assert apply_hunks(one, change.hunks, "one") == other
