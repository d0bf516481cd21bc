"""What a server of tools is and offers, pinned when it is allowed: whatever changes makes it another one.

Descriptions are part of it, since models act on them; so are the bytes of the program, where they are known.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from captain.core.messages import JsonObject

LONGEST_DESCRIPTION_CHARS = 4_000
"""Of one tool. What is longer is refused: nobody reads it before they say yes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedTool:
    name: str
    description: str
    schema: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPin:
    """`program` is the digest of the file that `argv` starts; `tools` count in any order."""

    name: str
    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    program: str = ""
    tools: tuple[PinnedTool, ...] = ()

    def digest(self) -> str:
        from captain.core import codec

        return codec.digest(
            [
                *(self.name, list(self.argv), sorted(self.environment), self.program),
                sorted([tool.name, tool.description, codec.digest(tool.schema)] for tool in self.tools),
            ]
        )


def changes(pinned: ServerPin, now: ServerPin) -> tuple[str, ...]:
    """What differs, in words for a person; empty where the digests are the same."""
    found = [
        f"its {field.name} changed"
        for field in fields(ServerPin)
        if field.name != "tools" and _in_order(getattr(pinned, field.name)) != _in_order(getattr(now, field.name))
    ]
    before, after = ({tool.name: tool for tool in server.tools} for server in (pinned, now))
    found += [f"the tool {name} is new" for name in sorted(after.keys() - before.keys())]
    found += [f"the tool {name} is gone" for name in sorted(before.keys() - after.keys())]
    for name in sorted(before.keys() & after.keys()):
        if before[name].description != after[name].description:
            found.append(f"the description of {name} changed")
        if before[name].schema != after[name].schema:
            found.append(f"the schema of {name} changed")
    return tuple(found)


def too_long(pin: ServerPin) -> tuple[str, ...]:
    """The tools whose descriptions are longer than anybody would read."""
    return tuple(tool.name for tool in pin.tools if len(tool.description) > LONGEST_DESCRIPTION_CHARS)


def _in_order(value: object) -> object:
    """Variables of an environment are the same in any order; arguments are not."""
    return sorted(value) if isinstance(value, tuple) and value and isinstance(value[0], tuple) else value
