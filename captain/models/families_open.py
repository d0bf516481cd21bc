"""What is known about families whose weights are open or that only compatible servers offer.

Their names say size, quantisation and date in any order, so the beginning of a name is all there is.
"""

from __future__ import annotations

from typing import Final

from captain.models.base import Effort, Profile

_EFFORTS: Final[tuple[Effort, ...]] = ("low", "medium", "high")

FAMILIES: Final[dict[str, Profile]] = {
    "gpt-oss": Profile(family="gpt-oss", context_tokens=131_072, edit_dialect="patch", efforts=_EFFORTS),
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
