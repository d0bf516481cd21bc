"""The scripted crew: what a Captain, three Builds and a reviewer would say about the sample project.

One Build takes the expedient shortcut first, and one tidies up where nobody asked it to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from captain.api import Crew
from captain.core.events import Role
from captain.core.messages import ToolCall
from captain.demo import texts
from captain.models import ScriptedModel, ScriptedReply, call

REQUEST: Final = (
    "Three things go wrong in quaybook. Moving a booking right next to another one is refused as a conflict. "
    "Splitting an invoice between owners loses a cent. Imported amounts such as 1,250.00 come out as 1.25."
)

_SUITE: Final = {"name": "suite", "command": "python3 -m unittest discover -s tests -t ."}


def demo_crew() -> Crew:
    """A new crew. It takes up a run that another one has begun, too."""
    return Crew(
        captain=ScriptedModel(_captain(), id="scripted-captain", by_turn=True),
        build=ScriptedModel(
            {
                "## What is to be mended": _mend_money(),
                "# Task T1:": _build_bookings(),
                "# Task T2:": _build_money(),
                "# Task T3:": _build_importer(),
            },
            id="scripted-build",
            by_turn=True,
        ),
        review=[ScriptedModel(_reviews(), id="scripted-reviewer", by_turn=True)],
    )


def is_demo(crew: Iterable[tuple[Role, str]]) -> bool:
    """Whether a run was carried by the demo's crew, by the names it has on record."""
    return {name for _, name in crew} == {"scripted-captain", "scripted-build", "scripted-reviewer"}


def _captain() -> list[ScriptedReply]:
    return [
        ScriptedReply(
            text="I look at the three places first.",
            calls=(
                call("read", path="quaybook/bookings.py", offset=55, limit=40),
                call("search", pattern="def (split|allocate|_divide)", path="quaybook", context_lines=12),
                call("read", path="quaybook/importer.py"),
            ),
            expects="Three things go wrong",
        ),
        ScriptedReply(
            text="Each of them can be shown with one line.",
            calls=(call("shell", command=texts.SPLIT_REPRODUCTION), call("shell", command=texts.AMOUNT_REPRODUCTION)),
        ),
        # The first reproduction uses `add`, where the bug is not: the library sees it pass and says so.
        ScriptedReply(calls=(_triage(texts.WRONG_MOVE_REPRODUCTION),), expects="33.33 + 33.33 + 33.33 = 99.99"),
        ScriptedReply(
            text="It passes: adding is fine. The refusal comes from `move`, which has its own comparison.",
            calls=(call("search", pattern="departure <", path="quaybook", context_lines=4),),
            expects="D1: the reproduction passes on the base commit",
        ),
        ScriptedReply(calls=(_triage(texts.MOVE_REPRODUCTION),), expects="before = new.stay.departure"),
        ScriptedReply(calls=(_plan(),), expects="plan the work"),
    ]


def _triage(move_reproduction: str) -> ToolCall:
    return call(
        "submit_triage",
        kind="fix",
        reason="Three separate bugs in three modules; each one is understood and can be reproduced.",
        items=[
            {"id": "R0", "text": "Three things go wrong in quaybook", "context": True},
            {"id": "R1", "text": "Moving a booking right next to another one is refused as a conflict"},
            {"id": "R2", "text": "Splitting an invoice between owners loses a cent"},
            {"id": "R3", "text": "Imported amounts such as 1,250.00 come out as 1.25"},
        ],
        diagnoses=[
            {
                "cause": "BookingBook.move compares dates with <, as if the day of departure were taken.",
                "locations": [{"path": "quaybook/bookings.py", "symbol": "BookingBook.move"}],
                "reproduction": move_reproduction,
            },
            {
                "cause": "Money.allocate rounds every share on its own and nothing hands out what is left over.",
                "locations": [{"path": "quaybook/money.py", "symbol": "Money.allocate"}],
                "reproduction": texts.SPLIT_REPRODUCTION,
            },
            {
                "cause": "parse_amount cuts at the first separator, even where that one groups thousands.",
                "locations": [{"path": "quaybook/importer.py", "symbol": "parse_amount"}],
                "reproduction": texts.AMOUNT_REPRODUCTION,
            },
        ],
    )


def _plan() -> ToolCall:
    return call(
        "submit_plan",
        summary="Three fixes in disjoint modules, each with a regression test.",
        tasks=[
            _task(
                "T1",
                "D1",
                "Let a booking move right next to another one",
                "bookings",
                "use Stay.overlaps, as `add` does",
            ),
            _task(
                "T2", "D2", "Make the shares of an amount add up to it", "money", "hand out what rounding leaves over"
            ),
            _task(
                "T3",
                "D3",
                "Read amounts with grouped thousands",
                "importer",
                "cut at the last separator, if it marks cents",
            ),
        ],
    )


