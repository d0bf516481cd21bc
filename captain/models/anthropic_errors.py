"""What Anthropic adds to the errors of a call: its types, its limits of spending, and when a limit resets."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from email.utils import mktime_tz, parsedate_tz
from typing import Any, Final

from captain.core.errors import ModelError
from captain.models import call_errors
from captain.models.call_errors import Complaint, Site, read_complaint

# An error inside a stream has no status of its own; these are those its type has otherwise.
_STATUSES: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_LIMITS: Final = ("requests", "tokens", "input-tokens", "output-tokens")


def refused(
    site: Site, body: object, *, status: int, headers: Mapping[str, str], request_id: str | None = None
) -> ModelError:
    """The error for an HTTP status of 300 and more."""
    request_id = request_id or headers.get("request-id") or request_id_of(body)
    complaint = _read(body, status)
    error = call_errors.refused(site, complaint, headers=headers, request_id=request_id)
    if headers.get("x-should-retry") == "false":
        error.retryable = False
    if error.retryable and error.retry_after_s is None:
        error.retry_after_s = _reset_s(headers)
    return error


def reported(site: Site, event: object, *, request_id: str | None = None) -> ModelError:
    """The error for one that arrives inside an answer that began with status 200."""
    status = _STATUSES.get(_read(event, 0).code)
    request_id = request_id_of(event) or request_id
    if status is None:
        return call_errors.reported(site, event, request_id=request_id)
    return refused(site, event, status=status, headers={}, request_id=request_id)


def request_id_of(body: object) -> str | None:
    found = body.get("request_id") if isinstance(body, dict) else None
    return found if isinstance(found, str) else None


def _read(body: object, status: int) -> Complaint:
    said = read_complaint(body)
    spent = "spend_limit" in _detail(body)
    return Complaint(text=said.text, code="billing_error" if spent else said.code, status=status)


def _detail(body: Any) -> str:
    """The code of an error's cause, which stands deeper than its type."""
    for key in ("error", "details", "error_code"):
        body = body.get(key) if isinstance(body, dict) else None
    return str(body or "")


def _reset_s(headers: Mapping[str, str]) -> float | None:
    """Seconds until the limits that are used up have something left, of answers without `retry-after`."""
    date = parsedate_tz(headers.get("date", ""))
    now_s = time.time() if date is None else mktime_tz(date)
    waits_s = []
    for limit in _LIMITS:
        if headers.get(f"anthropic-ratelimit-{limit}-remaining") == "0":
            with suppress(ValueError):
                reset = datetime.fromisoformat(headers.get(f"anthropic-ratelimit-{limit}-reset", ""))
                waits_s.append(max(0.0, reset.timestamp() - now_s))
    return max(waits_s, default=None)
