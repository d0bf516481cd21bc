"""What is known about OpenAI's families, by the names of their models.

Efforts, output limits and accepted files are those of OpenAI's model pages; context windows agree with
`genai-prices`, which a test holds. Pro models think whether asked to or not, chat models hardly can.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from captain.models.base import Effort, Profile

_MODEST: Final[tuple[Effort, ...]] = ("low", "medium", "high")
_FULL: Final[tuple[Effort, ...]] = ("none", "low", "medium", "high", "xhigh")
_MUCH: Final[tuple[Effort, ...]] = ("medium", "high", "xhigh")

_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_FILES: Final = (
    "application/pdf",
    "text/plain",
    "text/markdown",
    "text/csv",
    "text/html",
    "application/json",
    f"{_OFFICE}.wordprocessingml.document",
    f"{_OFFICE}.presentationml.presentation",
    f"{_OFFICE}.spreadsheetml.sheet",
)

_BASE: Final = Profile(
    family="gpt",
    images=True,
    image_bytes=15_700_000,  # as a data URL, 20 MiB
    file_types=_FILES,
    file_bytes=50_000_000,
    edit_dialect="patch",
    schemas="strict",
)
_OLD: Final = replace(_BASE, family="gpt-4", images=False, file_types=(), edit_dialect="replace", schemas="none")
_GPT_4O: Final = replace(_BASE, family="gpt-4o", context_tokens=128_000, output_tokens=16_384, edit_dialect="replace")
_GPT_4_1: Final = replace(_BASE, family="gpt-4.1", context_tokens=1_000_000, output_tokens=32_768)
_GPT_5: Final = replace(
    _BASE,
    family="gpt-5",
    context_tokens=400_000,
    output_tokens=128_000,
    temperature=False,
    efforts=("minimal", "low", "medium", "high"),
    system_role="developer",
)
_CODEX: Final = replace(_GPT_5, efforts=_MODEST)
_GPT_5_1: Final = replace(_GPT_5, efforts=("none", "low", "medium", "high"))
_GPT_5_2: Final = replace(_GPT_5, efforts=_FULL, reasons_with_tools=False)
_CODEX_5_2: Final = replace(_GPT_5_2, efforts=("low", "medium", "high", "xhigh"))
_PRO_5_2: Final = replace(_GPT_5_2, efforts=_MUCH)
_GPT_5_4: Final = replace(_GPT_5_2, context_tokens=1_050_000)
_GPT_5_5: Final = replace(_GPT_5_2, context_tokens=1_000_000)
_GPT_6: Final = replace(_GPT_5_4, family="gpt-6")
_CHAT: Final = replace(_GPT_5, output_tokens=16_384, efforts=("medium",))
_O: Final = replace(_GPT_5, family="o-series", context_tokens=200_000, output_tokens=100_000, efforts=_MODEST)

FAMILIES: Final[dict[str, Profile]] = {
    "gpt": replace(_GPT_5_2, family="gpt"),  # whatever comes next
    "gpt-6": _GPT_6,
    "gpt-6-astra": _GPT_6,
    "gpt-6-luna": _GPT_6,
    "gpt-6-sol": _GPT_6,
    "gpt-6.1": _GPT_6,
    "gpt-6.1-sol": _GPT_6,
    "gpt-6.1-terra": _GPT_6,
    "gpt-5.6": _GPT_5_4,
    "gpt-5.6-luna": _GPT_5_4,
    "gpt-5.6-sol": _GPT_5_4,
    "gpt-5.6-terra": _GPT_5_4,
    "gpt-5.5": _GPT_5_5,
    "gpt-5.5-chat": replace(_GPT_5_5, output_tokens=16_384, efforts=("medium",)),
    "gpt-5.5-codex": _GPT_5_5,
    "gpt-5.5-pro": replace(_GPT_5_5, efforts=_MUCH),
    "gpt-5.4": _GPT_5_4,
    "gpt-5.4-pro": replace(_GPT_5_4, efforts=_MUCH),
    "gpt-5.4-mini": _GPT_5_2,
    "gpt-5.4-nano": _GPT_5_2,
    "gpt-5.3": replace(_CHAT, context_tokens=128_000),
    "gpt-5.3-chat": replace(_CHAT, context_tokens=128_000),
    "gpt-5.3-codex": _CODEX_5_2,
    "gpt-5.2": _GPT_5_2,
    "gpt-5.2-chat": _CHAT,
    "gpt-5.2-codex": _CODEX_5_2,
    "gpt-5.2-pro": _PRO_5_2,
    "gpt-5.1": _GPT_5_1,
    "gpt-5.1-chat": _CHAT,
    "gpt-5.1-codex": _CODEX,
    "gpt-5.1-codex-max": replace(_CODEX, efforts=("low", "medium", "high", "xhigh")),
    "gpt-5.1-codex-mini": _CODEX,
    "gpt-5.1-mini": _CODEX,
    "gpt-5": _GPT_5,
    "gpt-5-chat": replace(_CHAT, temperature=True, efforts=()),
    "gpt-5-codex": _CODEX,
    "gpt-5-mini": _GPT_5,
    "gpt-5-nano": _GPT_5,
    "gpt-5-pro": replace(_GPT_5, output_tokens=272_000, efforts=("high",)),
    "gpt-4.1": _GPT_4_1,
    "gpt-4.1-mini": _GPT_4_1,
    "gpt-4.1-nano": _GPT_4_1,
    "gpt-4o": _GPT_4O,
    "gpt-4o-mini": _GPT_4O,
    "gpt-4o-search-preview": _GPT_4O,
    "gpt-4o-mini-search-preview": _GPT_4O,
    "chatgpt-4o": replace(_GPT_4O, schemas="none"),
    "gpt-4-turbo": replace(_OLD, context_tokens=128_000, output_tokens=4_096, images=True),
    "gpt-4-0125": replace(_OLD, context_tokens=128_000, output_tokens=4_096),
    "gpt-4-1106": replace(_OLD, context_tokens=128_000, output_tokens=4_096),
    "gpt-4": replace(_OLD, context_tokens=8_192, output_tokens=8_192),
    "gpt-4-32k": replace(_OLD, context_tokens=32_000, output_tokens=8_192),
    "gpt-3.5": replace(_OLD, family="gpt-3.5", context_tokens=16_385, output_tokens=4_096),
    "gpt-3.5-turbo": replace(_OLD, family="gpt-3.5", context_tokens=16_385, output_tokens=4_096),
    "gpt-35-turbo": replace(_OLD, family="gpt-3.5", context_tokens=16_385, output_tokens=4_096),
    "codex-mini": _O,
    "o1": _O,
    "o1-mini": replace(_O, context_tokens=128_000, output_tokens=65_536, images=False, efforts=(), schemas="none"),
    "o1-preview": replace(_O, context_tokens=128_000, output_tokens=32_768, images=False, efforts=(), schemas="none"),
    "o1-pro": _O,
    "o3": _O,
    "o3-mini": replace(_O, images=False),
    "o3-pro": _O,
    "o3-deep-research": replace(_O, efforts=("medium",)),
    "o4-mini": _O,
    "o4-mini-deep-research": replace(_O, efforts=("medium",)),
}
