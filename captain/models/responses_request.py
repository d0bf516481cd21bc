"""A `Request` as the body of a Responses call that leaves nothing behind on the server.

The whole history goes along each time, with what the provider's own items said verbatim and in their
order: ids tie reasoning to the calls and messages that follow it, and one without the other is refused.
As in `chat_request`, what one message becomes depends on that message alone, so that a request extends
the one before it and prompt caches hit; the SDK's own walk over it would cost 61 ms of CPU a turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, assert_never

from captain.core.messages import (
    AssistantMessage,
    JsonObject,
    Media,
    Reasoning,
    Request,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
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
from captain.models.strict_schema import format_of, is_strict

Summary: TypeAlias = Literal["auto", "concise", "detailed"]

_ID_CHARS: Final = 64
_LEAST_OUTPUT_TOKENS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What all requests of one model have in common. `provider` names whose payloads may be sent back.

    `official` is OpenAI's own service, there or on Azure. `server_tools` are tools that run at the
    provider, in its own words; `summary` asks for summaries of the reasoning.
    """

    provider: str
    official: bool = False
    cache_key: bool = False
    server_tools: tuple[JsonObject, ...] = ()
    summary: Summary | None = None


def habits_of(host: str, *, server_tools: tuple[JsonObject, ...] = (), summary: Summary | None = None) -> Habits:
    return Habits(
        provider=f"openai@{host}",
        official=is_openai(host) or is_azure(host),
        cache_key=is_openai(host),
        server_tools=server_tools,
        summary=summary,
    )


def encode(request: Request, *, model: str, name: str, profile: Profile, habits: Habits) -> bytes:
    """`name` is the model's own, for errors. Raises `RequestRejectedError` for what is known not to be taken."""
    check_request(request, name=name, profile=profile, file_types=profile.file_types)
    body: JsonObject = {"model": model, "stream": True, "store": False}
    if request.instructions:
        body["instructions"] = request.instructions
    tools = [*(_tool(tool, profile) for tool in request.tools), *habits.server_tools]
    if tools:
        body["tools"] = tools
    if request.output is not None:
        schema = format_of(request.output, name=name, profile=profile)
        body["text"] = {"format": {"type": "json_schema", **schema}}
    if habits.cache_key:
        body["prompt_cache_key"] = cache_key(request)
    body |= _knobs(request, profile, habits)
    reasons = bool(profile.efforts)
    body["input"] = [item for message in request.messages for item in _items(message, habits, reasons=reasons)]
    return encoded(body)


def _tool(tool: ToolSpec, profile: Profile) -> JsonObject:
    """Strictness is always stated: left out, the server takes it as wanted and rewrites the schema."""
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": profile.schemas == "strict" and is_strict(tool.parameters),
    }


def _knobs(request: Request, profile: Profile, habits: Habits) -> JsonObject:
    """The settings that this model takes; the others are dropped."""
    settings, knobs = request.settings, JsonObject()
    if settings.max_output_tokens is not None:
        knobs["max_output_tokens"] = max(settings.max_output_tokens, _LEAST_OUTPUT_TOKENS)
    if settings.temperature is not None and profile.temperature:
        knobs["temperature"] = settings.temperature
    if profile.efforts:
        wanted = {"effort": effort_of(settings, profile), "summary": habits.summary}
        reasoning = {key: value for key, value in wanted.items() if value is not None}
        if reasoning:
            knobs["reasoning"] = reasoning
        knobs["include"] = ["reasoning.encrypted_content"]  # nothing is stored, so it has to come along
    return knobs


def _items(message: UserMessage | AssistantMessage, habits: Habits, *, reasons: bool) -> list[JsonObject]:
    return _user(message) if isinstance(message, UserMessage) else _assistant(message, habits, reasons=reasons)


def _user(message: UserMessage) -> list[JsonObject]:
    """Tool results first, because they must follow the calls they answer."""
    results: list[JsonObject] = []
    said: list[JsonObject] = []
    for part in message.parts:
        match part:
            case ToolResult():
                call_id = call_id_of(part.call_id, most_chars=_ID_CHARS)
                results.append({"type": "function_call_output", "call_id": call_id, "output": _output(part)})
            case Text() | Media():
                said.append(_shown(part))
            case _:
                assert_never(part)
    if not said:
        return results
    plain = len(said) == 1 and said[0]["type"] == "input_text"
    content: Any = said[0]["text"] if plain else said
    return [*results, {"role": "user", "content": content}]


def _output(result: ToolResult) -> Any:
    """Text, or where there is more than that a list of what was returned."""
    texts = [part.text for part in result.content if isinstance(part, Text)]
    if len(texts) == len(result.content):
        text = "\n".join(texts) or "(no output)"
        return f"Error: {text}" if result.is_error else text
    error = [{"type": "input_text", "text": "Error:"}] if result.is_error else []
    return [*error, *(_shown(part) for part in result.content)]


def _shown(part: Text | Media) -> JsonObject:
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    if part.media_type.startswith("image/"):
        return {"type": "input_image", "image_url": data_url(part), "detail": "auto"}
    return {"type": "input_file", "filename": part.name or "file", "file_data": data_url(part)}


def _assistant(message: AssistantMessage, habits: Habits, *, reasons: bool) -> list[JsonObject]:
    payloads = [payload_of(part.opaque, habits.provider) for part in message.parts]
    if habits.official and any(_is_refused(payload, reasons=reasons) for payload in payloads):
        payloads = [None] * len(payloads)  # what is tied to it by its id would be, too
    items: list[JsonObject] = []
    for part, payload in zip(message.parts, payloads, strict=True):
        match part:
            case Reasoning():
                items += [payload] if payload else []
            case ToolCall():
                call_id = call_id_of(part.id, most_chars=_ID_CHARS)
                call = {"type": "function_call", "call_id": call_id, "name": part.name}
                items.append({**(payload or {}), **call, "arguments": arguments_of(part.arguments)})
            case Text():
                _say(items, part, payload)
            case _:
                assert_never(part)
    return items


def _is_refused(payload: Any, *, reasons: bool) -> bool:
    """Reasoning whose content only the server knew and did not keep; any, by a model that does not reason."""
    thought = bool(payload) and payload["type"] == "reasoning"
    return thought and not (reasons and payload.get("encrypted_content"))


def _say(items: list[JsonObject], part: Text, payload: JsonObject | None) -> None:
    if payload is not None and payload["type"] != "message":
        items.append(payload)
    elif payload is not None:
        pieces = [{**piece, _text_key(piece): part.text} for piece in payload["content"]]
        if items and items[-1].get("id", "") == payload.get("id"):
            items[-1]["content"] += pieces
        else:
            items.append({**payload, "content": pieces})
    elif part.text and items and "type" not in items[-1]:
        items[-1]["content"] += part.text
    elif part.text:
        items.append({"role": "assistant", "content": part.text})


def _text_key(piece: JsonObject) -> str:
    return "refusal" if piece.get("type") == "refusal" else "text"
