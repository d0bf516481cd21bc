"""Pages that repeat what stands in the code say the same."""

from __future__ import annotations

import re
import tomllib
from typing import get_args

import pytest

import captain
from captain.cli.exits import EXIT_CODES
from captain.core import errors
from captain.core.events import RunStatus
from captain.core.findings import Verdict
from captain.core.tasks import TriageKind
from tests.docs.cli_reference import PAGE, renewed
from tests.docs.pages import ROOT, anchors, blocks

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
TERMS = (
    "captain crew run triage diagnosis plan task criterion scope build check review reviewer finding round verdict "
    "escalation drift followup shortcut snapshot workspace box import-gate stack journal step budget ledger dispatcher"
)


def page(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


def test_the_command_line_reference_is_up_to_date() -> None:
    text = PAGE.read_text("utf-8")

    assert text == renewed(text), "write it again with: python -m tests.docs.cli_reference"


@pytest.mark.parametrize("term", TERMS.split())
def test_a_term_is_in_the_glossary(term: str) -> None:
    assert term in anchors(ROOT / "docs/glossary.md")


def test_each_entry_of_the_glossary_is_one_line() -> None:
    entries = page("docs/glossary.md").split("\n### ")[1:]

    assert [entry for entry in entries if len(entry.strip().splitlines()) != 2] == []


def test_the_layers_on_the_page_are_those_that_are_held() -> None:
    held = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    shown = re.findall(r"^\| `(captain\..*?)` \|", page("docs/architecture.md"), flags=re.MULTILINE)

    assert [row.replace("\\|", "|") for row in shown] == held


def test_the_tree_of_errors_on_the_page_is_the_one_in_the_code() -> None:
    [tree] = [block.text for block in blocks(ROOT / "docs/errors.md") if block.language == "text"]
    raised = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}

    assert set(re.findall(r"\w+Error\b", tree)) == raised


def test_every_status_stands_with_its_exit_code() -> None:
    shown = dict(re.findall(r"^\| `(\w+)` \|.*\| (\d+) \|$", page("docs/errors.md"), flags=re.MULTILINE))

    assert {status: int(code) for status, code in shown.items()} == EXIT_CODES
    assert shown.keys() == set(get_args(RunStatus))


def test_every_verdict_and_every_kind_of_triage_is_explained() -> None:
    assert [word for word in get_args(Verdict) if f"`{word}`" not in page("docs/review.md")] == []
    assert [word for word in get_args(TriageKind) if f"| `{word}` |" not in page("docs/triage.md")] == []


def test_the_version_has_an_entry_in_the_changelog() -> None:
    version = PROJECT["project"]["version"]

    assert version == captain.__version__
    assert f"\n## {version}\n" in page("CHANGELOG.md")


def test_the_licence_is_there_in_full() -> None:
    text = page("LICENSE")

    assert "Version 2.0, January 2004" in text
    assert "9. Accepting Warranty or Additional Liability." in text
    assert "END OF TERMS AND CONDITIONS" in text
