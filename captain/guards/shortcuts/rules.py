"""The rules: what each is about, why it matters, what would justify a hit, and whether a hit blocks.

Only the narrow group blocks. The others are too common in honest work to do more than ask: on accepted
commits of public projects suppression comments alone turn up in every tenth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from captain.guards.shortcuts.values import Shortcut, Side, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    id: str
    title: str
    why: str
    justified_by: str
    blocks: bool = False


_ALL: Final = (
    Rule(
        id="test-deleted",
        title="test deleted",
        why="A test that is gone, or is no longer collected, cannot fail.",
        justified_by="The code under test is gone too, or another test of this change checks the same.",
        blocks=True,
    ),
    Rule(
        id="assertion-removed",
        title="assertion or test case removed",
        why="The test still runs, but no longer checks this.",
        justified_by="The behaviour was asked to go, or the same is checked elsewhere in this change.",
        blocks=True,
    ),
    Rule(
        id="assertion-weakened",
        title="assertion weakened",
        why="Wrong results that the old assertion refused pass the new one.",
        justified_by="The task asks for the looser behaviour, or the exact value is checked elsewhere in this change.",
        blocks=True,
    ),
    Rule(
        id="assertion-neutered",
        title="assertion that cannot fail",
        why="It passes whatever the code does.",
        justified_by="Nothing; write an assertion that fails without the change.",
        blocks=True,
    ),
    Rule(
        id="skip-added",
        title="test skipped or expected to fail",
        why="A test that is skipped, or may fail, proves nothing.",
        justified_by="The test cannot run on a named platform, version or without a named dependency.",
        blocks=True,
    ),
    Rule(
        id="environment-sniffed",
        title="code that looks for the test run",
        why="Code that behaves differently under test makes every result of the tests worthless.",
        justified_by="The task asks for behaviour that depends on where the code runs.",
        blocks=True,
    ),
    Rule(
        id="expected-changed",
        title="expected value changed",
        why="The test now agrees with what the code gives, whether or not that is right.",
        justified_by="The criterion that demands the new value.",
    ),
    Rule(
        id="exception-swallowed",
        title="broad exception swallowed",
        why="Errors that were seen before now pass in silence.",
        justified_by="The boundary at which every error is to end, and where it is reported instead.",
    ),
    Rule(
        id="check-suppressed",
        title="check suppressed by a comment",
        why="A warning is hidden rather than mended.",
        justified_by="Why the checker is wrong here.",
    ),
    Rule(
        id="result-hard-coded",
        title="result hard-coded",
        why="A constant answers where something was to be worked out; inputs without a test get wrong results.",
        justified_by="The specification that fixes this value.",
    ),
    Rule(
        id="stub-left",
        title="stub instead of code",
        why="Nothing is done where something was.",
        justified_by="That nobody calls it, or that the task asks for it to do nothing.",
    ),
    Rule(
        id="failure-retried",
        title="sleep or retry around a failure",
        why="Waiting and trying again hides a race instead of removing it.",
        justified_by="The outside event that is waited for, and why there is nothing to wait on.",
    ),
    Rule(
        id="configuration-loosened",
        title="configuration of checks loosened",
        why="Less is checked than before.",
        justified_by="Why the check does not apply, and what stands in its place.",
    ),
    Rule(
        id="snapshot-rewritten",
        title="recorded expectation rewritten",
        why="A recording made anew agrees with whatever the code does now.",
        justified_by="The criterion that demands the new output.",
    ),
)

RULES: Final = {rule.id: rule for rule in _ALL}


def hit(
    rule: str,
    path: str,
    line: int,
    quote: str,
    *,
    side: Side = "new",
    symbol: str = "",
    detail: str = "",
    asks_only: bool = False,
) -> Shortcut:
    """A shortcut by `rule`; `detail` says what this one is about and comes before the rule's own reason."""
    stated = RULES[rule]
    return Shortcut(
        rule=rule,
        title=stated.title,
        path=path,
        line=line,
        side=side,
        symbol=symbol,
        quote=quoted(quote),
        why=f"{detail} {stated.why}".strip(),
        justified_by=stated.justified_by,
        blocks=stated.blocks and not asks_only,
    )
