"""What is known about families of models and the hosts that serve them, as one short table.

A name that is not listed gets the cautious default: text only, no reasoning settings, no known limits,
no price. Limits are those of the providers' model pages; the windows agree with `genai-prices`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from captain.models.base import Effort, Profile

_ALL_EFFORTS: Final[tuple[Effort, ...]] = ("minimal", "low", "medium", "high")
_EFFORTS: Final[tuple[Effort, ...]] = ("low", "medium", "high")

_GPT_5 = Profile(
    family="gpt-5",
    context_tokens=400_000,
    output_tokens=128_000,
    images=True,
    edit_dialect="patch",
    temperature=False,
    efforts=_ALL_EFFORTS,
)
_GPT_5_1 = replace(_GPT_5, efforts=_EFFORTS)
_GPT_5_2 = replace(_GPT_5_1, reasons_with_tools=False)
_GPT_LONG = replace(_GPT_5_2, context_tokens=1_050_000)
_GPT_4_1 = Profile(family="gpt-4.1", context_tokens=1_000_000, output_tokens=32_768, images=True, edit_dialect="patch")
_GPT_4O = Profile(family="gpt-4o", context_tokens=128_000, output_tokens=16_384, images=True)
_O_SERIES = Profile(
    family="o-series",
    context_tokens=200_000,
    output_tokens=100_000,
    images=True,
    edit_dialect="patch",
    temperature=False,
    efforts=_EFFORTS,
)
_CLAUDE = Profile(family="claude", context_tokens=200_000, output_tokens=64_000, images=True)
_CLAUDE_LONG = replace(_CLAUDE, context_tokens=1_000_000)

# The longest prefix that fits decides.
_FAMILIES: Final[dict[str, Profile]] = {
    "gpt-6": replace(_GPT_LONG, family="gpt-6"),
    "gpt-5.6": _GPT_LONG,
    "gpt-5.5": replace(_GPT_LONG, context_tokens=1_000_000),
    "gpt-5.4": _GPT_LONG,
    "gpt-5.4-mini": _GPT_5_2,
    "gpt-5.4-nano": _GPT_5_2,
    "gpt-5.3": _GPT_5_2,
    "gpt-5.2": _GPT_5_2,
    "gpt-5.1": _GPT_5_1,
    "gpt-5": _GPT_5,
    "gpt-4.1": _GPT_4_1,
    "gpt-4o": _GPT_4O,
    "gpt-oss": Profile(family="gpt-oss", context_tokens=131_072, edit_dialect="patch", efforts=_EFFORTS),
    "o1": _O_SERIES,
    "o3": _O_SERIES,
    "o4": _O_SERIES,
    "claude": _CLAUDE,
    "claude-opus-4-6": _CLAUDE_LONG,
    "claude-opus-4-7": _CLAUDE_LONG,
    "claude-opus-4-8": _CLAUDE_LONG,
    "claude-opus-5": _CLAUDE_LONG,
    "claude-sonnet-4-6": _CLAUDE_LONG,
    "claude-sonnet-5": _CLAUDE_LONG,
    "gemini": Profile(family="gemini", context_tokens=1_000_000, images=True, efforts=_EFFORTS),
    "deepseek": Profile(family="deepseek", context_tokens=64_000),
    "deepseek-v3": Profile(family="deepseek", context_tokens=128_000),
    "deepseek-v4": Profile(family="deepseek", context_tokens=1_000_000),
    "kimi": Profile(family="kimi", context_tokens=131_072),
    "kimi-k2.": Profile(family="kimi", context_tokens=262_144),
    "grok-4": Profile(family="grok", context_tokens=256_000, images=True),
    "qwen": Profile(family="qwen"),
    "mistral": Profile(family="mistral"),
    "devstral": Profile(family="mistral"),
    "glm": Profile(family="glm"),
}

# Hosts whose prices `genai-prices` lists, by its provider ids.
_PRICED: Final[dict[str, str]] = {
    "api.openai.com": "openai",
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
    bare = model.rpartition("/")[2].lower()
    fitting = max((prefix for prefix in _FAMILIES if bare.startswith(prefix)), key=len, default=None)
    profile = Profile(family="unknown") if fitting is None else _FAMILIES[fitting]
    provider = _PRICED.get(host)
    return profile if provider is None else replace(profile, pricing=(provider, model))
