"""The import gate, by what it is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captain.core.diff import ABSENT, GITLINK, SYMLINK, Change
from captain.core.hunks import parse_hunks
from captain.workspace.gate import CHANGES, FILE_BYTES, TOTAL_BYTES, new_collisions, problems, secrets_in


def change(path: str, *, old: str = ABSENT, new: str = "100644", new_id: str = "b") -> Change:
    return Change(path=path, old_mode=old, new_mode=new, old_id="a", new_id=new_id)


def judged(*changes: Change, size: int = 10) -> tuple[str, ...]:
    return problems(changes, {"b": size})


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "-rf",
        "a b\n",
        "\udcff",
        ".github/ci.yml",
        ".gitignore",
        ".gitattributes",
        "git",
        "x.git",
        ".git-blame",
        "..a",
    ],
)
def test_ordinary_files_pass(path: str) -> None:
    assert not judged(change(path), change(path, old="100644", new="100755"), change(path, old="100644", new=ABSENT))


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        "sub/.GIT/hooks/pre-commit",
        ".gIt",
        ".g\u200cit/x",
        "git~1/config",
        "GIT~12",
        ".git /x",
        ".git. ./x",
        ".git::$INDEX_ALLOCATION/x",
        "a\\.git\\config",
        "../x",
        "a//b",
        "./a",
    ],
)
def test_paths_that_lead_out_or_into_a_git_folder_are_refused(path: str) -> None:
    assert judged(change(path))


@pytest.mark.parametrize("path", [".gitmodules", "sub/.GITMODULES", ".gitmodules.", "gitmod~1", "GI7EBA~1"])
def test_submodules_cannot_be_changed_by_any_name_of_their_file(path: str) -> None:
    assert judged(change(path))
    assert judged(change(path, old="100644", new=ABSENT))


@pytest.mark.parametrize("mode", [SYMLINK, GITLINK, "100664", "100600", "040000", "104755"])
def test_only_regular_files_may_be_added_or_changed(mode: str) -> None:
    assert judged(change("a", new=mode))
    assert judged(change("a", old="100644", new=mode))
    assert judged(change("a", old=mode, new=mode))


def test_a_link_may_be_removed_or_replaced_by_a_file_but_a_submodule_may_not() -> None:
    assert not judged(change("a", old=SYMLINK, new=ABSENT), change("b", old=SYMLINK))
    assert judged(change("a", old=GITLINK, new=ABSENT))
    assert judged(change("a", old=GITLINK))


def test_size_count_and_missing_content_are_judged() -> None:
    assert not judged(change("a"), size=FILE_BYTES)
    assert judged(change("a"), size=FILE_BYTES + 1)
    assert judged(change("a", new_id="c"))
    assert judged(*[change("a")] * (CHANGES + 1)) == (
        f"{CHANGES + 1} files are changed; more than {CHANGES} are not taken.",
    )


def test_what_is_shown_of_a_path_cannot_disturb_a_terminal() -> None:
    (sentence,) = judged(change("a\x1b[2J", new=SYMLINK))
    assert sentence == "'a\\x1b[2J' is a symbolic link; only regular files may be added or changed."


@given(st.text(), st.sampled_from(["", "/", "sub/"]), st.sampled_from([".git", ".GIT", "git~1", ".git\u200d"]))
def test_no_path_with_a_git_folder_in_it_passes(rest: str, before: str, folder: str) -> None:
    assert judged(change(f"{before}{folder}/{rest}"))


@pytest.mark.parametrize(
    "path",
    [
        "a\u202etxt.py",
        "a\u200bb",
        "sub\u2066/x",
        "a\U000e0061",
        "end.",
        "end /x",
        "sub./x",
        "..\\..\\x",
        "sub\\..\\..\\x",
        "\\\\server\\x",
        "C:x",
        "c:\\x",
    ],
)
def test_new_names_that_deceive_or_lead_out_elsewhere_are_refused(path: str) -> None:
    assert judged(change(path))


@pytest.mark.parametrize("path", ["ab:c", "sub/C:x", "a\\b", "a?*<b>|", 'a"b', "ünïcode", "日本", "a..b/c", "...x"])
def test_names_that_are_only_unusual_pass(path: str) -> None:
    assert not judged(change(path))


def test_a_deceptive_name_that_was_there_before_may_be_changed_or_removed() -> None:
    assert not judged(change("a\u200bb", old="100644"), change("end.", old="100644", new=ABSENT))


def test_all_files_together_may_only_be_so_large() -> None:
    sizes = {str(number): FILE_BYTES for number in range(6)}
    many = [change(f"f{number}", new_id=number) for number in sizes]
    (sentence,) = problems(many, sizes)
    assert sentence.startswith(f"The changed files have {6 * FILE_BYTES} bytes; more than {TOTAL_BYTES}")
    assert not problems(many[:5], sizes)


@pytest.mark.parametrize(
    ("added", "before"),
    [
        (["Readme"], ["README"]),
        (["a", "A"], []),
        (["src/x"], ["SRC/y"]),
        (["SRC"], ["src/y"]),
        (["stra\u00dfe"], ["STRASSE"]),
        (["e\u0301"], ["\u00e9"]),
    ],
)
def test_paths_that_become_one_elsewhere_are_refused(added: list[str], before: list[str]) -> None:
    assert len(new_collisions([change(path) for path in added], before)) == 1


def test_a_collision_that_was_there_before_or_a_change_of_case_is_no_problem() -> None:
    assert not new_collisions([change("c"), change("A", old="100644")], ["a", "A"])
    assert not new_collisions([change("SRC/new")], ["src/x", "SRC/y"])
    assert not new_collisions([change("A"), change("a", old="100644", new=ABSENT)], ["a"])
    assert not new_collisions([change("a/b/c")], ["a/b/d", "a/e"])


def diff(removed: str, added: str) -> str:
    lines = [*(f"-{line}" for line in removed.splitlines()), *(f"+{line}" for line in added.splitlines())]
    counts = len(removed.splitlines()), len(added.splitlines())
    return "\n".join(["--- a/conf.py", "+++ b/conf.py", f"@@ -7,{counts[0]} +7,{counts[1]} @@", *lines, ""])


def test_a_key_in_added_lines_is_named_by_its_place_and_never_shown() -> None:
    key = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" + "k1L2m3N4o5P6q7R8"
    (sentence,) = secrets_in(parse_hunks(diff("", f"x = 1\ntoken = '{key}'\n")))
    assert sentence == "conf.py holds, in line 8, what looks like a secret key; take it out."
    assert not secrets_in(parse_hunks(diff(f"token = '{key}'\n", f"    token = '{key}'\n")))
    assert not secrets_in(parse_hunks(diff(f"token = '{key}'\n", "token = None\n")))
