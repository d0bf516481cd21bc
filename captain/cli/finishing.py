"""The end of a command that carries a run: its last words, and its exit code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from captain.cli.exits import CANCELLED, EXIT_CODES

if TYPE_CHECKING:
    from captain.api import Outcome
    from captain.cli.screens import Screen


def finished(carry: Callable[[], Awaitable[Outcome | None]], screen: Screen) -> int:
    """Carries a run in an event loop of its own and has the last words said."""
    import anyio

    outcome = anyio.run(carry)
    if outcome is None:
        return CANCELLED
    screen.finish(outcome)
    return EXIT_CODES[outcome.status]
