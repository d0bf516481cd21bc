"""From the name of a model to what is known about it.

A table per vendor says the facts. A name that continues a listed one by more than a version gets that
family's facts and a note; a name of no family gets the cautious default (text only, no reasoning
settings, no known limits, no price) and a note as well.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from captain.models import families_claude, families_gpt, families_open
from captain.models.base import Profile

_NAMED: Final = families_gpt.FAMILIES | families_claude.FAMILIES
_ALL: Final = _NAMED | families_open.FAMILIES
_VERSION: Final = re.compile(r"(?:-\d{4}-\d{2}-\d{2}|-\d{8}|-\d{4})?(?:-preview|-latest)?(?:-v\d)?(?:[@:].*)?")
_DASHED: Final = re.compile(r"(?P<family>gpt-\d)-(?P<minor>\d)(?=-|$)")

# Hosts whose prices `genai-prices` lists, by its provider ids.
_PRICED: Final[dict[str, str]] = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "openrouter.ai": "openrouter",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "api.x.ai": "x-ai",
    "api.z.ai": "zai",
    "api.moonshot.ai": "moonshotai",
    "api.cerebras.ai": "cerebras",
    "api.together.xyz": "together",
    "api.fireworks.ai": "fireworks",
    "generativelanguage.googleapis.com": "google",
}


def profile_of(model: str, *, host: str) -> Profile:
    """The profile of a model by the name its server knows it by; a vendor's prefix does not matter."""
    profile = _facts(model)
    provider = _PRICED.get(host)
    return profile if provider is None else replace(profile, pricing=(provider, model))


def _facts(model: str) -> Profile:
    name = _plain(model)
    known = max((listed for listed in _ALL if name.startswith(listed)), key=len, default=None)
    if known is None:
        note = f"Nothing is known about {model}: it is given text only, and its limits and price are not known."
        return Profile(family="unknown", note=note)
    facts = _ALL[known]
    if known not in _NAMED or _VERSION.fullmatch(name.removeprefix(known)):
        return facts
    return replace(
        facts, note=f"{model} is not a model Captain knows: it is treated as one of the {facts.family} family."
    )


def _plain(model: str) -> str:
    """`openai/gpt-5-5` and `anthropic/claude-opus-4.7` as OpenAI and Anthropic write them."""
    name = model.rpartition("/")[2].lower().removeprefix("ft:")
    if name.startswith("claude"):
        return name.replace(".", "-")
    return _DASHED.sub(r"\g<family>.\g<minor>", name, count=1)
