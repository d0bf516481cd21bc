"""Captain in a peer benchmark of agent frameworks: an agent with one tool, on the public API.

The benchmark calls `build` once and then `session` for every conversation. Clients belong to the process.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from captain import Model

DIST = "captain-agents"
IMPORT = "import captain"
PROVIDERS = ("chat", "responses", "anthropic")

Session = Callable[[str], Awaitable[str]]


def build(provider: str, base_url: str, model: str, tool: Callable[..., Awaitable[str]]) -> Session:
    import captain

    crewmate = captain.Crewmate(model=_model(provider, base_url, model))
    agent = captain.Agent(
        mate=crewmate,
        instructions="You are a careful engineer.",
        tools=(captain.tool()(tool),),
        limits=captain.Limits(turns=1_000),
    )

    async def session(prompt: str) -> str:
        return (await agent.run(prompt)).text

    return session


def build_stream(provider: str, base_url: str, model: str, tool: Callable[..., Awaitable[str]]) -> Session:
    """Streaming is the only path there is."""
    return build(provider, base_url, model, tool)


def _model(provider: str, base_url: str, model: str) -> Model:
    from captain import models

    if provider == "anthropic":
        return models.AnthropicMessages(model, base_url=base_url, api_key="mock")
    if provider == "responses":
        return models.OpenAIResponses(model, base_url=base_url, api_key="mock")
    return models.OpenAIChat(model, base_url=base_url, api_key="mock")
