"""Scripts for `ScriptedModel` as JSON files.

A file is a list of replies, or an object whose keys are needles (see `ScriptedModel`) and whose values are
such lists. A reply is a text, or an object with any of `text`, `calls` and `expects`:

    [
      {"text": "I look.", "calls": [{"name": "read", "arguments": {"path": "a.py"}}], "expects": "Fix a.py"},
      "Done."
    ]

`arguments` may be left out, or be a text, which is sent as it is: that is how a script writes arguments
that are no JSON. `expects` is a text or a list of texts that must occur in the last message.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from captain.core.errors import UsageError
from captain.core.messages import ToolCall
from captain.models.base import Profile
from captain.models.scripted import Scripted, ScriptedModel, ScriptedReply

_HINT: Final = 'A reply is a text, or an object such as {"text": "…", "calls": [{"name": "…", "arguments": {}}]}.'
_REPLY_KEYS: Final = frozenset({"text", "calls", "expects"})
_CALL_KEYS: Final = frozenset({"name", "arguments"})


def load_script(path: Path | str, *, id: str | None = None, profile: Profile | None = None) -> ScriptedModel:  # noqa: A002
    """The model a JSON file describes. Raises `UsageError` that names the file and the place in it."""
    path = Path(path)
    try:
        script = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The script {path} cannot be read: {error.strerror}.", hint="Check the path.") from None
    except ValueError as error:
        raise UsageError(f"The script {path} is no JSON: {error}.", hint=_HINT) from None
    name = id or f"scripted:{path}"
    if isinstance(script, dict):
        tracks = {needle: _sequence(replies, f"{path}, {needle!r}") for needle, replies in script.items()}
        return ScriptedModel(tracks, id=name, profile=profile)
    return ScriptedModel(_sequence(script, str(path)), id=name, profile=profile)


def _sequence(replies: Any, where: str) -> list[Scripted]:
    if not isinstance(replies, list):
        raise _wrong(where, "is no list of replies")
    return [_reply(reply, f"{where}, reply {number}") for number, reply in enumerate(replies, start=1)]


def _reply(reply: Any, where: str) -> Scripted:
    if isinstance(reply, str):
        return reply
    _check_keys(reply, _REPLY_KEYS, where)
    text, calls, expects = reply.get("text", ""), reply.get("calls", []), reply.get("expects", [])
    expects = [expects] if isinstance(expects, str) else expects
    if not isinstance(text, str):
        raise _wrong(f"{where}, text", "is no text")
    if not isinstance(calls, list):
        raise _wrong(f"{where}, calls", "is no list")
    if not isinstance(expects, list) or not all(isinstance(needle, str) for needle in expects):
        raise _wrong(f"{where}, expects", "is neither a text nor a list of texts")
    made = tuple(_call(item, f"{where}, call {number}") for number, item in enumerate(calls, start=1))
    return ScriptedReply(text=text, calls=made, expects=tuple(expects))


def _call(item: Any, where: str) -> ToolCall:
    _check_keys(item, _CALL_KEYS, where)
    name, arguments = item.get("name"), item.get("arguments", {})
    if not isinstance(name, str) or not name:
        raise _wrong(f"{where}, name", "is no text")
    if not isinstance(arguments, str | dict):
        raise _wrong(f"{where}, arguments", "is neither an object nor a text")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return ToolCall(id="", name=name, arguments=text)


def _check_keys(value: Any, known: frozenset[str], where: str) -> None:
    if not isinstance(value, dict):
        raise _wrong(where, "is neither a text nor an object" if known is _REPLY_KEYS else "is no object")
    for key in value:
        if key not in known:
            raise _wrong(where, f"has the key {key!r}, which is none of {', '.join(sorted(known))}")


def _wrong(where: str, what: str) -> UsageError:
    return UsageError(f"The script {where} {what}.", hint=_HINT)
