"""A run as JSON for other programs: stable names, a schema version, money as strings."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from captain.core.estimates import Estimate
from captain.core.usage import Spend
from captain.reports.asked import ItemView
from captain.reports.meter import Latency
from captain.reports.parts import Reproduction, RequestView
from captain.reports.tasks import Evidence, RoundView, TaskView
from captain.reports.view import RunView

SCHEMA: Final = 1
"""Raised when a field changes its meaning or goes away; new fields do not raise it."""


def to_json(view: RunView) -> str:
    """ASCII only, so that nothing in it acts on a terminal; ends with a line break."""
    return dumps(to_dict(view), indent=2) + "\n"


def dumps(value: object, *, indent: int | None = None) -> str:
    """JSON in which every character outside printable ASCII is escaped; DEL is the one `json` lets through."""
    return json.dumps(value, indent=indent, default=_plain, ensure_ascii=True).replace("\x7f", "\\u007f")


def to_dict(view: RunView) -> dict[str, Any]:
    """What `to_json` writes, before it is text."""
    return {
        "schema": SCHEMA,
        "run": view.run,
        "request": view.request,
        "repository": view.repository,
        "base": view.base,
        "branch": view.branch,
        "crew": dict(view.crew),
        "sandbox": view.sandbox,
        "unsandboxed": view.unsandboxed,
        "status": view.status,
        "summary": view.ended.summary if view.ended else "",
        "hint": view.ended.hint if view.ended else "",
        "result_branch": view.result.branch if view.result else None,
        "origin": view.opened.origin if view.opened else "",
        "started_at": view.started_at,
        "ended_at": view.ended_at,
        "elapsed_s": view.elapsed_s(),
        "resumed": len(view.resumed),
        "away_s": view.away.total_seconds(),
        "triage": view.triage,
        "reproductions": [_reproduction(bug) for bug in view.reproductions],
        "items": [_item(shown) for shown in view.items],
        "added_requests": [_added(view, asked) for asked in view.added],
        "search": list(view.search.tasks) if view.search else [],
        "investigations": [_without_kind(found) for found in view.investigated.values()],
        "plan": view.plan,
        "estimate": _estimate(view.estimate) if view.estimate else None,
        "other_estimates": {name: _estimate(other) for name, other in view.other_estimates.items()},
        "plan_decisions": [_without_kind(decided) for decided in view.decided],
        "tasks": [_task(view, task) for task in view.tasks.values()],
        "evidence": [_evidence(entry) for entry in view.evidence],
        "result_checks": list(view.result_checks.results) if view.result_checks else [],
        "clashes": [_without_kind(clash) for clash in view.clashes],
        "restacked": [_without_kind(moved) for moved in view.restacked],
        "collisions_foreseen": [_without_kind(found) for found in view.forecasts],
        "follow_ups": view.follow_ups,
        "branches": [_without_kind(branch) for branch in view.branches.values()],
        "kept": [_without_kind(kept) for kept in view.kept],
        "messages": [_without_kind(sent) for sent in view.messages],
        "messages_heard": [_without_kind(heard) for heard in view.heard],
        "questions": [
            {
                "question": asked.question,
                "answer": _without_kind(asked.answer) if asked.answer is not None else None,
            }
            for asked in view.questions.values()
        ],
        "asked_on_the_way": [_without_kind(asked) for asked in view.consulted],
        "advice": [_without_kind(advised) for advised in view.advice],
        "permissions": [_without_kind(decided) for decided in view.permissions],
        "rules_held": [
            {"rule": held.rule, "says": held.says, "times": held.times, "stopped": list(held.stopped)}
            for held in view.rules_held
        ],
        "refusals": [_without_kind(refused) for refused in view.refusals],
        "notices": view.notices,
        "spend": {
            "total": spend_to_dict(view.spend),
            "by_role": {role: spend_to_dict(spend) for role, spend in view.meter.by_role.items()},
            "by_model": {model: spend_to_dict(spend) for model, spend in view.meter.by_model.items()},
        },
        "latencies": [_latency(latency) for latency in view.latencies],
    }


def _task(view: RunView, task: TaskView) -> dict[str, Any]:
    return {
        "id": task.id,
        "title": task.title,
        "state": task.state,
        "reason": task.reason,
        "verdict": task.verdict,
        "verdict_reason": task.loop.reason if task.loop else "",
        "rounds": [_round(shown) for shown in task.rounds.values()],
        "commit": task.loop.commit if task.loop else None,
        "start_weight": task.loop.start_weight if task.loop else None,
        "weight": task.loop.weight if task.loop else None,
        "snapshot": _without_kind(task.snapshot) if task.snapshot else None,
        "put_back": [_without_kind(drift) for drift in task.drift],
        "branch": task.branch.branch if task.branch else None,
        "open_cases": list(task.open_cases),
        "cases": list(task.ledger.cases.values()),
        "elapsed_s": task.elapsed_s(task.settled_at or view.last_at) if view.last_at else 0.0,
    }


def _round(shown: RoundView) -> dict[str, Any]:
    return {
        "number": shown.number,
        "commit": shown.commit,
        "checks": list(shown.checks),
        "rules": _without_kind(shown.rules) if shown.rules else None,
        "reviews": [_without_kind(review) for review in shown.reviews],
        "findings": [_without_kind(event) for event in shown.proposed],
        "fixes": [_without_kind(event) for event in shown.decided],
    }


def _evidence(entry: Evidence) -> dict[str, Any]:
    return {
        "task": entry.task,
        "criterion": entry.criterion,
        "proof": entry.proof,
        "check": entry.check,
        "commit": entry.commit,
        "reviewer": entry.reviewer,
        "citation": entry.citation,
    }


def _item(shown: ItemView) -> dict[str, Any]:
    return {
        "id": shown.item.id,
        "text": shown.item.text,
        "state": shown.state,
        "declined": shown.declined,
        "criteria": [f"{one.task}/{one.criterion.id}" for one in shown.evidence],
    }


def _added(view: RunView, asked: RequestView) -> dict[str, Any]:
    return {
        "number": asked.number,
        "request": asked.text,
        "triage": asked.triage,
        "plan": asked.plan,
        "items": [_item(shown) for shown in view.items_in(asked)],
        "ended": _without_kind(asked.ended) if asked.ended else None,
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {
        "tokens": list(estimate.tokens),
        "cost_usd": list(estimate.cost_usd),
        "unpriced": list(estimate.unpriced),
        "roles": list(estimate.roles),
        "basis": list(estimate.basis),
    }


def _reproduction(bug: Reproduction) -> dict[str, Any]:
    return {
        "diagnosis": bug.diagnosis.id,
        "command": bug.diagnosis.reproduction,
        "state": bug.state,
        "flaky": bug.diagnosis.flaky,
        "before": _without_kind(bug.before) if bug.before else None,
        "after": [{"where": where, "result": result} for where, result in bug.after],
    }


def spend_to_dict(spend: Spend) -> dict[str, Any]:
    return {
        "model_calls": spend.model_calls,
        "unpriced_calls": spend.unpriced_calls,
        "estimated_calls": spend.estimated_calls,
        "turns": spend.turns,
        "cost_usd": spend.cost_usd,
        **dataclasses.asdict(spend.usage),
    }


def _latency(latency: Latency) -> dict[str, Any]:
    return dataclasses.asdict(latency)


def _without_kind(event: Any) -> dict[str, Any]:
    return {name: value for name, value in _fields(event).items() if name != "kind"}


def _fields(value: Any) -> dict[str, Any]:
    """One level only: what is inside is turned by `json` itself, through `_plain`."""
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
