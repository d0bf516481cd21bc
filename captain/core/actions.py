"""What an agent may want to do beyond its box, and what is asked, answered and granted about it.

An action is typed fields, never a line of text to be taken apart: rules on the text of commands let 38 of 52
known ways around them through, a closed list of crossings none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import singledispatch
from typing import Literal, TypeAlias

Effect: TypeAlias = Literal["allow", "ask", "deny"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFile:
    """A file that a command names: `path` as it is named, `target` where that leads, and the digest of its bytes."""

    path: str
    target: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCommand:
    """`files` are those that `argv` names. `boxed`: it runs in a box, which contains it whatever it does."""

    argv: tuple[str, ...]
    folder: str
    environment: tuple[tuple[str, str], ...] = ()
    files: tuple[NamedFile, ...] = ()
    boxed: bool = True
    kind: Literal["run_command"] = "run_command"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHost:
    """A connection to a host that the policy does not name."""

    host: str
    port: int = 443
    kind: Literal["open_host"] = "open_host"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishRef:
    """Moves a ref to a commit; with `remote`, somewhere else."""

    ref: str
    commit: str
    remote: str | None = None
    kind: Literal["publish_ref"] = "publish_ref"


@dataclass(frozen=True, slots=True, kw_only=True)
class WidenScope:
    """Lets a task change more paths, as patterns of a scope."""

    task: str
    paths: tuple[str, ...]
    kind: Literal["widen_scope"] = "widen_scope"


@dataclass(frozen=True, slots=True, kw_only=True)
class UseSecret:
    """Sends the secret of that name, which nobody is shown, to one host."""

    name: str
    host: str
    kind: Literal["use_secret"] = "use_secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartServer:
    """Starts an MCP server. `pin` is the digest of all that it is and offers."""

    name: str
    argv: tuple[str, ...]
    pin: str
    kind: Literal["start_server"] = "start_server"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendMore:
    """Raises the run's limits by so much."""

    cost_usd: Decimal = Decimal(0)
    tokens: int = 0
    kind: Literal["spend_more"] = "spend_more"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnAgent:
    """Starts an agent `depth` levels below the Captain, where `at_once` are then at work below the same parent."""

    depth: int
    at_once: int
    kind: Literal["spawn_agent"] = "spawn_agent"


Action: TypeAlias = RunCommand | OpenHost | PublishRef | WidenScope | UseSecret | StartServer | SpendMore | SpawnAgent


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of an action, why, and which rule says so."""

    effect: Effect
    reason: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionRequest:
    """What a person is asked. `policy` is the digest of the policy that holds where the action would happen."""

    action: Action
    asked_by: str
    why: str
    policy: str

    def digest(self) -> str:
        """Of everything that is done and by whom, so that a grant is for this and nothing else.

        `why` is the agent's own words and changes nothing about what is done.
        """
        from captain.core import codec

        return codec.digest(_Bound(action=self.action, asked_by=self.asked_by, policy=self.policy))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bound:
    action: Action
    asked_by: str
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was said to a request; `for_run` is a yes to the same again until the run ends."""

    allow: bool
    for_run: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A yes to one digest. `used` counts how often it was taken; one that is not `for_run` is taken once."""

    digest: str
    for_run: bool
    expires_at: datetime
    used: int = 0


@singledispatch
def describe(action: Action) -> str:
    """An action in a few words, which begin small: "open docs.example.org:443". As untrusted as its fields."""
    raise TypeError(f"{type(action).__name__} is not an action")


@describe.register
def _(action: RunCommand) -> str:
    return f"run {' '.join(map(repr, action.argv))} in {action.folder}"


@describe.register
def _(action: OpenHost) -> str:
    return f"open {action.host}:{action.port}"


@describe.register
def _(action: PublishRef) -> str:
    return f"set {action.ref} to {action.commit[:12]}" + (f" at {action.remote}" if action.remote else "")


@describe.register
def _(action: WidenScope) -> str:
    return f"let {action.task} change {', '.join(action.paths)}"


@describe.register
def _(action: UseSecret) -> str:
    return f"send the secret {action.name} to {action.host}"


@describe.register
def _(action: StartServer) -> str:
    return f"start the MCP server {action.name}: {' '.join(map(repr, action.argv))}"


@describe.register
def _(action: SpendMore) -> str:
    parts = [f"${action.cost_usd}"] if action.cost_usd else []
    parts += [f"{action.tokens:,} tokens"] if action.tokens else []
    return f"spend {' and '.join(parts) or 'nothing'} more"


@describe.register
def _(action: SpawnAgent) -> str:
    return f"start an agent {action.depth} levels down, {action.at_once} at once"


def details(request: PermissionRequest) -> tuple[tuple[str, str], ...]:
    """Everything a grant of the request is bound to, as pairs of name and text, and why it is asked for."""
    action = request.action
    pairs = [("asked by", request.asked_by), ("to", describe(action)), ("because", request.why or "no reason given")]
    if isinstance(action, RunCommand):
        pairs += [("argument", repr(argument)) for argument in action.argv]
        pairs += [("folder", action.folder)]
        pairs += [("variable", f"{name}={value}") for name, value in action.environment]
        pairs += [("file", f"{file.path} -> {file.target}, sha256 {file.digest}") for file in action.files]
        pairs += [] if action.boxed else [("box", "none: it would run with all rights of whoever started Captain")]
    if isinstance(action, StartServer):
        pairs += [("argument", repr(argument)) for argument in action.argv]
        pairs += [("pin", action.pin)]
    pairs += [("policy", request.policy), ("digest", request.digest())]
    return tuple(pairs)
