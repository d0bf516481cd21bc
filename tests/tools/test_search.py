"""Finding files and text sees what git sees."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from captain.core.errors import ToolError
from captain.sandbox.local import LocalBox
from captain.testing import git as run_git
from captain.tools import ToolContext, list_files, search
from captain.tools.grep import Found, Query, by_git, by_ripgrep
from tests.tools.conftest import Use, text_of


async def test_files_are_listed_without_those_git_ignores(root: Path, use: Use) -> None:
    (root / "new.py").write_text("x")
    (root / "debug.log").write_text("x")
    (root / "build").mkdir()
    (root / "build" / "out.py").write_text("x")
    assert await use(list_files) == ".gitignore\nREADME.md\nnew.py"


async def test_files_can_be_listed_by_folder_and_by_pattern(root: Path, use: Use) -> None:
    (root / "src").mkdir()
    (root / "src" / "a.py").write_text("x")
    (root / "src" / "b.md").write_text("x")
    assert await use(list_files, path="src") == "src/a.py\nsrc/b.md"
    assert await use(list_files, path="*.py") == "src/a.py"
    assert await use(list_files, path="nowhere") == "No file matches 'nowhere'."


@pytest.mark.parametrize("path", ["../", "/etc", ":(bad)x"])
async def test_a_listing_stays_inside_the_repository(root: Path, use: Use, path: str) -> None:
    with pytest.raises(ToolError, match="cannot be listed"):
        await use(list_files, path=path)


async def test_a_path_is_never_taken_for_an_option(root: Path, use: Use) -> None:
    (root / "-x").write_text("needle\n")
    assert await use(list_files, path="-x") == "-x"
    assert await use(search, pattern="needle", path="-x") == "-x:1:needle"
    assert "No file" in await use(list_files, path="--others")


async def test_odd_names_are_listed(root: Path, use: Use) -> None:
    for name in (b"with space", b"-dash", "übung".encode(), b"latin-\xe9", b'quo"te'):
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).write_bytes(b"x")
    listed = (await use(list_files)).split("\n")
    assert {"with space", "-dash", "übung", 'quo"te'} <= set(listed)
    assert any(name.startswith("latin-") for name in listed)


async def test_a_long_listing_is_cut_and_says_by_how_much(root: Path, use: Use) -> None:
    for number in range(10):
        (root / f"f{number}").write_text("x")
    assert (await use(list_files, limit=3)).endswith("f0\n(9 more; ask for a narrower path)")
    assert (await use(list_files, limit=-1)) == ".gitignore\n(11 more; ask for a narrower path)"


async def test_text_is_found_with_path_and_line_in_tracked_and_new_files(root: Path, use: Use) -> None:
    (root / "new.py").write_text("a = 1\nb = needle\n")
    (root / "debug.log").write_text("needle")
    assert await use(search, pattern="needle|Read") == "README.md:1:# Read me\nnew.py:2:b = needle"


async def test_a_search_can_ignore_case_and_show_what_is_around(root: Path, use: Use) -> None:
    (root / "a.txt").write_text("one\ntwo\nthree\n")
    assert await use(search, pattern="TWO", path="a.txt") == "No line matches 'TWO'."
    assert await use(search, pattern="TWO", path="a.txt", ignore_case=True) == "a.txt:2:two"
    shown = await use(search, pattern="two", path="a.txt", context_lines=1)
    assert shown == "a.txt-1-one\na.txt:2:two\na.txt-3-three"


@pytest.mark.parametrize("pattern", ["-e", "--open-files-in-pager=touch x", "$(touch x)", "; touch x"])
async def test_a_pattern_is_only_ever_a_pattern(root: Path, use: Use, pattern: str) -> None:
    before = sorted(path.name for path in root.iterdir())
    assert "No line matches" in await use(search, pattern=pattern)
    assert sorted(path.name for path in root.iterdir()) == before


async def test_a_bad_pattern_is_explained(use: Use) -> None:
    with pytest.raises(ToolError, match=r"The search for '\(' failed: .*missing closing parenthesis"):
        await use(search, pattern="(")


async def test_binary_files_are_passed_over_and_long_output_is_cut(root: Path, use: Use) -> None:
    (root / "a.bin").write_bytes(b"needle\0needle\n")
    (root / "a.txt").write_text("needle " + "x" * 1000 + "\n" + "needle\n" * 5)
    lines = (await use(search, pattern="needle", limit=3)).split("\n")
    assert len(lines[0]) == 400
    assert lines[1:] == ["a.txt:2:needle", "a.txt:3:needle", "(3 more lines; search for something narrower)"]


async def test_a_match_is_one_line_whatever_characters_are_in_it(root: Path, use: Use) -> None:
    (root / "a.txt").write_bytes("form\x0cfeed\u2028needle\r\n".encode())
    assert (await use(search, pattern="needle")).count("\n") == 0


async def test_a_search_leaves_the_repository_as_it_was(root: Path, use: Use) -> None:
    await use(search, pattern="x")
    await use(list_files)
    assert run_git(root, "status", "--porcelain") == ""


def _many_kinds_of_files(root: Path) -> None:
    files: dict[str, bytes] = {
        ".hidden/.config": b"needle hidden\n",
        ".github/workflows/ci.yml": b"on: needle\n",
        "a.py": b"one\ntwo needle\nthree\n\nfive\nsix Needle\nseven\n",
        "b/crlf.txt": b"x\r\nneedle\r\nneedle end\r\n",
        "b/no end": b"first\nlast needle",
        "b.d/x": b"needle\n",
        "b-d/x": b"needle\n",
        "\u00fcml.txt": "n\u00e4her needle\n.\n\u00fc\n".encode(),
        "-dash.txt": b"needle\n",
        "--help": b"needle\n",
        'quo"te': b"needle\n",
        "co:lon:3:x": b"needle\n",
        "new\nline": b"needle\n",
        " space ": b"needle\n",
        os.fsdecode(b"latin-\xe9"): b"needle caf\xe9\n",
        "early.bin": b"needle\n\0needle\n",
        "late.bin": b"needle\n" + b"x" * 70_000 + b"\n\0needle\n",
        "utf16.txt": "\ufeffneedle\n".encode("utf-16-le"),
        "long.txt": b"needle " + b"x" * 5000 + b"\n",
        "words.txt": b"foo.bar(x) = [1]\nfoo_bar\n\ttab\nfoo  bar\n{brace}\n3 < 4\na|b\n$HOME^\n",
        "ignored.log": b"needle ignored\n",
        "kept.log": b"needle tracked though ignored\n",
        "build/out.txt": b"needle\n",
        "sub/.gitignore": b"secret*\n!secret.keep\n",
        "sub/secret.txt": b"needle\n",
        "sub/secret.keep": b"needle\n",
        ".ignore": b"a.py\n",
        ".gitattributes": b"*.lock -diff\n*.dat diff\n",
        "x.lock": b"needle\n",
        "x.dat": b"\0\nneedle\n",
        "empty": b"",
    }
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    (root / "link.txt").symlink_to("a.py")
    (root.parent / "outside.txt").write_text("needle outside\n")
    (root / "out.txt").symlink_to(root.parent / "outside.txt")
    (root / "folder-link").symlink_to("sub")
    run_git(root, "add", "-A")
    run_git(root, "add", "-f", "kept.log")
    (root / "new.py").write_text("needle new\n")
    (root / "gone.txt").write_text("needle\n")
    run_git(root, "add", "gone.txt")
    (root / "gone.txt").unlink()
    (root / "nested").mkdir()
    run_git(root / "nested", "init", "-q")
    (root / "nested" / "n.txt").write_text("needle nested\n")


QUERIES = [
    Query(pattern="needle", path=""),
    Query(pattern="NEEDLE", path="", ignore_case=True),
    Query(pattern="needle", path="", context_lines=1),
    Query(pattern="e", path="", context_lines=2),
    Query(pattern="needle", path="b"),
    Query(pattern="needle", path="b/"),
    Query(pattern="needle", path="sub"),
    Query(pattern="needle", path="a.py"),
    Query(pattern="needle", path="*.py"),
    Query(pattern="needle", path="link.txt"),
    Query(pattern="needle", path="out.txt"),
    Query(pattern="needle", path="-dash.txt"),
    Query(pattern="needle", path="nowhere"),
    Query(pattern="needle", path="nested"),
    Query(pattern="needle", path="build"),
    Query(pattern="nothing of the kind", path=""),
    Query(pattern="needle$", path=""),
    Query(pattern="^needle", path=""),
    Query(pattern="^$", path=""),
    Query(pattern="^.$", path=""),
    Query(pattern="n.her", path=""),
    Query(pattern=r"\bneedle\b", path=""),
    Query(pattern=r"foo\.bar\(\w+\)\s=\s\[\d\]", path=""),
    Query(pattern=r"foo[._ ]+bar", path=""),
    Query(pattern=r"(?:two|six) (?i:needle)", path=""),
    Query(pattern=r"^\t\S", path=""),
    Query(pattern=r"\{brace\}|a\|b|\$HOME\^", path=""),
    Query(pattern=r"o{2}", path=""),
    Query(pattern=r"[[:upper:]]eedle", path=""),
    Query(pattern=r"fo+?", path=""),
    Query(pattern="--help", path=""),
    Query(pattern="-e", path=""),
]


def _without_ripgrep(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in ("git", "env"):
        (folder / program).symlink_to(str(shutil.which(program)))
    return {"PATH": str(folder)}


@pytest.mark.skipif(shutil.which("rg") is None, reason="ripgrep is not installed")
async def test_ripgrep_and_git_find_the_same_lines_in_the_same_order(root: Path, tmp_path: Path) -> None:
    _many_kinds_of_files(root)
    box, plain = LocalBox(root, {}), LocalBox(root, _without_ripgrep(tmp_path))
    by_rg = 0
    for query in QUERIES:
        arguments = {
            "pattern": query.pattern,
            "path": query.path,
            "context_lines": query.context_lines,
            "ignore_case": query.ignore_case,
        }
        for limit in (5, 1000):
            one = text_of(await search.call({**arguments, "limit": limit}, ToolContext(maybe_box=box)))
            other = text_of(await search.call({**arguments, "limit": limit}, ToolContext(maybe_box=plain)))
            assert one == other, query
        by_rg += await by_ripgrep(box, query) is not None
        assert await by_ripgrep(plain, query) is None
    await box.close()
    await plain.close()
    assert by_rg >= 25


@pytest.mark.skipif(shutil.which("rg") is None, reason="ripgrep is not installed")
async def test_what_is_searched_is_what_is_to_be_searched(root: Path) -> None:
    _many_kinds_of_files(root)
    box = LocalBox(root, {})
    found = await by_ripgrep(box, Query(pattern="needle", path=""))
    await box.close()
    assert isinstance(found, Found)
    paths = {os.fsdecode(line.path) for line in found.lines}
    assert {
        ".hidden/.config",
        "a.py",
        "new.py",
        "late.bin",
        "x.dat",
        "sub/secret.keep",
        "--help",
        "b/crlf.txt",
    } <= paths
    assert not {"ignored.log", "build/out.txt", "sub/secret.txt", "early.bin", "utf16.txt", "x.lock"} & paths
    assert not [path for path in paths if path.startswith((".git/", "nested", "link", "out.txt", "folder-link"))]


@pytest.mark.skipif(shutil.which("rg") is None, reason="ripgrep is not installed")
async def test_what_ripgrep_alone_would_ignore_is_searched(root: Path, use: Use) -> None:
    (root / "a.txt").write_text("needle\n")
    (root / ".rgignore").write_text("a.txt\n")
    assert await use(search, pattern="needle") == "a.txt:1:needle"


@pytest.mark.parametrize("pattern", [r"two (?=needle)", r"(e)\1", r"(?<!x)needle new", r"\Qa|b\E"])
async def test_what_ripgrep_refuses_is_left_to_git(root: Path, use: Use, pattern: str) -> None:
    (root / "a.txt").write_text("two needle\nneedle new\na|b\n")
    assert (await use(search, pattern=pattern, path="")).startswith("a.txt:")


async def test_a_git_without_perl_patterns_says_what_it_took_the_pattern_for(root: Path, tmp_path: Path) -> None:
    path = _without_ripgrep(tmp_path)
    (Path(path["PATH"]) / "git").unlink()
    shim = "for word; do [ \"$word\" = -P ] && { echo 'fatal: cannot use Perl-compatible regexes'; exit 128; }; done"
    (Path(path["PATH"]) / "git").write_text(f'#!/bin/sh\n{shim}\nexec {shutil.which("git")} "$@"\n')
    (Path(path["PATH"]) / "git").chmod(0o755)
    box = LocalBox(root, path)
    said = text_of(await search.call({"pattern": "Read|write"}, ToolContext(maybe_box=box)))
    await box.close()
    assert said == (
        "(The pattern was taken for a POSIX extended regular expression, as this git knows no others.)\n"
        "README.md:1:# Read me"
    )


async def test_more_lines_than_can_be_taken_are_not_counted_as_all(root: Path) -> None:
    with (root / "many.txt").open("w") as file:
        file.writelines(f"{number} {'x' * 1000}\n" for number in range(20_000))
    box = LocalBox(root, {})
    found = await by_git(box, Query(pattern="x", path=""))
    said = text_of(await search.call({"pattern": "x", "limit": 1}, ToolContext(maybe_box=box)))
    await box.close()
    assert not found.complete
    assert [line.number for line in found.lines] == list(range(1, len(found.lines) + 1))
    assert said.endswith("and more lines; search for something narrower)")
