"""Everything that can go wrong with a call, said in Captain's words.

What a server says is quoted in one cleaned line; keys are taken out of it, since some servers repeat the
key they refuse. Exceptions of the SDKs are read where those are used (see `openai_transport`).
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import mktime_tz, parsedate_tz
from typing import Any, Final

from captain.core.errors import (
    AuthenticationError,
    BadResponseError,
    ContextOverflowError,
    ModelError,
    ModelTimeoutError,
    RateLimitError,
    RequestRejectedError,
    StreamInterruptedError,
)

_QUOTE_CHARS: Final = 300
_KEY_LIKE: Final = re.compile(r"\b(?:sk|gsk|xai|key|pk)-[\w*.\-]{6,}")
_TOO_LONG: Final = re.compile(
    r"context.{0,12}(?:length|window|limit|size)|prompt is too long|input.{0,20}too long|"
    r"exceeds? the maximum number of tokens|too many (?:input )?tokens|reduce the length",
    re.IGNORECASE,
)
_UNACCEPTABLE: Final = re.compile(
    r"(?:invalid|unsupported|image|empty_image|failed_to_download|data_residency)_|\w*_policy|model_not_found"
)
_NO_CREDIT: Final = re.compile(r"insufficient[_ ](?:quota|balance|credit|funds)|credit balance|billing", re.IGNORECASE)
_WAIT: Final = re.compile(r"try again in (?:(?P<m>\d+)m(?!s))?(?:(?P<n>\d+(?:\.\d+)?)(?P<unit>ms|s))?", re.IGNORECASE)
_ADD_CREDIT: Final = "Add credit to the account, or use another account or model."
_AGAIN: Final = "Try again later."


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Which model was called where, by which `api`. `secrets` are taken out of everything that is quoted.

    `url_form` says in hints what the URL looks like, "the URL, which ...".
    """

    model: str
    url: str
    api: str = "Chat Completions"
    url_form: str = "which often ends in /v1"
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def quote(self, text: str) -> str:
        """One line without keys and control characters, clipped."""
        for secret in self.secrets:
            text = text.replace(secret, "[key]")
        text = _KEY_LIKE.sub("[key]", text)
        text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
        return text if len(text) <= _QUOTE_CHARS else f"{text[:_QUOTE_CHARS]}…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """What a server's error object says, whatever its shape. `status` is 0 where none is known."""

    text: str
    code: str = ""
    status: int = 0

    @property
    def about_length(self) -> bool:
        return self.code == "context_length_exceeded" or bool(_TOO_LONG.search(self.text))

    @property
    def about_credit(self) -> bool:
        return self.status == 402 or bool(_NO_CREDIT.search(f"{self.code} {self.text}"))


def read_complaint(body: object, *, status: int = 0) -> Complaint:
    """Reads `{"error": {...}}`, `{"error": "..."}`, `{"message": ...}`, `{"detail": ...}`, lists and text."""
    while isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, dict) and body.get("error"):
        body = body["error"]
    if not isinstance(body, dict):
        text = str(body or "")
        page = text.lstrip()[:1] == "<"
        return Complaint(text="an HTML page" if page else text, status=status)
    text = str(body.get("message") or body.get("detail") or body.get("msg") or "")
    metadata = body.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("raw"), str):  # a gateway's word for its upstream
        text = f"{text}: {metadata['raw']}"
    codes = [body.get(key) for key in ("status_code", "status", "code")]
    found = next((code for code in codes if isinstance(code, int) and 400 <= code < 600), status)
    code = body.get("code")
    return Complaint(text=text, code=str(code if isinstance(code, str) else body.get("type") or ""), status=found)


def refused(site: Site, complaint: Complaint, *, headers: Mapping[str, str], request_id: str | None) -> ModelError:
    """The error for an HTTP status of 300 and more."""
    status = complaint.status
    said = f"(HTTP {status}): {site.quote(complaint.text) or 'no reason was given'}"
    facts: dict[str, Any] = {"model": site.model, "request_id": request_id}
    if status in (429, 529) or (status == 503 and "retry-after" in headers):
        wait_s = _retry_after_s(headers, complaint.text)
        if complaint.about_credit:
            return RateLimitError(
                f"The account behind {site.model} has no credit left {said}", hint=_ADD_CREDIT, **facts
            )
        message = f"{site.model} takes no more calls at the moment {said}"
        return RateLimitError(message, hint=_AGAIN, retryable=True, retry_after_s=wait_s, **facts)
    if status in (408, 504):
        message = f"{site.model} did not answer in time {said}"
        return ModelTimeoutError(message, hint=_AGAIN, retryable=True, **facts)
    if status >= 500 or status == 409:
        message = f"{site.url} has a problem of its own {said}"
        return ModelError(message, hint=_AGAIN, retryable=True, retry_after_s=_retry_after_s(headers, ""), **facts)
    if status in (401, 403) and not complaint.about_credit:
        return AuthenticationError(
            f"{site.url} does not let this key use {site.model} {said}",
            hint="Check the API key, and that it is one for this URL and may use this model.",
            **facts,
        )
    return _rejected(site, complaint, said, facts)


