"""The part of the report about time, tokens, cost and latency."""

from __future__ import annotations

from collections.abc import Iterator

from captain.core.usage import Spend
from captain.reports import words
from captain.reports.marks import plain
from captain.reports.meter import Latency
from captain.reports.view import RunView


def spending(view: RunView) -> Iterator[str]:
    """Totals, then one table by role and model, then one of latencies."""
    if view.started_at is not None:
        yield f"- Started: {view.started_at:%Y-%m-%d %H:%M:%S} UTC, took {words.duration(view.elapsed_s())}"
    if view.resumed:
        times = words.count(len(view.resumed), "time")
        yield f"- Resumed: {times}; {words.duration(view.away.total_seconds())} in which nobody carried it do not count"
    yield f"- Model calls: {view.spend.model_calls:,}{_guessed(view.spend)}"
    if not view.spend.model_calls:
        return
    yield f"- Tokens: {words.tokens(view.spend.usage)}"
    yield f"- Cost: {words.cost(view.spend)}"
    yield ""
    yield "| | calls | input tokens | cached | output tokens | cost |"
    yield "|---|---:|---:|---:|---:|---|"
    for role, spend in view.meter.by_role.items():
        yield _row(f"role {role}", spend)
    for model, spend in view.meter.by_model.items():
        yield _row(f"model {plain(model)}", spend)
    yield ""
    yield "Seconds per call, and to its first event in brackets:"
    yield ""
    yield "| model | role | calls | p50 | p90 | p95 | p99 |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    for latency in view.latencies:
        yield _latency(latency)


def _guessed(spend: Spend) -> str:
    """How many of the calls count with what they were expected to use."""
    if not spend.estimated_calls:
        return ""
    return f" ({spend.estimated_calls:,} of them by estimate: they broke off, or their server does not count)"


def _row(name: str, spend: Spend) -> str:
    usage = spend.usage
    return (
        f"| {name} | {spend.model_calls:,} | {usage.input_tokens:,} | {words.cached_share(usage)} "
        f"| {usage.output_tokens:,} | {words.cost(spend)} |"
    )


def _latency(latency: Latency) -> str:
    whole, first = latency.whole, latency.first_event
    cells = (
        f"{whole.p50_s:.1f} ({first.p50_s:.1f})",
        f"{whole.p90_s:.1f} ({first.p90_s:.1f})",
        f"{whole.p95_s:.1f} ({first.p95_s:.1f})",
        f"{whole.p99_s:.1f} ({first.p99_s:.1f})",
    )
    return f"| {plain(latency.model)} | {latency.role} | {latency.calls:,} | " + " | ".join(cells) + " |"
