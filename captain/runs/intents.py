"""What a step is about to do, written down before it does it.

An intent names the kind of effect, an idempotency key, and each input by a digest and a few masked words. So a
reader knows after a crash what had begun, and a step that is asked for anew under other inputs can say which.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from captain.core import codec
from captain.core.errors import JournalError, ReplayError, UnfinishedEffectError
from captain.core.masking import Masker

Effect: TypeAlias = Literal["read", "call", "write", "command", "external"]
"""`read` changes nothing; `call` is paid for; `write` and `command` change a workspace or the run's own refs;
`external` is felt outside of this machine, and nobody here can take it back."""

REPEATABLE: Final[frozenset[Effect]] = frozenset({"read", "call"})

_DIGEST_CHARS: Final = 32
_SHOWN_CHARS: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input of a step. `shown` is its JSON, masked and shortened."""

    name: str
    digest: str
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """The same step with the same inputs has the same `key` until its outcome is known."""

    effect: Effect
    key: str
    inputs: tuple[Input, ...]

    @classmethod
    def of(cls, run: str, path: str, effect: Effect, inputs: object, *, masker: Masker, failures: int) -> Intent:
        """`failures` counts the tries that are known to have failed: the one after them is an effect of its own."""
        taken = tuple(_input(name, value, masker) for name, value in _named(inputs))
        facts = json.dumps([run, path, failures, [(one.name, one.digest) for one in taken]])
        key = hashlib.sha256(facts.encode()).hexdigest()[:_DIGEST_CHARS]
        return cls(effect=effect, key=key, inputs=taken)

    @classmethod
    def read(cls, body: str) -> Intent:
        """Raises `ValueError`. A bare digest is what the first format had; what kind of effect it was is not known."""
        if not body.startswith("{"):
            return cls(effect="external", key="", inputs=(Input(name="inputs", digest=body, shown="…"),))
        said: dict[str, Any] = json.loads(body)
        try:
            inputs = tuple(Input(name=name, digest=digest, shown=shown) for name, digest, shown in said["inputs"])
            return cls(effect=said["effect"], key=said["key"], inputs=inputs)
        except (KeyError, TypeError) as error:
            raise ValueError(f"it is no intent ({error})") from error

    def written(self) -> str:
        inputs = [(one.name, one.digest, one.shown) for one in self.inputs]
        return json.dumps({"effect": self.effect, "key": self.key, "inputs": inputs}, separators=(",", ":"))

    def refuse_other(self, path: str, now: Intent) -> None:
        """Raises `ReplayError` if `now` has other inputs than this, which is on record."""
        before, after = ({one.name: one for one in intent.inputs} for intent in (self, now))
        changes = tuple(
            (name, before[name].shown if name in before else None, after[name].shown if name in after else None)
            for name in {**before, **after}
            if name not in before or name not in after or before[name].digest != after[name].digest
        )
        if changes:
            raise ReplayError(
                f"The step {path!r} is recorded with other inputs than it is asked for now: "
                + "; ".join(_change(*change) for change in changes)
                + ".",
                path=path,
                changes=changes,
                hint="A record belongs to one request in one repository, carried by one version; start a new run.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A step that had begun and has no outcome on record: it may have happened, in whole or in part."""

    path: str
    intent: Intent
    began_at: datetime


@dataclass(frozen=True, slots=True)
class Repeat:
    """The step is to be done again: what it had done is undone, or does no harm twice."""


@dataclass(frozen=True, slots=True)
class Happened:
    """The step did happen; `result` is what it gave."""

    result: object


Settle: TypeAlias = Callable[[Unfinished], Awaitable[Repeat | Happened]]
"""Decides about an unfinished write, command or external effect: resets the workspace, looks, or asks a person."""


async def refuse(left: Unfinished) -> Repeat | Happened:
    """Decides nothing. Raises `UnfinishedEffectError`."""
    effect = left.intent.effect
    what = {"write": "a change of files or refs", "command": "a command"}.get(
        effect, "an effect outside of this machine"
    )
    if effect == "external":
        hint = "Find out whether it happened, by its key where the other side keeps keys, and settle it either way."
    else:
        hint = "Reset its workspace to the snapshot before it, and settle it to be repeated."
    raise UnfinishedEffectError(
        f"The step {left.path!r} had begun at {left.began_at:%Y-%m-%d %H:%M:%S} UTC, and whether it happened "
        f"is not recorded: it is {what}, which is not repeated unasked.",
        path=left.path,
        effect=effect,
        key=left.intent.key,
        began_at=left.began_at.isoformat(),
        hint=hint,
    )


def read_intent(seq: int, body: str | None) -> Intent:
    try:
        return Intent.read(body or "")
    except ValueError as error:
        raise JournalError(
            f"Entry {seq} of the record cannot be read: {error}.",
            hint="The record was written by another version of Captain; read it with that version.",
        ) from error


def _named(inputs: object) -> list[tuple[str, object]]:
    if inputs is None:
        return []
    if isinstance(inputs, Mapping):
        return [(str(name), value) for name, value in inputs.items()]
    if isinstance(inputs, tuple):
        return [(f"input {place}", value) for place, value in enumerate(inputs, start=1)]
    return [("inputs", inputs)]


def _input(name: str, value: object, masker: Masker) -> Input:
    text = json.dumps(value) if isinstance(value, str | int | float | None) else _canonical(value)
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARS]
    # masked before it is cut, as half a secret is not recognised; what is far behind the cut does not matter
    shown = masker.mask(text[:4_096])
    return Input(name=name, digest=digest, shown=shown if len(shown) <= _SHOWN_CHARS else shown[:_SHOWN_CHARS] + "…")


def _canonical(value: object) -> str:
    return json.dumps(json.loads(codec.to_json(value)), sort_keys=True, separators=(",", ":"))


def _change(name: str, old: str | None, new: str | None) -> str:
    if old is None:
        return f"{name} is {new} and was not given before"
    if new is None:
        return f"{name} was {old} and is not given now"
    return f"{name} was {old} and is {new}"
