"""Eight agents at once on one budget for ten calls: never more than ten calls' worth is spent."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal

import anyio
import pytest

from captain.agent import Agent
from captain.core.errors import BudgetExceededError
from captain.core.messages import Request
from captain.models import ScriptedReply, call
from captain.runs import Ledger, MemoryStore, RunJournal
from captain.runs.ledger import spent_of
from captain.testing import FakeClock
from tests.agent.tools import act, look, mate
from tests.unhurried import CALLS, PRICE_USD, TEN_CALLS, USED, Unhurried, paid


def assert_within(ledger: Ledger) -> None:
    """What is spent, together with what is reserved, is within every limit."""
    whole, budget = ledger.spend + ledger.reserved, ledger.budget
    assert budget.model_calls is None or whole.model_calls <= budget.model_calls
    assert budget.turns is None or whole.turns <= budget.turns
    assert budget.tokens is None or whole.usage.total_tokens <= budget.tokens
    assert budget.cost_usd is None or whole.cost_usd <= Decimal(budget.cost_usd)


@pytest.mark.parametrize("limit", TEN_CALLS)
@pytest.mark.parametrize("seed", range(5))
async def test_eight_agents_never_spend_more_than_ten_calls(limit: str, seed: int) -> None:
    rng, clock = random.Random(seed), FakeClock()
    ledger = Ledger(TEN_CALLS[limit], clock)
    journal = RunJournal(MemoryStore(), clock)
    refused: list[str] = []

    def turn(request: Request) -> ScriptedReply:
        place = str(len(request.messages))
        return paid(rng.choice([call("look", at=place), call("act", on=place)]))

    async def work(number: int) -> None:
        model = Unhurried(turn, rng, look=lambda: assert_within(ledger))
        one = replace(mate(model, journal=journal, clock=clock), name=f"agent-{number}", ledger=ledger)
        try:
            await Agent(mate=one, instructions="Work.", tools=(look, act)).run("Do it.", path=f"agent-{number}")
        except BudgetExceededError as error:
            refused.append(error.limit)

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(work, number)

    assert refused == [limit] * 8
    spend = ledger.spend
    assert spend.usage.total_tokens <= CALLS * USED.total_tokens
    assert spend.cost_usd <= CALLS * PRICE_USD
    # A call is reserved with more than it comes to in the end, so that the last one or two may not be begun.
    fewest = CALLS if limit in ("model_calls", "turns") else CALLS - 2
    assert fewest <= spend.model_calls <= CALLS
    assert spend == spent_of(recorded.event for recorded in journal.events)
