"""How long calls took lately: the last so many durations and their quantiles."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Seconds. Of no durations at all, every percentile is 0."""

    count: int = 0
    p50_s: float = 0.0
    p90_s: float = 0.0
    p95_s: float = 0.0
    p99_s: float = 0.0


class RecentDurations:
    """The last `size` durations, in seconds."""

    def __init__(self, size: int = 200) -> None:
        self._durations_s: deque[float] = deque(maxlen=size)

    def __len__(self) -> int:
        return len(self._durations_s)

    def add(self, seconds: float) -> None:
        self._durations_s.append(seconds)

    def quantile(self, share: float) -> float:
        """The smallest duration that at least `share` of them do not exceed (nearest rank); 0 of none."""
        return _nearest_rank(sorted(self._durations_s), share)

    def percentiles(self) -> Percentiles:
        ordered = sorted(self._durations_s)
        return Percentiles(
            count=len(ordered),
            p50_s=_nearest_rank(ordered, 0.50),
            p90_s=_nearest_rank(ordered, 0.90),
            p95_s=_nearest_rank(ordered, 0.95),
            p99_s=_nearest_rank(ordered, 0.99),
        )


def _nearest_rank(ordered: list[float], share: float) -> float:
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0
