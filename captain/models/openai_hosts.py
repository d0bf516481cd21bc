"""OpenAI's own service, there or on Azure, told from servers that are compatible with it."""

from __future__ import annotations

from typing import Final

OPENAI_URL: Final = "https://api.openai.com/v1"
_AZURE: Final = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")


def is_openai(host: str) -> bool:
    return host == "api.openai.com" or host.endswith(".api.openai.com")


def is_azure(host: str) -> bool:
    return host.endswith(_AZURE)
