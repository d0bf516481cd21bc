"""Amounts as people write them, in flags and in crew files: money, lengths of time, counts."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Final

from captain.core.errors import UsageError

_DURATION: Final = re.compile(r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s?)?")
_UNIT_S: Final = {"h": 3600.0, "m": 60.0, "s": 1.0}


def parse_usd(value: object, where: str) -> Decimal:
    """A positive amount; `where` names the flag or key it was written at."""
    try:
        found = None if isinstance(value, bool) else Decimal(str(value))
    except InvalidOperation:
        found = None
    if found is None or not found.is_finite() or found <= 0:
        raise UsageError(f"{where} is not an amount in US dollars: {value!s}.", hint="Write a number such as 2.50.")
    return found


def parse_duration(value: object, where: str) -> float:
    """Seconds, from `90`, `90s`, `5m`, `1h30m`."""
    text = "" if isinstance(value, bool) else str(value).replace(" ", "")
    match = _DURATION.fullmatch(text)
    seconds = sum(float(match[unit]) * size_s for unit, size_s in _UNIT_S.items() if match[unit]) if match else 0.0
    if seconds <= 0:
        raise UsageError(
            f"{where} is not a length of time: {value!s}.",
            hint="Write seconds, or numbers with units: 90, 90s, 5m, 1h30m.",
        )
    return seconds


def parse_count(value: object, where: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise UsageError(f"{where} is not a whole number above 0: {value!s}.", hint="Leave it out, or write 1 or more.")
