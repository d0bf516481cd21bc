"""What the model calls of a run used, and how long they took, per role and per model."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from captain.core.events import ModelCalled, Role
from captain.core.usage import Spend


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Seconds. With fewer calls than a percentile needs, it lies between the slowest two."""

    p50_s: float
    p90_s: float
    p95_s: float
    p99_s: float

    @classmethod
    def of(cls, samples_s: Sequence[float]) -> Percentiles:
        """Linear interpolation between samples; at least one sample is needed."""
        if len(samples_s) == 1:
            cuts = [samples_s[0]] * 99
        else:
            cuts = statistics.quantiles(samples_s, n=100, method="inclusive")
        return cls(p50_s=cuts[49], p90_s=cuts[89], p95_s=cuts[94], p99_s=cuts[98])


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long the calls of one model in one role took, in full and to their first event."""

    model: str
    role: Role
    calls: int
    whole: Percentiles
    first_event: Percentiles


@dataclass(slots=True)
class Meter:
    total: Spend = field(default_factory=Spend)
    by_role: dict[Role, Spend] = field(default_factory=dict)
    by_model: dict[str, Spend] = field(default_factory=dict)
    _samples: dict[tuple[str, Role], list[ModelCalled]] = field(default_factory=dict)

    def add(self, call: ModelCalled) -> None:
        self.total = call.added_to(self.total)
        self.by_role[call.role] = call.added_to(self.by_role.get(call.role, Spend()))
        self.by_model[call.model] = call.added_to(self.by_model.get(call.model, Spend()))
        if call.first_event_s > 0 or not call.estimated:  # one that broke off says nothing about how long answers take
            self._samples.setdefault((call.model, call.role), []).append(call)

    def latencies(self) -> tuple[Latency, ...]:
        return tuple(
            Latency(
                model=model,
                role=role,
                calls=len(calls),
                whole=Percentiles.of([call.duration_s for call in calls]),
                first_event=Percentiles.of([call.first_event_s for call in calls]),
            )
            for (model, role), calls in self._samples.items()
        )
