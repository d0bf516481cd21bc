"""What the pages show works, and what they point at is there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from captain.core import ids
from captain.testing import git, make_repository
from tests.docs.cli_reference import commands, flags, options
from tests.docs.pages import PAGES, ROOT, anchors, blocks, links, name, program, prose
from tests.docs.stand_in import FILES, crew_server
from tests.root import IS_ROOT

WITH_PYTHON = [page for page in PAGES if any(block.language == "python" for block in blocks(page))]
_ALLOWED = "import sys, tests.conftest, runpy; runpy.run_path(sys.argv[1], run_name='__main__')"
_AS_ROOT_TOO = ("-c", _ALLOWED) if IS_ROOT else ()
"""A reader who is root has to say so; the pages are not about that."""
LANGUAGES = {"python", "sh", "text", "json", "toml"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with crew_server() as url:
        yield url


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_PYTHON, ids=name)
def test_the_python_blocks_of_a_page_run_as_they_stand(page: Path, tmp_path: Path, server: str) -> None:
    """In one go, from a small repository; models reached by name are those of the stand-in."""
    script = tmp_path / page.with_suffix(".py").name
    script.write_text(program(page), "utf-8")
    repo = make_repository(tmp_path / "repository", FILES)
    env = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "OPENAI_BASE_URL": server,
        "OPENAI_API_KEY": "no-key-of-anybody",
        "ANTHROPIC_BASE_URL": server.removesuffix("/v1"),
        "ANTHROPIC_API_KEY": "no-key-of-anybody",
    }

    done = subprocess.run(
        [sys.executable, *_AS_ROOT_TOO, script],
        capture_output=True,
        text=True,
        check=False,
        cwd=repo,
        env=env,
        timeout=120,
    )

    assert done.returncode == 0, f"{name(page)}:\n{done.stderr}"
    assert "failed" not in done.stdout
    assert git(repo, "status", "--short") == ""


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_block_is_of_a_kind_that_nobody_checks(page: Path) -> None:
    assert {block.language for block in blocks(page)} <= LANGUAGES


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        if link.startswith(("https://", "http://")):
            continue
        target, _, anchor = link.partition("#")
        found = (page.parent / target).resolve() if target else page
        if not found.exists() or (anchor and anchor not in anchors(found)):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_that_are_named_exist(page: Path) -> None:
    named = re.findall(r"`((?:captain|tests|examples|docs)/[\w./-]+)`", prose(page))

    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_that_are_shown_can_be_typed(page: Path) -> None:
    known = {
        typed: {flag for _, info, _, _ in options(command) for flag in flags(info)}
        for typed, command in commands().items()
    }
    wrong = []
    for words in _shown(page, "captain"):
        inner, outer = " ".join(words[:3]), " ".join(words[:2])
        typed = next((one for one in (inner, outer, f"{outer} list") if one in known), outer)  # a bare group lists
        if typed not in known or not {word for word in words if word.startswith("--")} <= known[typed]:
            wrong.append(words)

    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_make_targets_that_are_shown_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    shown = {word for words in _shown(page, "make") for word in words[1:]}
    mentioned = {word for words in re.findall(r"`make ([a-z -]+)`", prose(page)) for word in words.split()}

    assert shown | mentioned <= targets


def _shown(page: Path, program_name: str) -> Iterator[list[str]]:
    for block in blocks(page):
        for line in block.text.splitlines() if block.language == "sh" else ():
            words = shlex.split(line, comments=True)
            if words and words[0] == program_name:
                yield words


def test_what_a_run_leaves_is_removed_by_the_command_that_is_shown(tmp_path: Path) -> None:
    repo = make_repository(tmp_path / "repository", FILES)
    head = git(repo, "rev-parse", "HEAD")
    for ref in (
        ids.base_ref("r1"),
        ids.snapshot_ref("r1", "T1", 1),
        ids.drift_ref("r1", "T1", 1),
        ids.rejected_ref("r1", "result"),
        ids.salvaged_ref("r1", "task-T1"),
        f"refs/heads/{ids.task_branch('r1', 'T1')}",
        f"refs/heads/{ids.result_branch('r1')}",
        ids.base_ref("r2"),
    ):
        git(repo, "update-ref", ref, head)
    [command] = [block.text for block in blocks(ROOT / "docs/workspaces.md") if block.language == "sh"]

    subprocess.run(["sh", "-c", command.replace("RUN", "r1")], check=True, cwd=repo)

    assert git(repo, "for-each-ref", "--format=%(refname)").split() == [ids.base_ref("r2"), "refs/heads/main"]
