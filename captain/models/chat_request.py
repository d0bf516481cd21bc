"""A `Request` as the body of a Chat Completions call.

The body is encoded here, once, and handed to the SDK as bytes: its own walk over the parameters costs
11 ms of CPU a turn on average over 50 turns, this 2.3 ms for the last and longest of them (500 kB). What
one message becomes depends on that message alone, so that a request extends the one before it byte for
byte and prompt caches hit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal, assert_never

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
from captain.models.base import Profile
from captain.models.openai_hosts import is_azure, is_openai
from captain.models.request_parts import (
    arguments_of,
    cache_key,
    call_id_of,
    check_request,
    data_url,
    effort_of,
    encoded,
    payload_of,
)
from captain.models.strict_schema import format_of

_PDF: Final = ("application/pdf",)
_JSON_ONLY: Final = ("api.deepseek.com", "api.z.ai")  # JSON on request, but of no schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What differs between servers. `provider` names whose opaque payloads may be sent back.

    OpenAI wants `max_completion_tokens`, most others know only `max_tokens`; Mistral refuses
    `stream_options` (and sends the usage unasked); `official` is OpenAI's own service, there or on Azure.
    `files` are the media types that can be sent besides images, `id_chars` the longest id of a call.
    """

    provider: str
    limit_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    usage_option: bool = True
    cache_key: bool = False
    official: bool = False
    schemas: bool = True
    files: tuple[str, ...] = ()
    id_chars: int = 512


def dialect_of(host: str) -> Dialect:
    provider = f"openai-chat@{host}"
    if is_openai(host) or is_azure(host):
        return Dialect(
            provider=provider,
            limit_key="max_completion_tokens",
            cache_key=is_openai(host),
            official=True,
            files=_PDF,
            id_chars=40,
        )
    return Dialect(
        provider=provider,
        usage_option=not host.endswith(".mistral.ai"),
        schemas=host not in _JSON_ONLY,
        files=_PDF if host == "openrouter.ai" else (),
    )


def encode(request: Request, *, model: str, name: str, profile: Profile, dialect: Dialect) -> bytes:
    """`name` is the model's own, for errors. Raises `RequestRejectedError` for what is known not to be taken."""
    check_request(request, name=name, profile=profile, file_types=dialect.files)
    role = profile.system_role if dialect.official else "system"
    body: JsonObject = {"model": model, "stream": True, "messages": _messages(request, dialect, role)}
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
    if request.output is not None:
        promised = profile if dialect.schemas else replace(profile, schemas="none")
        schema = format_of(request.output, name=name, profile=promised)
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if dialect.cache_key:
        body["prompt_cache_key"] = cache_key(request)
    return encoded(body | _knobs(request, profile, dialect))


def _knobs(request: Request, profile: Profile, dialect: Dialect) -> JsonObject:
    """The settings that this model takes; the others are dropped."""
    settings, knobs = request.settings, JsonObject()
    if settings.max_output_tokens is not None:
        knobs[dialect.limit_key] = settings.max_output_tokens
    if settings.temperature is not None and profile.temperature:
        knobs["temperature"] = settings.temperature
    if dialect.official and request.tools and not profile.reasons_with_tools:
        # "Function tools with reasoning_effort are not supported", and from gpt-5.6 on the default counts too.
        knobs["reasoning_effort"] = "none"
    elif effort := effort_of(settings, profile):
        knobs["reasoning_effort"] = effort
    return knobs


def _messages(request: Request, dialect: Dialect, role: str) -> list[JsonObject]:
    said: list[JsonObject] = [{"role": role, "content": request.instructions}] if request.instructions else []
    for message in request.messages:
        said += _user(message, dialect) if isinstance(message, UserMessage) else _assistant(message, dialect)
    return said


def _user(message: UserMessage, dialect: Dialect) -> list[JsonObject]:
    """Tool results first, each a message of its own, because they must follow the calls they answer."""
    results: list[JsonObject] = []
    said: list[JsonObject] = []
    for part in message.parts:
        match part:
            case ToolResult():
                call_id = call_id_of(part.call_id, most_chars=dialect.id_chars)
                results.append({"role": "tool", "tool_call_id": call_id, "content": _result_text(part)})
                shown = [_medium(media) for media in part.content if isinstance(media, Media)]
                if shown:  # tool messages carry text only
                    said += [_text(f"Returned by the tool call {call_id}:"), *shown]
            case Text():
                said.append(_text(part.text))
            case Media():
                said.append(_medium(part))
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
    media = next((part for part in result.content if isinstance(part, Media)), None)
    if media is not None:
        text = f"{text}\n(A {'picture' if media.media_type.startswith('image/') else 'file'} follows.)".lstrip()
    text = text or "(no output)"
    return f"Error: {text}" if result.is_error else text


def _medium(media: Media) -> JsonObject:
    if media.media_type.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": data_url(media)}}
    return {"type": "file", "file": {"filename": media.name or "file", "file_data": data_url(media)}}


def _assistant(message: AssistantMessage, dialect: Dialect) -> list[JsonObject]:
    """One message; none where all there was is another provider's."""
    text, calls = message.text, message.tool_calls
    said: JsonObject = {"role": "assistant", "content": text if text or not calls else None}
    for part in message.parts:
        if isinstance(part, Reasoning) and (payload := payload_of(part.opaque, dialect.provider)):
            said |= _reasoning(part, payload, within_a_turn=bool(calls))
    if calls:
        said["tool_calls"] = [_call(part, dialect) for part in calls]
    return [said] if text or len(said) > 2 else []


def _reasoning(part: Reasoning, payload: JsonObject, *, within_a_turn: bool) -> JsonObject:
    """Servers want reasoning back while its tool calls are being answered; some refuse it after that."""
    if "reasoning_details" in payload:
        return {"reasoning_details": payload["reasoning_details"]}
    return {payload["field"]: part.text} if within_a_turn and "field" in payload else {}


def _call(call: ToolCall, dialect: Dialect) -> JsonObject:
    return {
        "id": call_id_of(call.id, most_chars=dialect.id_chars),
        "type": "function",
        "function": {"name": call.name, "arguments": arguments_of(call.arguments)},
        **(payload_of(call.opaque, dialect.provider) or {}),
    }
