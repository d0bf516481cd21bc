"""The git tool looks and does nothing else, whatever options it is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from captain.core.errors import ToolError
from captain.testing import git as run_git
from captain.tools import git
from tests.tools.conftest import Use


@pytest.mark.parametrize(
    ("arguments", "shows"),
    [
        (["log", "--oneline", "-5"], "Start"),
        (["log", "-p", "--stat", "--text", "-G", "Read", "--", "README.md"], "+# Read me"),
        (["show", "HEAD:README.md"], "# Read me"),
        (["diff"], "+more"),
        (["diff", "HEAD~0..HEAD", "--stat"], "exit code 0"),
        (["diff", "--output-indicator-new=>", "--", "./README.md"], ">more"),
        (["blame", "-L1,1", "README.md"], "# Read me"),
        (["blame", "-CM", "README.md"], "# Read me"),
        (["status", "--short"], " M README.md"),
        (["grep", "-n", "-e", "Of", "--or", "-e", "Read"], "README.md:1:"),
        (["grep", "-eOf", "--or", "-eRead"], "README.md:# Read"),
        (["grep", "-niF", "read"], "README.md:1"),
        (["log", "-S/slash", "--format=%s"], "no output"),
        (["ls-files", "--others"], "no output"),
        (["ls-files", "--others", "--exclude=X*"], "no output"),
        (["ls-files", "-oxX"], "no output"),
        (["log", "--format=%h 100%", "-1"], "exit code 0"),
        (["ls-tree", "HEAD"], "README.md"),
        (["rev-parse", "--abbrev-ref", "HEAD"], "main"),
        (["shortlog", "-s", "HEAD"], "Test"),
        (["cat-file", "-p", "HEAD"], "Start"),
        (["describe", "--always"], "exit code 0"),
        (["log", "no-such-branch"], "exit code 128"),
    ],
)
async def test_looking_is_allowed(root: Path, use: Use, arguments: list[str], shows: str) -> None:
    with (root / "README.md").open("a") as file:
        file.write("more\n")
    assert shows in await use(git, arguments=arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [""],
        ["commit", "-m", "x"],
        ["push"],
        ["config", "--list"],
        ["-c", "alias.log=!touch made", "log"],
        ["-C", "/", "log"],
        ["--exec-path=.", "log"],
        ["--git-dir=/tmp", "log"],
        ["-p", "log"],
        ["log; touch made"],
        ["Log"],
        ["archive", "HEAD"],
        ["difftool"],
        ["stash", "list"],
    ],
)
async def test_a_command_that_is_not_on_the_list_is_refused_with_the_list(
    root: Path, use: Use, arguments: list[str]
) -> None:
    with pytest.raises(ToolError, match=r"Only these git commands .* blame, cat-file"):
        await use(git, arguments=arguments)


PROGRAM = "touch made; true"


@pytest.mark.parametrize(
    "arguments",
    [
        # write a file
        ["log", "--output=made"],
        ["log", "--output", "made"],
        ["diff", "--output=made"],
        ["diff", "--outp=made"],
        ["show", "--output=made", "HEAD"],
        ["shortlog", "--output=made", "HEAD"],
        # start a program
        ["grep", f"--open-files-in-pager={PROGRAM}", "Read"],
        ["grep", f"--open={PROGRAM}", "Read"],
        ["grep", f"--o={PROGRAM}", "Read"],
        ["grep", f"-O{PROGRAM}", "Read"],
        ["grep", f"-nO{PROGRAM}", "Read"],
        ["grep", f"-nilO{PROGRAM}", "Read"],
        ["diff", "--ext-diff"],
        ["log", "-p", "--ext-diff"],
        ["show", "--textconv"],
        ["cat-file", "--textconv", "HEAD:README.md"],
        ["cat-file", "--filters", "HEAD:README.md"],
        ["log", "--show-signature"],
        ["log", "--show-sig"],
        ["log", "--format=%h %G?"],
        ["log", "--pretty=format:%GG"],
        ["log", "--pretty=%+GK"],
        # read outside the repository
        ["diff", "--no-index", "README.md", "{outside}"],
        ["diff", "{outside}", "README.md"],
        ["diff", "--", "README.md", "{outside}"],
        ["diff", "../outside", "README.md"],
        ["diff", "--", "README.md", "./x/../../outside"],
        ["diff", "--", "README.md", "-/../../outside"],
        ["grep", "--no-index", "secret", ".."],
        ["grep", "--no-ind", "secret", ".."],
        ["grep", "-f", "{outside}"],
        ["grep", "-nf{outside}"],
        ["blame", "--contents={outside}", "README.md"],
        ["blame", "--contents", "{outside}", "README.md"],
        ["blame", "--cont", "{outside}", "README.md"],
        ["blame", "--ignore-revs-file={outside}", "README.md"],
        ["blame", "--ignore-revs={outside}", "README.md"],
        ["blame", "-S{outside}", "README.md"],
        ["blame", "-S", "{outside}", "README.md"],
        ["blame", "-wS", "{outside}", "README.md"],
        ["diff", "-O{outside}"],
        ["ls-files", "--exclude-from={outside}", "--others"],
        ["ls-files", "--exclude-fr", "{outside}", "--others", "--ignored"],
        ["ls-files", "-X{outside}", "-oi"],
        ["ls-files", "-oiX", "{outside}"],
    ],
)
async def test_an_option_that_writes_starts_or_reads_elsewhere_is_refused(
    root: Path, use: Use, arguments: list[str]
) -> None:
    (root.parent / "outside").write_text("secret\n")
    before = sorted(path.name for path in root.iterdir())
    with pytest.raises(ToolError, match=r"cannot be used with|outside the repository"):
        await use(
            git, arguments=[argument.replace("{outside}", str(root.parent / "outside")) for argument in arguments]
        )
    assert sorted(path.name for path in root.iterdir()) == before


async def test_a_pager_of_the_user_is_not_started(root: Path, use: Use) -> None:
    run_git(root, "config", "core.pager", "touch made")
    await use(git, arguments=["log"])
    assert not (root / "made").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["diff"],
        ["diff", "HEAD"],
        ["log", "-p", "-1"],
        ["log", "-1"],
        ["show", "HEAD"],
        ["blame", "README.md"],
        ["grep", "Read"],
        ["describe", "--always", "--dirty"],
        ["shortlog", "HEAD"],
    ],
)
async def test_a_program_that_the_repositorys_settings_name_is_not_started(
    root: Path, use: Use, arguments: list[str]
) -> None:
    program = root.parent / "program"
    program.write_text(f"#!/bin/sh\ntouch {root.parent}/made\ncat\n")
    program.chmod(0o755)
    for setting in (
        "core.fsmonitor",
        "core.pager",
        "diff.external",
        "diff.d.textconv",
        "diff.d.command",
        "gpg.program",
    ):
        run_git(root, "config", setting, str(program))
    for setting in ("log.showSignature", "diff.d.binary"):
        run_git(root, "config", setting, "true")
    (root / ".git" / "info" / "attributes").write_text("* diff=d\n")
    with (root / "README.md").open("a") as file:
        file.write("more\n")
    assert "exit code 0" in await use(git, arguments=arguments)
    assert not (root.parent / "made").exists()


async def test_looking_does_not_touch_the_index(root: Path, use: Use) -> None:
    index = root / ".git" / "index"
    (root / "README.md").touch()
    before = index.read_bytes()
    await use(git, arguments=["status"])
    assert index.read_bytes() == before
