"""What is known about Anthropic's families, by the names of their models.

Limits are those of the model pages; which thinking a model takes is what the pages on thinking and the
migration guides say, and what the API answers where they are silent.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from captain.models.base import Profile

_MIB: Final = 1024 * 1024

# Thinking is asked for with a budget of tokens, and any effort is one.
_BUDGET: Final = Profile(
    family="claude",
    context_tokens=200_000,
    output_tokens=64_000,
    images=True,
    image_bytes=5 * _MIB,
    file_types=("application/pdf", "text/plain", "text/markdown", "text/csv", "text/html"),
    file_bytes=24 * _MIB,  # what is left of 32 MiB for a request once base64 has made a third more of it
    thinking="budget",
    efforts=("none", "minimal", "low", "medium", "high", "xhigh"),
    schemas="any",
    cache="breakpoints",
)
_OLD: Final = replace(_BUDGET, schemas="none")
_BARE: Final = replace(_OLD, output_tokens=8_192, thinking="none", efforts=())

# Thinking is adaptive, and an effort goes beside it.
_4_6: Final = replace(
    _BUDGET,
    context_tokens=1_000_000,
    output_tokens=128_000,
    thinking="adaptive",
    efforts=("none", "low", "medium", "high"),
)
_4_7: Final = replace(_4_6, temperature=False, efforts=("none", "low", "medium", "high", "xhigh"))
_5: Final = replace(_4_7, thinking_off="disabled")
_ALWAYS: Final = replace(_4_7, efforts=("low", "medium", "high", "xhigh"))
_5_5: Final = replace(_5, binds_thinking=True)
_ALWAYS_BOUND: Final = replace(_ALWAYS, binds_thinking=True)

FAMILIES: Final[dict[str, Profile]] = {
    "claude": replace(_4_7, context_tokens=200_000, output_tokens=64_000),  # one that came since: most likely as these
    "claude-2": replace(_BARE, output_tokens=4_096, images=False, file_types=()),
    "claude-v1": replace(_BARE, output_tokens=4_096, images=False, file_types=()),
    "claude-3-haiku": replace(_BARE, output_tokens=4_096),
    "claude-3-opus": replace(_BARE, output_tokens=4_096),
    "claude-3-sonnet": replace(_BARE, output_tokens=4_096),
    "claude-3-5-haiku": _BARE,
    "claude-3-5-sonnet": _BARE,
    "claude-3-7-sonnet": _OLD,
    "claude-opus-4": replace(_OLD, output_tokens=32_000),
    "claude-opus-4-0": replace(_OLD, output_tokens=32_000),
    "claude-opus-4-1": replace(_BUDGET, output_tokens=32_000),
    "claude-opus-4-5": _BUDGET,
    "claude-opus-4-6": _4_6,
    "claude-opus-4-7": _4_7,
    "claude-opus-4-8": _4_7,
    "claude-opus-5": _5,
    "claude-opus-5-5": _ALWAYS_BOUND,
    "claude-sonnet-4": _OLD,
    "claude-sonnet-4-0": _OLD,
    "claude-sonnet-4-5": _BUDGET,
    "claude-sonnet-4-6": replace(_4_6, output_tokens=64_000),
    "claude-sonnet-5": _5,
    "claude-sonnet-5-5": replace(_5_5, thinking_off="between_tools"),
    "claude-haiku-4-5": _BUDGET,
    "claude-haiku-5-5": _5_5,
    "claude-fable-5": _ALWAYS,
    "claude-fable-5-1": _ALWAYS_BOUND,
    "claude-fable-5-2": _ALWAYS_BOUND,
    "claude-mythos-preview": _ALWAYS,
    "claude-mythos-5": _ALWAYS,
    "claude-mythos-5-1": _ALWAYS_BOUND,
    "claude-mythos-5-2": _ALWAYS_BOUND,
}
