"""How numbers read in reports and on the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Final, Literal

from captain.core.cases import Case
from captain.core.events import Advised, CaptainAsked, LoopEnded, QuestionAnswered
from captain.core.findings import SEVERITY_WEIGHT, Finding
from captain.core.questions import Question
from captain.core.usage import Spend, Usage
from captain.reports.parts import RequestView

_CENT: Final = Decimal("0.01")
_SMALL: Final = Decimal("0.10")


def count(number: int, noun: str) -> str:
    """`1 task`, `2 tasks`, `2 branches`, `2 fixes`."""
    plural = noun + ("es" if noun.endswith(("ch", "s", "sh", "x")) else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def duration(seconds: float) -> str:
    """`0.4s`, `12.3s`, `1m 12s`, `2h 05m`."""
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    return f"{minutes // 60}h {minutes % 60:02d}m"


def came_to(asked: RequestView) -> str:
    """What became of a request that was added."""
    if asked.ended is not None:
        return verdict(asked.ended.status)
    if asked.plan is not None:
        return count(len(asked.plan.tasks), "task")
    return "being looked into" if asked.triage is not None else "not taken up yet"


def amount(cost_usd: Decimal) -> str:
    """US dollars; amounts below ten cents keep four decimals."""
    places = _CENT if cost_usd >= _SMALL or cost_usd == 0 else Decimal("0.0001")
    return f"${cost_usd.quantize(places):,}"


def cost(spend: Spend) -> str:
    """What the calls cost, and never less than is known: a call without a price is named, not counted as free."""
    if not spend.unpriced_calls:
        return amount(spend.cost_usd)
    if spend.unpriced_calls == spend.model_calls:
        return "unpriced"
    return f"at least {amount(spend.cost_usd)}, {count(spend.unpriced_calls, 'call')} unpriced"


def tokens(usage: Usage) -> str:
    """`18,204 tokens (61 % of input cached)`."""
    total = count(usage.total_tokens, "token")
    return f"{total} ({cached_share(usage)} of input cached)" if usage.cached_tokens else total


def short_tokens(usage: Usage) -> str:
    """`18.2k tokens`, for a header."""
    total = usage.total_tokens
    if total < 1000:
        return count(total, "token")
    return f"{total / 1000:.1f}k tokens" if total < 999_950 else f"{total / 1_000_000:.1f}M tokens"


def about(tokens: int) -> str:
    """`640`, `139k`, `7.2M`: two digits or three say as much as an estimate knows."""
    if tokens < 1_000:
        return str(tokens)
    if tokens < 9_950:
        return f"{tokens / 1_000:.1f}k"
    return f"{tokens / 1_000:.0f}k" if tokens < 999_500 else f"{tokens / 1_000_000:.1f}M"


def restacked(how: Literal["followed", "small task", "by hand"]) -> str:
    """How a task came to stand on something else, to be followed by that."""
    return {
        "followed": "followed",
        "small task": "was made to fit, by a small task, onto",
        "by hand": "was rebased by hand onto",
    }[how]


def between(low: int, high: int) -> str:
    """A range of tokens: `5k to 10k`, or `5k` where both ends read the same."""
    one, other = about(low), about(high)
    return one if one == other else f"{one} to {other}"


def cached_share(usage: Usage) -> str:
    return f"{100 * usage.cached_tokens / usage.input_tokens:.0f} %" if usage.input_tokens else "0 %"


def severities(findings: Iterable[Finding | Case]) -> str:
    """`1 critical, 2 minor`; empty for none."""
    numbers = Counter(finding.severity for finding in findings)
    return ", ".join(f"{numbers[severity]} {severity}" for severity in SEVERITY_WEIGHT if numbers[severity])


def verdict(name: str) -> str:
    """`converged with residuals`."""
    return name.replace("_", " ")


def course(ended: LoopEnded) -> str:
    """`converged after 2 rounds, known weight 9 to 0`; without the weights where nothing was known at either end."""
    weight = f", known weight {ended.start_weight} to {ended.weight}" if ended.start_weight or ended.weight else ""
    return f"{verdict(ended.verdict)} after {count(ended.rounds, 'round')}{weight}"


def exit_code(code: int | None) -> str:
    return "stopped at its time limit" if code is None else f"exit {code}"


def commit(identifier: str) -> str:
    """Enough of a commit id to be unique in practice and short enough to read."""
    return identifier[:12]


def answered(answer: QuestionAnswered) -> str:
    """What was said, and by whom: "accept, by a person: it is fine"."""
    who = {"person": "a person", "host": "the host", "policy": "the policy"}[answer.by]
    said = f"{answer.choice}, by {who}" if answer.choice else f"by {who}"
    return f"{said}: {answer.text}" if answer.text else said


def said_by(asked: CaptainAsked) -> str:
    """What a Build was told, and by whom."""
    who = {"captain": "the Captain", "person": "a person", "host": "the host", "policy": "the policy"}
    if asked.by == "nobody":
        return "nobody could say; the Build decides"
    return f"{who[asked.by]}: {asked.answer}"


def trigger(advised: Advised) -> str:
    """Why there was advice."""
    why = {"stuck": "it went in circles", "failing": "a command failed twice", "asked": "it asked"}
    return why[advised.trigger]


def how_to_answer(run: str, question: Question) -> str:
    """The command that answers a question."""
    choice = "|".join(choice.name for choice in question.choices) or '--text "…"'
    return f"captain answer {run} {question.id} {choice}"
