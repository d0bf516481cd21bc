"""From a model's name, as it stands in a crew, to the model.

    openai:MODEL             OpenAI's Responses, or those of the endpoint that OPENAI_BASE_URL names
    openai:MODEL@URL         any server that offers Responses
    openai-chat:MODEL        OpenAI, or the endpoint that OPENAI_BASE_URL names
    openai-chat:MODEL@URL    any server that speaks Chat Completions
    anthropic:MODEL          Anthropic, or the endpoint that ANTHROPIC_BASE_URL names
    anthropic:MODEL@URL      any server that speaks Messages; /v1/messages is put behind its URL
    scripted:FILE.json       replies from a script (see `script_file`)
    replay:FOLDER            a recording; FOLDER#MODEL where it holds several models

Keys and addresses of models are read from the environment here and nowhere else, and only from the official
SDKs' own variables. A key from OPENAI_API_KEY goes to the endpoint that the environment itself names and to no URL
in a model's name: names may come from a project's files, and whoever writes those must not be able to
send the user's key somewhere. Gateways that use OPENAI_API_KEY are named by OPENAI_BASE_URL. The same goes
for ANTHROPIC_API_KEY, the headers in ANTHROPIC_CUSTOM_HEADERS and ANTHROPIC_BASE_URL.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from captain.core.errors import UsageError
from captain.models.address import check_url
from captain.models.anthropic_messages import ANTHROPIC_URL, AnthropicMessages
from captain.models.base import Model
from captain.models.openai_chat import OpenAIChat
from captain.models.openai_hosts import OPENAI_URL
from captain.models.openai_responses import OpenAIResponses
from captain.models.recorded import Replaying, recorded_models
from captain.models.script_file import load_script

_AT_URL: Final = re.compile(r"(?P<model>.+?)@(?P<url>[A-Za-z][A-Za-z0-9+.\-]*://.*)", re.DOTALL)
_FORMS: Final = (
    "openai:MODEL",
    "openai-chat:MODEL",
    "openai-chat:MODEL@URL",
    "anthropic:MODEL",
    "scripted:FILE.json",
    "replay:FOLDER",
)
_LATER: Final = frozenset(
    {"google", "gemini", "bedrock", "azure", "mistral", "groq"} | {"openrouter", "ollama", "deepseek", "xai"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    api_key: str | None
    timeout_s: float
    idle_timeout_s: float


def resolve(
    name: str, /, *, api_key: str | None = None, timeout_s: float = 1800.0, idle_timeout_s: float = 120.0
) -> Model:
    """The model of that name. `api_key` goes to whatever endpoint the name says.

    Raises `UsageError` for a name that is not understood and for a key that is missing.
    """
    provider, colon, rest = name.strip().partition(":")
    make = _PROVIDERS.get(provider)
    if make is None or not colon:
        raise _unknown(name, provider, rest)
    if not rest:
        raise UsageError(f"The model name {name!r} ends after its colon.", hint=_known())
    return make(rest, _Options(api_key=api_key, timeout_s=timeout_s, idle_timeout_s=idle_timeout_s))


def _openai(rest: str, options: _Options) -> Model:
    return _at_openai("openai", OpenAIResponses, rest, options)


def _openai_chat(rest: str, options: _Options) -> Model:
    return _at_openai("openai-chat", OpenAIChat, rest, options)


def _at_openai(
    scheme: str, kind: type[OpenAIChat | OpenAIResponses], rest: str, options: _Options
) -> OpenAIChat | OpenAIResponses:
    model, url = _split_url(scheme, rest)
    home = os.environ.get("OPENAI_BASE_URL", "").strip() or OPENAI_URL
    target = url or home
    at_home = _same_origin(target, home)
    key = options.api_key
    if not key and at_home:
        key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key and _same_origin(target, OPENAI_URL):
        raise UsageError(
            f"{scheme}:{rest} needs an API key, and the environment variable OPENAI_API_KEY is not set.",
            hint=f"Set OPENAI_API_KEY, or name a server without keys, as in {scheme}:MODEL@http://localhost:8000/v1. "
            "To see Captain work without any key, run `captain demo`, or `make demo` in a checkout.",
        )
    return kind(
        model,
        id=f"{scheme}:{rest}",
        api_key=key,
        base_url=target,
        headers=_lines(os.environ.get("OPENAI_CUSTOM_HEADERS", "")) if at_home else None,
        timeout_s=options.timeout_s,
        idle_timeout_s=options.idle_timeout_s,
    )


def _anthropic(rest: str, options: _Options) -> Model:
    model, url = _split_url("anthropic", rest)
    home = os.environ.get("ANTHROPIC_BASE_URL", "").strip() or ANTHROPIC_URL
    target = url or home
    at_home = _same_origin(target, home)
    key = options.api_key
    if not key and at_home:
        key = os.environ.get("ANTHROPIC_API_KEY", "").strip()
    if not key and _same_origin(target, ANTHROPIC_URL):
        raise UsageError(
            f"anthropic:{rest} needs an API key, and the environment variable ANTHROPIC_API_KEY is not set.",
            hint="Set ANTHROPIC_API_KEY, or name a server without keys, as in anthropic:MODEL@http://localhost:8000. "
            "To see Captain work without any key, run `captain demo`, or `make demo` in a checkout.",
        )
    return AnthropicMessages(
        model,
        id=f"anthropic:{rest}",
        api_key=key,
        base_url=target,
        headers=_lines(os.environ.get("ANTHROPIC_CUSTOM_HEADERS", "")) if at_home else None,
        timeout_s=options.timeout_s,
        idle_timeout_s=options.idle_timeout_s,
    )


def _lines(headers: str) -> dict[str, str]:
    """`Name: value`, one to a line."""
    pairs = (line.partition(":") for line in headers.splitlines())
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def _scripted(rest: str, _options: _Options) -> Model:
    return load_script(Path(rest))


def _replay(rest: str, _options: _Options) -> Model:
    folder, _, model = rest.partition("#")
    if not Path(folder).is_dir():
        raise UsageError(f"{folder} is no folder with recordings.", hint="Check the path in replay:FOLDER.")
    models = recorded_models(folder)
    if not models:
        raise UsageError(f"The folder {folder} holds no recordings.", hint="Make some with Recording.")
    if not model and len(models) > 1:
        raise UsageError(
            f"The folder {folder} holds recordings of {len(models)} models.",
            hint="Name one: " + ", ".join(f"replay:{folder}#{known}" for known in models) + ".",
        )
    if model and model not in models:
        raise UsageError(
            f"The folder {folder} holds no recordings of {model!r}.", hint="It has " + ", ".join(models) + "."
        )
    return Replaying(folder, id=model or models[0])


_PROVIDERS: Final[dict[str, Callable[[str, _Options], Model]]] = {
    "openai": _openai,
    "openai-chat": _openai_chat,
    "anthropic": _anthropic,
    "scripted": _scripted,
    "replay": _replay,
}


def _split_url(scheme: str, rest: str) -> tuple[str, str | None]:
    found = _AT_URL.fullmatch(rest)
    if found is not None:
        return found["model"], check_url(found["url"])
    if rest.startswith(("http://", "https://", "@")):
        raise UsageError(
            f"The name of an {scheme} model begins with the model, not with its URL.",
            hint=f"Write {scheme}:MODEL@http://localhost:8000/v1.",
        )
    place = rest.rpartition("@")[2]
    if place != rest:
        raise UsageError(
            f"{place!r} after the @ of an {scheme} model is not an http or https URL.",
            hint=f"Write it in full: {scheme}:MODEL@http://localhost:8000/v1.",
        )
    return rest, None


def _same_origin(one: str, other: str) -> bool:
    return urlsplit(one)[:2] == urlsplit(other)[:2]


def _unknown(name: str, provider: str, rest: str) -> UsageError:
    if provider in _LATER:
        return UsageError(
            f"{name!r} cannot be called: it is not one of the interfaces that this version calls.",
            hint=f"Use openai-chat:{rest or 'MODEL'}@URL, with the URL of a server or gateway that offers the model.",
        )
    close = difflib.get_close_matches(provider, [*_PROVIDERS, *_LATER], n=1)
    if close and rest:
        hint = f"Did you mean {close[0]}:{rest}? {_known()}"
    elif not rest:
        vendor = "anthropic" if provider.startswith("claude") else "openai"
        hint = f"Did you mean {vendor}:{provider}? {_known()}" if provider else _known()
    else:
        hint = _known()
    return UsageError(f"{name!r} is not the name of a model that can be called.", hint=hint)


def _known() -> str:
    return f"Known are {', '.join(_FORMS[:-1])} and {_FORMS[-1]}."
