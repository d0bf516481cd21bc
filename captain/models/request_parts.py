"""What every request is made of and checked for, whichever interface it goes to."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final

from captain.core.errors import RequestRejectedError
from captain.core.messages import JsonObject, Media, Opaque, Request, Settings, Text, ToolResult
from captain.models import fast_json
from captain.models.base import EFFORTS, Effort, Profile

_KEY_CHARS: Final = 64


def check_request(request: Request, *, name: str, profile: Profile, file_types: tuple[str, ...] = ()) -> None:
    """Raises `RequestRejectedError` where the model `name` is known not to take the request.

    `file_types` are those that the interface carries, of which the model may read fewer.
    """
    wanted, limit = request.settings.max_output_tokens, profile.output_tokens
    if wanted is not None and limit is not None and wanted > limit and not profile.note:
        raise RequestRejectedError(
            f"{name} writes at most {limit} tokens, and max_output_tokens is {wanted}.",
            model=name,
            hint=f"Ask for {limit} or fewer.",
        )
    files = tuple(kind for kind in profile.file_types if kind in file_types)
    for media in media_of(request):
        _check_medium(media, name, profile, files)


def media_of(request: Request) -> Iterator[Media]:
    """All pictures and files that are shown, those that tools returned included."""
    for message in request.messages:
        for part in message.parts:
            for shown in part.content if isinstance(part, ToolResult) else (part,):
                if isinstance(shown, Media):
                    yield shown


def _check_medium(media: Media, name: str, profile: Profile, files: tuple[str, ...]) -> None:
    image = media.media_type.startswith("image/")
    what = media.name or media.media_type
    if not image and media.media_type not in files:
        takes = "images and text" if profile.images else "text"
        raise RequestRejectedError(
            f"{what} cannot be sent to {name}, which takes {', '.join((takes, *files))}.",
            model=name,
            hint="Send the file's text instead.",
        )
    if image and not profile.images:
        raise RequestRejectedError(
            f"{what} cannot be sent to {name}, which is not known to take images.",
            model=name,
            hint="Use a model that reads images, or pass the model a profile with images=True.",
        )
    if image and media.media_type not in profile.image_types:
        raise RequestRejectedError(
            f"{what} cannot be sent to {name}: it is {media.media_type}, not {' or '.join(profile.image_types)}.",
            model=name,
            hint="Convert the image first.",
        )
    limit = profile.image_bytes if image else profile.file_bytes
    if limit is not None and len(media.data) > limit:
        raise RequestRejectedError(
            f"{what} has {len(media.data)} bytes, and {name} takes at most {limit}.",
            model=name,
            hint="Make the image smaller." if image else "Send a part of the file.",
        )


def effort_of(settings: Settings, profile: Profile) -> Effort | None:
    """The nearest effort that the model takes, the greater of two; None where it takes none or none is asked for."""
    if settings.reasoning_effort is None or not profile.efforts:
        return None
    wanted = EFFORTS.index(settings.reasoning_effort)
    return min(profile.efforts, key=lambda effort: (abs(EFFORTS.index(effort) - wanted), -EFFORTS.index(effort)))


def cache_key(request: Request) -> str:
    """One key per conversation, so that its turns meet the cache their forerunners filled."""
    if 0 < len(request.conversation) <= _KEY_CHARS:
        return request.conversation
    first = request.messages[0].parts if request.messages else ()
    opening = [request.instructions, *(part.text for part in first if isinstance(part, Text))]
    return _digest(request.conversation or "\0".join(opening))


def payload_of(opaque: Opaque | None, provider: str) -> Any:
    """What a provider gave along for itself; None for what is another's."""
    return fast_json.loads(opaque.data) if opaque is not None and opaque.provider == provider else None


def arguments_of(text: str) -> str:
    """Arguments that a server can parse: chat templates fail on a history with any that are not an object."""
    try:
        valid = isinstance(fast_json.loads(text or "{}"), dict)
    except (ValueError, RecursionError):
        valid = False
    return (text or "{}") if valid else json.dumps({"invalid_json": text}, ensure_ascii=False)


def call_id_of(text: str, *, most_chars: int) -> str:
    """The id of a call, which other providers may have made longer than this one takes."""
    return text if 0 < len(text) <= most_chars else f"call_{_digest(text)}"


def data_url(media: Media) -> str:
    return f"data:{media.media_type};base64,{base64.b64encode(media.data).decode('ascii')}"


def encoded(body: JsonObject) -> bytes:
    return fast_json.dumps(body)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
