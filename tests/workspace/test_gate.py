"""The import gate, by what it is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captain.core.diff import ABSENT, GITLINK, SYMLINK, Change
from captain.workspace.gate import CHANGES, FILE_BYTES, problems


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
