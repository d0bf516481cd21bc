"""A `Request` as the body of a Chat Completions call.

The body is encoded here, once, and handed to the SDK as bytes: its own walk over the parameters costs
11 ms of CPU a turn on average over 50 turns, this 2.3 ms for the last and longest of them (500 kB). What
one message becomes depends on that message alone, so that a request extends the one before it byte for
byte and prompt caches hit.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final, Literal, assert_never

from captain.core.errors import RequestRejectedError
from captain.core.messages import (
    AssistantMessage,
    JsonObject,
    Media,
    Reasoning,
    Request,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from captain.models.base import Effort, Profile

_SCALE: Final[tuple[Effort, ...]] = ("minimal", "low", "medium", "high")
_AZURE: Final = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What differs between servers. `provider` names whose opaque payloads may be sent back.

    OpenAI wants `max_completion_tokens`, most others know only `max_tokens`; Mistral refuses
    `stream_options` (and sends the usage unasked); `official` is OpenAI's own service, there or on Azure.
    """

    provider: str
    limit_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    usage_option: bool = True
    cache_key: bool = False
    official: bool = False


def dialect_of(host: str) -> Dialect:
    provider = f"openai-chat@{host}"
    if host == "api.openai.com" or host.endswith(".api.openai.com"):
        return Dialect(provider=provider, limit_key="max_completion_tokens", cache_key=True, official=True)
    if host.endswith(_AZURE):
        return Dialect(provider=provider, limit_key="max_completion_tokens", official=True)
    return Dialect(provider=provider, usage_option=not host.endswith(".mistral.ai"))


def encode(request: Request, *, model: str, profile: Profile, dialect: Dialect) -> bytes:
    body: JsonObject = {"model": model, "stream": True, "messages": _messages(request, dialect)}
    if dialect.usage_option:
        body["stream_options"] = {"include_usage": True}
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
            }
            for tool in request.tools
        ]
    if dialect.cache_key:
        body["prompt_cache_key"] = _cache_key(request)
    body |= _knobs(request, profile, dialect)
    # Text that is no Unicode (a stray surrogate from a file name) becomes "?" instead of a failed call.
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def check_media(request: Request, *, name: str, profile: Profile) -> None:
    """Raises `RequestRejectedError` where the request shows something that the model `name` does not take."""
    for message in request.messages:
        for part in message.parts:
            for shown in part.content if isinstance(part, ToolResult) else (part,):
                if isinstance(shown, Media):
                    _check_medium(shown, name, profile)


def _check_medium(media: Media, name: str, profile: Profile) -> None:
    what = media.name or media.media_type
    if not media.media_type.startswith("image/"):
        raise RequestRejectedError(
            f"{what} cannot be sent to {name}: Chat Completions takes images and text.",
            model=name,
            hint="Send the file's text instead.",
        )
    if not profile.images:
        raise RequestRejectedError(
            f"{what} cannot be sent to {name}, which is not known to take images.",
            model=name,
            hint="Use a model that reads images, or pass OpenAIChat a profile with images=True.",
        )


def _knobs(request: Request, profile: Profile, dialect: Dialect) -> JsonObject:
    """The settings that this model takes; the others are dropped."""
    settings, knobs = request.settings, JsonObject()
    if settings.max_output_tokens is not None:
        knobs[dialect.limit_key] = min(settings.max_output_tokens, profile.output_tokens or settings.max_output_tokens)
    if settings.temperature is not None and profile.temperature:
        knobs["temperature"] = settings.temperature
    if dialect.official and request.tools and not profile.reasons_with_tools:
        # "Function tools with reasoning_effort are not supported", and from gpt-5.6 on the default counts too.
        knobs["reasoning_effort"] = "none"
    elif settings.reasoning_effort is not None and profile.efforts:
        wanted = _SCALE.index(settings.reasoning_effort)
        knobs["reasoning_effort"] = min(profile.efforts, key=lambda effort: abs(_SCALE.index(effort) - wanted))
    return knobs


def _cache_key(request: Request) -> str:
    """One key per conversation, so that its turns meet the cache their forerunners filled."""
    first = request.messages[0].parts if request.messages else ()
    opening = "\0".join([request.instructions, *(part.text for part in first if isinstance(part, Text))])
    return hashlib.sha256(opening.encode("utf-8", "replace")).hexdigest()[:32]


def _messages(request: Request, dialect: Dialect) -> list[JsonObject]:
    said: list[JsonObject] = [{"role": "system", "content": request.instructions}] if request.instructions else []
    for message in request.messages:
        if isinstance(message, UserMessage):
            said += _user(message)
        else:
            said.append(_assistant(message, dialect.provider))
    return said


def _user(message: UserMessage) -> list[JsonObject]:
    """Tool results first, each a message of its own, because they must follow the calls they answer."""
    results: list[JsonObject] = []
    said: list[JsonObject] = []
    for part in message.parts:
        match part:
            case ToolResult():
                results.append({"role": "tool", "tool_call_id": part.call_id, "content": _result_text(part)})
                pictures = [_image(shown) for shown in part.content if isinstance(shown, Media)]
                if pictures:  # tool messages carry text only
                    said += [_text(f"Returned by the tool call {part.call_id}:"), *pictures]
            case Text():
                said.append(_text(part.text))
            case Media():
                said.append(_image(part))
            case _:
                assert_never(part)
    if not said:
        return results
    # Small local servers take a plain string and nothing else.
    plain = all(item["type"] == "text" for item in said)
    content: Any = "\n\n".join(item["text"] for item in said) if plain else said
    return [*results, {"role": "user", "content": content}]


def _text(text: str) -> JsonObject:
    return {"type": "text", "text": text}


def _result_text(result: ToolResult) -> str:
    text = "\n".join(part.text for part in result.content if isinstance(part, Text))
    if any(isinstance(part, Media) for part in result.content):
        text = f"{text}\n(A picture follows.)".lstrip()
    text = text or "(no output)"
    return f"Error: {text}" if result.is_error else text


def _image(media: Media) -> JsonObject:
    data = base64.b64encode(media.data).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:{media.media_type};base64,{data}"}}


def _assistant(message: AssistantMessage, provider: str) -> JsonObject:
    text, calls = message.text, message.tool_calls
    said: JsonObject = {"role": "assistant", "content": text if text or not calls else None}
    for part in message.parts:
        if isinstance(part, Reasoning) and part.opaque is not None and part.opaque.provider == provider:
            said |= _reasoning(part, json.loads(part.opaque.data), within_a_turn=bool(calls))
    if calls:
        said["tool_calls"] = [_call(part, provider) for part in calls]
    return said


def _reasoning(part: Reasoning, payload: JsonObject, *, within_a_turn: bool) -> JsonObject:
    """Servers want reasoning back while its tool calls are being answered; some refuse it after that."""
    if "reasoning_details" in payload:
        return {"reasoning_details": payload["reasoning_details"]}
    return {payload["field"]: part.text} if within_a_turn and "field" in payload else {}


def _call(call: ToolCall, provider: str) -> JsonObject:
    said: JsonObject = {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": _arguments(call.arguments)},
    }
    if call.opaque is not None and call.opaque.provider == provider:
        said |= json.loads(call.opaque.data)
    return said


def _arguments(text: str) -> str:
    """Arguments that a server can parse: chat templates fail on a history with any that are not an object."""
    try:
        valid = isinstance(json.loads(text or "{}"), dict)
    except (ValueError, RecursionError):
        valid = False
    return (text or "{}") if valid else json.dumps({"invalid_json": text}, ensure_ascii=False)