def _rejected(site: Site, complaint: Complaint, said: str, facts: dict[str, Any]) -> ModelError:
    status = complaint.status
    if complaint.code == "tool_use_failed":  # the model wrote a call that its own server refuses
        message = f"{site.model} wrote a tool call that its server cannot read {said}"
        return BadResponseError(message, hint="Try again.", retryable=True, **facts)
    if complaint.about_credit:
        return RequestRejectedError(
            f"The account behind {site.model} has no credit left {said}", hint=_ADD_CREDIT, **facts
        )
    if status == 413 or (status in (400, 422) and complaint.about_length):
        message = f"The conversation is longer than {site.model} takes {said}"
        return ContextOverflowError(
            message, hint="Shorten the conversation, or use a model with a larger window.", **facts
        )
    if 300 <= status < 400:
        message = f"{site.url} sends the call elsewhere {said}"
        return RequestRejectedError(message, hint="Use the URL it redirects to.", **facts)
    if status == 404 or complaint.code == "model_not_found":
        message = f"{site.url} does not know {site.model} {said}"
        return RequestRejectedError(message, hint=f"Check the model's name and the URL, {site.url_form}.", **facts)
    return RequestRejectedError(f"{site.model} refuses this request {said}", hint="Change the request.", **facts)


def reported(site: Site, error: object, *, request_id: str | None = None) -> ModelError:
    """The error for one that arrives inside an answer that began with status 200."""
    complaint = read_complaint(error)
    said = site.quote(complaint.text or complaint.code) or "no reason was given"
    facts: dict[str, Any] = {"model": site.model, "request_id": request_id}
    if complaint.about_length:
        message = f"The conversation is longer than {site.model} takes: {said}"
        return ContextOverflowError(
            message, hint="Shorten the conversation, or use a model with a larger window.", **facts
        )
    known_kind = complaint.about_credit or "rate_limit" in complaint.code
    if known_kind or complaint.status in (401, 402, 403, 429, 529):
        status = complaint.status or 429
        known = Complaint(text=complaint.text, code=complaint.code, status=status)
        return refused(site, known, headers={}, request_id=request_id)
    if _UNACCEPTABLE.match(complaint.code):
        return RequestRejectedError(f"{site.model} refuses this request: {said}", hint="Change the request.", **facts)
    return BadResponseError(
        f"The answer of {site.model} ended with an error: {said}", hint="Try again.", retryable=True, **facts
    )


def timed_out(site: Site, how_long: str) -> ModelTimeoutError:
    message = f"Nothing came from {site.model} {how_long}."
    return ModelTimeoutError(message, model=site.model, hint="Try again, or allow more time.", retryable=True)


def interrupted(site: Site, why: str, *, request_id: str | None = None) -> StreamInterruptedError:
    return StreamInterruptedError(
        f"The answer of {site.model} broke off before it was finished{why}",
        model=site.model,
        hint="Try again; nothing of the broken answer was used.",
        retryable=True,
        request_id=request_id,
    )


def _retry_after_s(headers: Mapping[str, str], text: str) -> float | None:
    """Seconds, from `retry-after-ms`, `retry-after` (a number or a date) or the words of the message."""
    for name, parts in (("retry-after-ms", 1000), ("retry-after", 1)):
        with suppress(ValueError):
            wait_s = float(headers.get(name, "")) / parts
            return max(0.0, wait_s) if math.isfinite(wait_s) else None
    until, now = parsedate_tz(headers.get("retry-after", "")), parsedate_tz(headers.get("date", ""))
    if until is not None:
        return max(0.0, mktime_tz(until) - (time.time() if now is None else mktime_tz(now)))
    found = _WAIT.search(text)
    if found is None or not (found["m"] or found["n"]):
        return None
    seconds = float(found["n"] or 0) / (1000 if found["unit"] == "ms" else 1)
    return 60.0 * int(found["m"] or 0) + seconds
