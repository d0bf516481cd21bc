"""A `Request` as the body of a Messages call.

The body is encoded here, once, and handed to the SDK as bytes. What one message becomes depends on that
message alone (breakpoints of the cache aside, see `anthropic_cache`), so that prompt caches hit. Of what a
vendor gave to be sent back, Anthropic gets its own, exactly as it came, and nobody else's.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, assert_never

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
    ToolSpec,
    UserMessage,
)
from captain.models.anthropic_cache import mark
from captain.models.anthropic_settings import knobs
from captain.models.base import Profile
from captain.models.request_parts import check_request, encoded, payload_of

FILE_TYPES: Final = ("application/pdf", "text/plain", "text/markdown", "text/csv", "text/html")
_MOST_BYTES: Final = 32 * 1024 * 1024
_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
_NO_ID: Final = re.compile(r"[^a-zA-Z0-9_-]")
_NAME_CHARS: Final = 200
_TITLE_CHARS: Final = 500


def encode(request: Request, *, model: str, name: str, profile: Profile, provider: str) -> bytes:
    """The body of the call. `provider` names whose opaque payloads may be sent back.

    Raises `RequestRejectedError` for what the model, which goes by `name`, is known not to take.
    """
    _check(request, name, profile)
    messages = _messages(request, provider)
    body: JsonObject = {"model": model, "stream": True, "messages": messages}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if _says_something(request.instructions):
        body["system"] = [{"type": "text", "text": request.instructions}]
    body |= knobs(request, profile, messages, name=name)
    mark(body)
    sent = encoded(body)
    if len(sent) > _MOST_BYTES:
        raise RequestRejectedError(
            f"The request has {len(sent)} bytes, and {name} takes at most {_MOST_BYTES}.",
            model=name,
            hint="Send fewer or smaller files.",
        )
    return sent


def _check(request: Request, name: str, profile: Profile) -> None:
    check_request(request, name=name, profile=profile, file_types=FILE_TYPES)
    for tool in request.tools:
        if not _TOOL_NAME.fullmatch(tool.name):
            raise RequestRejectedError(
                f"The tool {tool.name!r} cannot be offered to {name} by that name.",
                model=name,
                hint="Name it with letters, digits, _ and -, 128 characters at most.",
            )


def _tool(tool: ToolSpec) -> JsonObject:
    schema = tool.parameters if tool.parameters.get("type") == "object" else {**tool.parameters, "type": "object"}
    return {"name": tool.name, "description": tool.description, "input_schema": schema}


def _messages(request: Request, provider: str) -> list[JsonObject]:
    """Neighbours of one role become one message, since all results of a turn's calls must stand in one."""
    said: list[JsonObject] = []
    for message in request.messages:
        blocks = _user(message, provider) if isinstance(message, UserMessage) else _assistant(message, provider)
        if not blocks:
            continue
        if said and said[-1]["role"] == message.role:
            blocks = [*said.pop()["content"], *blocks]
        if message.role == "user":
            blocks.sort(key=_is_no_result)  # stable: results come first, where the API wants them
        said.append({"role": message.role, "content": blocks})
    return said


def _is_no_result(block: JsonObject) -> bool:
    return bool(block["type"] != "tool_result")


def _user(message: UserMessage, provider: str) -> list[JsonObject]:
    blocks: list[JsonObject] = []
    for part in message.parts:
        if isinstance(part, ToolResult):
            blocks.append(_result(part, provider))
        else:
            blocks += _shown((part,), provider)
    return blocks


def _shown(parts: Iterable[Text | Media], provider: str) -> Iterator[JsonObject]:
    for part in parts:
        if isinstance(part, Text):
            yield from _text(part, provider)
        else:
            yield _media(part)


def _text(part: Text, provider: str) -> Iterator[JsonObject]:
    own = payload_of(part.opaque, provider) or {}
    if "type" in own:  # a whole block: a server's tool call or result, a reference to an upload
        yield own
    elif _says_something(part.text):  # the API refuses blocks of nothing
        yield {"type": "text", "text": part.text, **own}


def _says_something(text: str) -> bool:
    return bool(text) and not text.isspace()


def _result(result: ToolResult, provider: str) -> JsonObject:
    content = list(_shown(result.content, provider)) or [{"type": "text", "text": "(no output)"}]
    said: JsonObject = {"type": "tool_result", "tool_use_id": _id(result.call_id), "content": content}
    return {**said, "is_error": True} if result.is_error else said


def _media(media: Media) -> JsonObject:
    if media.media_type.startswith("text/"):
        source = {"type": "text", "media_type": "text/plain", "data": media.data.decode("utf-8", "replace")}
    else:
        data = base64.b64encode(media.data).decode("ascii")
        source = {"type": "base64", "media_type": media.media_type, "data": data}
    if media.media_type.startswith("image/"):
        return {"type": "image", "source": source}
    title = {"title": media.name[:_TITLE_CHARS]} if media.name else {}
    return {"type": "document", "source": source, **title}


def _assistant(message: AssistantMessage, provider: str) -> list[JsonObject]:
    blocks: list[JsonObject] = []
    for part in message.parts:
        match part:
            case Text():
                blocks += _text(part, provider)
            case ToolCall():
                blocks.append(_call(part, provider))
            case Reasoning():
                blocks += [own] if (own := payload_of(part.opaque, provider)) else []
            case _:
                assert_never(part)
    return blocks


def _call(call: ToolCall, provider: str) -> JsonObject:
    name = call.name[:_NAME_CHARS] or "unknown"
    said = {"type": "tool_use", "id": _id(call.id), "name": name, "input": _input(call.arguments)}
    return {**said, **(payload_of(call.opaque, provider) or {})}


def _id(given: str) -> str:
    """The id of a call as Anthropic takes it: other servers put dots and colons into theirs."""
    if _ID.fullmatch(given):
        return given
    digest = hashlib.sha256(given.encode("utf-8", "replace")).hexdigest()[:12]
    return f"{_NO_ID.sub('_', given)[:40]}_{digest}"


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


_ARGUMENTS: Final = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)


def _input(arguments: str) -> Any:
    """Arguments as the object the API wants, also where the model wrote something else."""
    try:
        said = _ARGUMENTS.decode(arguments or "{}")
    except (ValueError, RecursionError):
        said = None
    return said if isinstance(said, dict) else {"invalid_json": arguments}
