"""Where a model is called and with which key, checked before anything is sent."""

from __future__ import annotations

from urllib.parse import urlsplit

from captain.core.errors import UsageError


def check_url(url: str) -> str:
    """The URL without its last slash. Raises `UsageError` unless it is a plain http or https URL."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that does not close
        parts, valid = urlsplit(""), False
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(
            f"The URL of {parts.hostname} carries credentials or a query, which do not belong there.",
            hint="Give the plain URL, and the key as api_key.",
        )
    if not valid:
        raise UsageError(
            f"{url!r} is not an http or https URL.", hint="Write it in full, for example http://localhost:8000/v1."
        )
    return url.rstrip("/")


def check_key(given: str | None, *, needed_by: str | None) -> str:
    """The key without the space around it. Raises `UsageError` for one that is none, and where one is needed."""
    key = (given or "").strip()
    if needed_by is not None and not key:
        raise UsageError(
            f"{needed_by}'s API is called with a key, and none was given.",
            hint="Pass api_key, or let captain.models.resolve() find it.",
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        # Said here, since the transports quote a header that they refuse.
        raise UsageError("The API key contains characters that no key has.", hint="Copy the key again, on one line.")
    return key
