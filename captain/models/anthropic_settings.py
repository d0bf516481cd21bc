"""The settings of a Messages call: how long, how deep, how random, in which form.

Thinking was a budget of tokens once and adapts itself now; which of the two a model takes, and how it is
switched off, stands in its profile. Knobs that a model does not take are left out. Thoughts of newer models
are bound to all that stood before them: after a compaction the API is asked to drop what no longer fits,
since it would refuse the call otherwise.
"""

from __future__ import annotations

from typing import Final

from captain.core.errors import RequestRejectedError
from captain.core.messages import JsonObject, OutputSchema, Request
from captain.models.anthropic_schema import fit
from captain.models.base import Effort, Profile
from captain.models.request_parts import effort_of

UNKNOWN_OUTPUT_TOKENS: Final = 8_192  # every model takes so many, and the API insists on a number
BINDING_BETA: Final = "thinking-binding-controls-2026-08-01"
_LEAST_BUDGET: Final = 1_024
_BUDGETS: Final[dict[Effort, int]] = {
    "minimal": _LEAST_BUDGET,
    "low": 4_096,
    "medium": 10_000,
    "high": 20_000,
    "xhigh": 32_000,
}
_THOUGHTS: Final = frozenset({"thinking", "redacted_thinking"})


def knobs(request: Request, profile: Profile, messages: list[JsonObject], *, name: str) -> JsonObject:
    """Raises `RequestRejectedError` for a form of the answer that the model, which goes by `name`, cannot promise."""
    settings = request.settings
    limit = settings.max_output_tokens or profile.output_tokens or UNKNOWN_OUTPUT_TOKENS
    said: JsonObject = {"max_tokens": limit}
    config: JsonObject = {}
    effort = effort_of(settings, profile)
    if profile.thinking == "budget":
        budget = min(_BUDGETS.get(effort or "none", 0), limit * 3 // 4)
        if budget >= _LEAST_BUDGET and not _lacks_a_thought(messages):
            said["thinking"] = {"type": "enabled", "budget_tokens": budget}
    elif profile.thinking == "adaptive":
        said |= _adaptive(effort, profile)
        if effort not in (None, "none"):
            config["effort"] = effort
    if settings.temperature is not None and profile.temperature and "thinking" not in said:
        said["temperature"] = min(1.0, max(0.0, settings.temperature))
    if request.output is not None:
        config["format"] = _format(request.output, profile, name)
    return {**said, "output_config": config} if config else said


def _format(output: OutputSchema, profile: Profile, name: str) -> JsonObject:
    if profile.schemas == "none":
        raise RequestRejectedError(
            f"{name} cannot promise an answer of the form {output.name!r}.",
            model=name,
            hint="Use a model with structured output, or a tool that takes the answer as its arguments.",
        )
    try:
        return {"type": "json_schema", "schema": fit(output.schema)}
    except ValueError as why:
        raise RequestRejectedError(
            f"{name} cannot promise an answer of the form {output.name!r}: {why}.",
            model=name,
            hint="Give every part of the schema a type, and every object its properties.",
        ) from None


def betas(profile: Profile) -> dict[str, str]:
    """Headers for what is not in the API for everyone yet."""
    return {"anthropic-beta": BINDING_BETA} if profile.binds_thinking else {}


def _adaptive(effort: Effort | None, profile: Profile) -> JsonObject:
    if effort == "none":
        return {} if profile.thinking_off == "unsaid" else {"thinking": {"type": profile.thinking_off}}
    if effort is None and not profile.binds_thinking:
        return {}
    thinking: JsonObject = {"type": "adaptive", "display": "summarized"}
    if profile.binds_thinking:
        thinking["block_binding"] = {"prefix_mismatch_behavior": "drop_block"}
    return {"thinking": thinking}


def _lacks_a_thought(messages: list[JsonObject]) -> bool:
    """The turn at work began without thinking, under another model: it has to end without, too."""
    began: JsonObject | None = None
    for message in reversed(messages):
        if message["role"] == "assistant":
            began = message
        elif all(block["type"] != "tool_result" for block in message["content"]):
            break
    return began is not None and began["content"][0]["type"] not in _THOUGHTS
