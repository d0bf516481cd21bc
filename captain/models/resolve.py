"""From a model's name, as it stands in a crew, to the model.

    openai-chat:MODEL        OpenAI, or the endpoint that OPENAI_BASE_URL names
    openai-chat:MODEL@URL    any server that speaks Chat Completions
    scripted:FILE.json       replies from a script (see `script_file`)
    replay:FOLDER            a recording; FOLDER#MODEL where it holds several models

This is the one place in the library that reads the environment, and only for the official SDK's own
variables. A key from OPENAI_API_KEY goes to the endpoint that the environment itself names and to no URL
in a model's name: names may come from a project's files, and whoever writes those must not be able to
send the user's key somewhere. Gateways that use OPENAI_API_KEY are named by OPENAI_BASE_URL.
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
from captain.models.base import Model
from captain.models.openai_chat import OPENAI_URL, OpenAIChat, check_url
from captain.models.recorded import Replaying, recorded_models
from captain.models.script_file import load_script

_AT_URL: Final = re.compile(r"(?P<model>.+?)@(?P<url>[A-Za-z][A-Za-z0-9+.\-]*://.*)", re.DOTALL)
_FORMS: Final = ("openai-chat:MODEL", "openai-chat:MODEL@URL", "scripted:FILE.json", "replay:FOLDER")
_LATER: Final = frozenset(
    {"openai", "openai-responses", "anthropic", "claude", "google", "gemini", "bedrock", "azure", "mistral", "groq"}
    | {"openrouter", "ollama", "deepseek", "xai"}
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


def _openai_chat(rest: str, options: _Options) -> Model:
    model, url = _split_url(rest)
    home = os.environ.get("OPENAI_BASE_URL", "").strip() or OPENAI_URL
    target = url or home
    key = options.api_key
    if not key and _same_origin(target, home):
        key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key and _same_origin(target, OPENAI_URL):
        raise UsageError(
            f"openai-chat:{rest} needs an API key, and the environment variable OPENAI_API_KEY is not set.",
            hint="Set OPENAI_API_KEY, or name a server without keys, as in openai-chat:MODEL@http://localhost:8000/v1. "
            "To see Captain work without any key, run `captain demo`, or `make demo` in a checkout.",
        )
    return OpenAIChat(
        model,
        id=f"openai-chat:{rest}",
        api_key=key,
        base_url=target,
        timeout_s=options.timeout_s,
        idle_timeout_s=options.idle_timeout_s,
    )


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
    "openai-chat": _openai_chat,
    "scripted": _scripted,
    "replay": _replay,
}


def _split_url(rest: str) -> tuple[str, str | None]:
    found = _AT_URL.fullmatch(rest)
    if found is not None:
        return found["model"], check_url(found["url"])
    if rest.startswith(("http://", "https://", "@")):
        raise UsageError(
            "The name of an openai-chat model begins with the model, not with its URL.",
            hint="Write openai-chat:MODEL@http://localhost:8000/v1.",
        )
    place = rest.rpartition("@")[2]
    if place != rest:
        raise UsageError(
            f"{place!r} after the @ of an openai-chat model is not an http or https URL.",
            hint="Write it in full: openai-chat:MODEL@http://localhost:8000/v1.",
        )
    return rest, None


def _same_origin(one: str, other: str) -> bool:
    return urlsplit(one)[:2] == urlsplit(other)[:2]


def _unknown(name: str, provider: str, rest: str) -> UsageError:
    if provider in _LATER:
        model = rest or "gpt-5.5"
        example = f"openai-chat:{model}" if provider == "openai" else f"openai-chat:{model}@URL"
        return UsageError(
            f"{name!r} cannot be called: this version calls OpenAI-compatible Chat Completions endpoints only.",
            hint=f"Use {example}"
            + (
                "." if provider == "openai" else ", with the URL of a server or gateway that offers the model that way."
            ),
        )
    close = difflib.get_close_matches(provider, [*_PROVIDERS, *_LATER], n=1)
    if close and rest:
        hint = f"Did you mean {close[0]}:{rest}? {_known()}"
    elif not rest:
        hint = f"Did you mean openai-chat:{provider}? {_known()}" if provider else _known()
    else:
        hint = _known()
    return UsageError(f"{name!r} is not the name of a model that can be called.", hint=hint)


def _known() -> str:
    return f"Known are {', '.join(_FORMS[:-1])} and {_FORMS[-1]}."
