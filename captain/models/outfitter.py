"""Makes the models of a crew from their names: each once, ready for the voyage, one gate for each account."""

from __future__ import annotations

from contextlib import AsyncExitStack

from captain.models.base import Model
from captain.models.outfit import outfit
from captain.models.rate_gate import RateGate
from captain.models.resolve import resolve


class Outfitter:
    """Owns what it makes: `aclose` closes all of it."""

    def __init__(self) -> None:
        self._made: dict[str, Model] = {}
        self._gates: dict[tuple[str, str], RateGate] = {}

    def model(self, name: str) -> Model:
        """Raises `UsageError` for a name that cannot be used."""
        if name not in self._made:
            made = resolve(name)
            self._made[name] = outfit(made, gate=self._gates.setdefault(account_of(name), RateGate()))
        return self._made[name]

    async def aclose(self) -> None:
        async with AsyncExitStack() as stack:
            for model in self._made.values():
                stack.push_async_callback(model.aclose)


def account_of(name: str) -> tuple[str, str]:
    """Provider and address: models with the same of both are taken to share their limits."""
    provider, _, rest = name.partition(":")
    return provider.removesuffix("-chat"), rest.partition("@")[2]