def _task(id_: str, diagnosis: str, title: str, module: str, how: str) -> dict[str, Any]:
    return {
        "id": id_,
        "title": title,
        "kind": "fix",
        "brief": f"Fix the bug in quaybook/{module}.py ({how}) and add a regression test to tests/test_{module}.py.",
        "paths": [f"quaybook/{module}.py", f"tests/test_{module}.py"],
        "criteria": [
            {"text": "All tests of the project pass.", "check": "suite"},
            {"text": "A regression test covers the bug.", "evidence": "the test that fails without the fix"},
        ],
        "checks": [_SUITE],
        "covers": [diagnosis.replace("D", "R")],
        "diagnosis": diagnosis,
    }


def _build_bookings() -> list[ScriptedReply]:
    return [
        ScriptedReply(
            calls=(
                call("edit", path="quaybook/bookings.py", old=texts.MOVE_OLD, new=texts.MOVE_NEW),
                call("edit", path="tests/test_bookings.py", old=texts.MOVE_TEST_AT, new=texts.MOVE_TEST),
                call("shell", command=_SUITE["command"]),
            )
        ),
        ScriptedReply(
            text="`move` now asks Stay.overlaps, as `add` does; a test moves a stay next to another.", expects="OK"
        ),
    ]


def _build_money() -> list[ScriptedReply]:
    """The tempting fix first: the last share takes the difference. It passes the tests of its own module."""
    return [
        ScriptedReply(
            calls=(
                call("edit", path="quaybook/money.py", old=texts.SPLIT_OLD, new=texts.SPLIT_TEMPTING),
                call("edit", path="tests/test_money.py", old=texts.SPLIT_TEST_AT, new=texts.SPLIT_TEST),
                call("shell", command="python3 -m unittest tests.test_money"),
            )
        ),
        ScriptedReply(text="The last share now takes what is left over, so the shares add up.", expects="OK"),
    ]


def _mend_money() -> list[ScriptedReply]:
    return [
        ScriptedReply(
            text="Right: equal owners must pay the same, give or take a cent. I hand the cents out one by one instead.",
            calls=(
                call("edit", path="quaybook/money.py", old=texts.SPLIT_TEMPTING, new=texts.SPLIT_NEW),
                call("shell", command=_SUITE["command"]),
            ),
            expects=("The check 'suite' fails", "differ by more than a cent"),
        ),
        ScriptedReply(
            text="The cents left over go to the shares with the largest fractions; all tests pass.", expects="OK"
        ),
    ]


def _build_importer() -> list[ScriptedReply]:
    """Tidies the report module on the way, which is outside its scope and is put back."""
    return [
        ScriptedReply(
            calls=(
                call("edit", path="quaybook/importer.py", old=texts.AMOUNT_OLD, new=texts.AMOUNT_NEW),
                call("edit", path="tests/test_importer.py", old=texts.AMOUNT_TEST_AT, new=texts.AMOUNT_TEST),
                call("edit", path="quaybook/report.py", old=texts.REPORT_OLD, new=texts.REPORT_NEW),
                call("shell", command=_SUITE["command"]),
            )
        ),
        ScriptedReply(
            calls=(
                call(
                    "follow_up",
                    title="Say in the README which amounts the importer takes",
                    detail="parse_amount now takes grouped thousands in both notations; the README does not say so.",
                    paths=["README.md"],
                ),
            ),
            expects="OK",
        ),
        ScriptedReply(text="Amounts are cut at their last separator now. I also tidied the table code in report.py."),
    ]


def _reviews() -> dict[str, list[ScriptedReply]]:
    shown = "{} fails without the fix and passes with it."
    wrong = {
        "severity": "major",
        "category": "correctness",
        "path": "quaybook/money.py",
        "anchor": "shares[-1] += self - Money.total(shares)",
        "claim": "The last owner takes the whole difference, so equal owners can differ by more than a cent.",
        "evidence": "The suite fails: 4 owners pay [2501, 2501, 2501, 2499]; owner_shares promises a cent at most.",
        "suggested_check": _SUITE["command"],
    }
    first, second, third = "T1.2", "T2.2", "T3.2"
    adds_up = shown.format("test_the_parts_make_up_the_whole")
    tempting = _review("The shares add up, at the cost of the last owner.", second, adds_up, wrong)
    fixed = _review("Largest remainder, and symmetric in sign.", second, adds_up)
    moves = _review("It compares as `add` does now.", first, shown.format("test_moves_next_to_another_booking"))
    reads = _review("Both notations are read.", third, shown.format("test_takes_grouped_thousands"))
    return {
        "# Task T1:": [moves],
        f"+{texts.SPLIT_TEMPTING.splitlines()[1]}": [tempting],
        "# Task T2:": [fixed],
        "# Task T3:": [reads],
    }


def _review(summary: str, criterion: str, shown_by: str, *findings: dict[str, str]) -> ScriptedReply:
    return ScriptedReply(
        calls=(
            call(
                "submit_review",
                summary=summary,
                findings=list(findings),
                evidence=[{"criterion": criterion, "shown_by": shown_by}],
            ),
        )
    )
