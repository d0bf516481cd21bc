"""The berths of the harbour, and which boat fits where. Lengths are in centimetres."""

import re
from dataclasses import dataclass

_METRES = re.compile(r"([0-9]{1,3})(?:[.,]([0-9]{1,2}))?\s*m?")


class BerthError(ValueError):
    """An unknown berth, or one that a boat does not fit."""


def parse_length(text: str) -> int:
    """Read a length in metres (``9``, ``9.6``, ``9,60 m``) as centimetres."""
    match = _METRES.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a length in metres: {text!r}")
    whole, fraction = match.groups()
    return int(whole) * 100 + int((fraction or "").ljust(2, "0"))


@dataclass(frozen=True)
class Harbour:
    """The longest boat each berth takes, by the name of the berth."""

    berths: dict[str, int]

    def check(self, berth: str, length: int) -> None:
        """Make sure that a berth exists and that a boat of this length fits it."""
        if berth not in self.berths:
            raise BerthError(f"no such berth: {berth!r}")
        if not 0 < length <= self.berths[berth]:
            raise BerthError(f"{length} cm do not fit berth {berth} ({self.berths[berth]} cm)")


def default_harbour() -> Harbour:
    """Return the harbour as built: three pontoons."""
    pontoons = {"A": (6, 800), "B": (4, 1200), "C": (2, 2000)}
    return Harbour({
        f"{letter}{number}": length
        for letter, (count, length) in pontoons.items()
        for number in range(1, count + 1)
    })
