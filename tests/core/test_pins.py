"""A server of tools that changed in any way is another one, and what changed can be said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from captain.core.actions import Answer, PermissionRequest, StartServer
from captain.core.pins import PinnedTool, ServerPin, changes, too_long
from captain.guards import GrantBook
from captain.testing import FakeClock

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
LOOK = PinnedTool(name="look", description="Looks.", schema=SCHEMA)
SEND = PinnedTool(name="send", description="Sends.", schema=SCHEMA)
PIN = ServerPin(name="db", argv=("db", "--x"), environment=(("A", "1"), ("B", "2")), program="p", tools=(LOOK, SEND))


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (replace(PIN, name="dB"), "its name changed"),
        (replace(PIN, argv=("db", "--x", "")), "its argv changed"),
        (replace(PIN, environment=(("A", "1"),)), "its environment changed"),
        (replace(PIN, program="q"), "its program changed"),
        (replace(PIN, tools=(LOOK,)), "the tool send is gone"),
        (replace(PIN, tools=(LOOK, SEND, replace(SEND, name="more"))), "the tool more is new"),
        (replace(PIN, tools=(replace(LOOK, description="Looks.\u200b"), SEND)), "the description of look changed"),
        (
            replace(PIN, tools=(replace(LOOK, schema={**SCHEMA, "required": ["a"]}), SEND)),
            "the schema of look changed",
        ),
    ],
)
def test_any_change_is_another_pin_and_asks_anew(now: ServerPin, said: str) -> None:
    def request(pin: ServerPin) -> PermissionRequest:
        action = StartServer(name=pin.name, argv=pin.argv, pin=pin.digest())
        return PermissionRequest(action=action, asked_by="run", why="", policy="p")

    book = GrantBook(FakeClock())
    book.issue(request(PIN), Answer(allow=True, for_run=True))

    assert changes(PIN, now) == (said,)
    assert now.digest() != PIN.digest()
    assert book.redeem(request(now)) is None
    assert book.redeem(request(PIN)) is not None


def test_the_order_of_tools_and_variables_does_not_count() -> None:
    again = replace(PIN, tools=(SEND, LOOK), environment=(("B", "2"), ("A", "1")))

    assert again.digest() == PIN.digest()
    assert changes(PIN, again) == ()


def test_descriptions_that_nobody_would_read_are_named() -> None:
    assert too_long(replace(PIN, tools=(LOOK, replace(SEND, description="x" * 5_000)))) == ("send",)
