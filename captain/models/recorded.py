"""Record what a model answers and play it back, without a network.

A recording is a folder with one JSON file per request, named by a digest of the request and the model's
id. It holds the replies in the order in which they came: a request that was made three times has three.
The name of a conversation does not count: it says where a call is routed, not what is asked.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import anyio.lowlevel

from captain.core import codec
from captain.core.errors import ScriptError, UsageError
from captain.core.masking import Masker
from captain.core.messages import (
    Finished,
    Reasoning,
    ReasoningDelta,
    Reply,
    Request,
    StreamEvent,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
)
from captain.models.base import Model, Profile, secrets_of


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a file's name is the digest of."""

    model: str
    request: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """What a file holds."""

    model: str
    request: Request
    replies: tuple[Reply, ...]
    profile: Profile | None = None


class Recording:
    """A model that answers as `model` does and keeps every finished reply in `folder`.

    Secrets that `masker` knows of are kept neither in requests nor in replies, and a reply is handed on as it
    is kept, so that a conversation can be replayed that goes on from it.
    A folder that holds recordings already is added to; start with an empty one to record afresh.
    """

    def __init__(self, model: Model, folder: Path | str, *, masker: Masker | None = None) -> None:
        self._model = model
        self._masker = masker or Masker(secrets_of(model))
        self._folder = Path(folder)

    def __repr__(self) -> str:
        return f"Recording({self._model!r}, {str(self._folder)!r})"

    @property
    def id(self) -> str:
        return self._model.id

    @property
    def profile(self) -> Profile:
        return self._model.profile

    @property
    def secrets(self) -> tuple[str, ...]:
        return secrets_of(self._model)

    @asynccontextmanager
    async def stream(self, request: Request, /) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        async with self._model.stream(request) as events, aclosing(self._keep(request, events)) as kept:
            yield kept

    async def aclose(self) -> None:
        await self._model.aclose()

    async def _keep(self, request: Request, events: AsyncIterator[StreamEvent]) -> AsyncGenerator[StreamEvent]:
        async for event in events:
            if isinstance(event, Finished):
                reply = self._masker.value(event.reply)
                self._append(request, reply)
                yield replace(event, reply=reply)
            else:
                yield event

    def _append(self, request: Request, reply: Reply) -> None:
        # Read, add and replace without an await between: agents that record side by side lose nothing.
        path = _path(self._folder, self._model.id, request)
        record = _read(path) if path.exists() else self._new_record(request)
        _write(path, replace(record, replies=(*record.replies, reply)))

    def _new_record(self, request: Request) -> _Record:
        return _Record(model=self.id, request=self._masker.value(request), replies=(), profile=self.profile)


class Replaying:
    """A model that answers from a recording of the model `id`, with its profile if no other is given.

    Streams one delta per part, whatever the pieces were in which the parts first came. Raises `ScriptError`
    for a request that is not in the recording, or that is made more often than it was recorded.
    """

    def __init__(self, folder: Path | str, *, id: str, profile: Profile | None = None) -> None:  # noqa: A002
        self._folder = Path(folder)
        self._id = id
        self._played: dict[Path, int] = {}
        if not self._folder.is_dir():
            raise UsageError(f"{self._folder} is no folder with recordings.", hint="Record into it with Recording.")
        self._profile = profile or _recorded_profile(self._folder, id) or Profile(family="recorded")

    def __repr__(self) -> str:
        return f"Replaying({str(self._folder)!r}, id={self._id!r})"

    @property
    def id(self) -> str:
        return self._id

    @property
    def profile(self) -> Profile:
        return self._profile

    @asynccontextmanager
    async def stream(self, request: Request, /) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        async with aclosing(_replay(self._next(request))) as events:
            yield events

    async def aclose(self) -> None:
        """Nothing is held open."""

    def _next(self, request: Request) -> Reply:
        path = _path(self._folder, self._id, request)
        if not path.exists():
            raise ScriptError(
                f"The recording in {self._folder} does not have this request to {self._id}: "
                f"{_difference(self._folder, self._id, request)}",
                model=self._id,
                hint="Record again, or undo the change that makes the conversation differ.",
            )
        replies, played = _read(path).replies, self._played.get(path, 0)
        if played >= len(replies):
            raise ScriptError(
                f"This request to {self._id} was recorded {len(replies)} times in {self._folder}, and is made again.",
                model=self._id,
                hint="Record again, or find out why the model is asked again.",
            )
        self._played[path] = played + 1
        return replies[played]


def recorded_models(folder: Path | str) -> tuple[str, ...]:
    """The ids of the models that a folder has recordings of."""
    return tuple(sorted({_read(path).model for path in Path(folder).glob("*.json")}))


def _recorded_profile(folder: Path, model: str) -> Profile | None:
    records = (_read(path) for path in sorted(folder.glob("*.json")))
    return next((record.profile for record in records if record.model == model), None)


async def _replay(reply: Reply) -> AsyncGenerator[StreamEvent]:
    calls = 0
    for part in reply.message.parts:
        await anyio.lowlevel.checkpoint()
        match part:
            case Text() | Reasoning() if not part.text:
                continue  # a vendor's own part, which comes with the finished reply
            case Text():
                yield TextDelta(text=part.text)
            case Reasoning():
                yield ReasoningDelta(text=part.text)
            case ToolCall():
                yield ToolCallDelta(index=calls, arguments=part.arguments, id=part.id, name=part.name)
                calls += 1
    yield Finished(reply=reply)


def _path(folder: Path, model: str, request: Request) -> Path:
    return folder / f"{codec.digest(_Asked(model=model, request=replace(request, conversation='')))}.json"


def _read(path: Path) -> _Record:
    try:
        return codec.from_json(_Record, path.read_bytes())
    except ValueError as error:
        raise UsageError(
            f"The recording {path} cannot be read: {codec.explain(error)}", hint="Delete it, and record again."
        ) from None


def _write(path: Path, record: _Record) -> None:
    """Whole or not at all: readers never see a half-written file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(codec.to_json(record))
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _difference(folder: Path, model: str, request: Request) -> str:
    """What sets the request apart from the recorded one that is most like it."""
    records = [_read(path) for path in folder.glob("*.json")]
    own = [record.request for record in records if record.model == model]
    if not own:
        others = ", ".join(sorted({record.model for record in records})) or "no model at all"
        return f"it has recordings of {others} only."
    alike, nearest = max(((_alike(request, other), other) for other in own), key=lambda pair: pair[0])
    if alike == len(nearest.messages) < len(request.messages):
        return f"the conversation goes on after message {alike}, where the recording ends."
    if alike < len(request.messages):
        return f"message {alike + 1} of {len(request.messages)} differs from every recorded one."
    if alike < len(nearest.messages):
        return f"it ends after message {alike}, where the recorded conversation goes on."
    fields = ("instructions", "tools", "settings", "output")
    changed = [name for name in fields if getattr(request, name) != getattr(nearest, name)]
    return f"its {' and '.join(changed)} differ."


def _alike(request: Request, other: Request) -> int:
    """How many messages the two have in common from the start."""
    pairs = zip(request.messages, other.messages, strict=False)
    return next(
        (at for at, (one, two) in enumerate(pairs) if one != two), min(len(request.messages), len(other.messages))
    )
