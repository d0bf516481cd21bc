"""Fits models out for the voyage: everything around a call, in the one order that makes sense.

    Metered → Fallback → Retrying → Hedged → Limited → adapter

What is measured is what the caller waits for. Retries are used up before another model is called. A hedge
is inside of a retry, so that one attempt can be two calls but two attempts are never four at once. The
gate is innermost: every single call passes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from captain.core.clock import Clock
from captain.models.base import Model
from captain.models.fallback import Fallback, OnSwitch
from captain.models.hedged import Hedge, Hedged
from captain.models.limited import Limited
from captain.models.metered import Metered, OnCall
from captain.models.rate_gate import RateGate
from captain.models.retrying import OnWait, Retry, Retrying


def outfit(
    models: Model | Sequence[Model],
    *,
    gate: RateGate | Mapping[str, RateGate] | None = None,
    retry: Retry | None = None,
    hedge: Hedge | None = None,
    on_call: OnCall | None = None,
    on_wait: OnWait | None = None,
    on_switch: OnSwitch | None = None,
    clock: Clock | None = None,
) -> Model:
    """One model that meters, retries and keeps to limits; of several, each but the first is a fallback.

    `gate` is that of the account, or of several accounts by the ids of their models; a model without one gets
    its own. There are no second attempts without `hedge`. Closing what is returned closes the models.
    """
    retry = retry or Retry()
    fitted: list[Model] = []
    for model in [*models] if isinstance(models, Sequence) else [models]:
        given = gate.get(model.id) if isinstance(gate, Mapping) else gate
        own_gate = RateGate(longest_pause_s=retry.longest_asked_s, clock=clock) if given is None else given
        attempt: Model = Limited(model, own_gate)
        if hedge is not None:
            attempt = Hedged(attempt, hedge, may_hedge=_is_open(own_gate), on_call=on_call, clock=clock)
        fitted.append(Retrying(attempt, retry, on_wait=on_wait, clock=clock))
    whole = fitted[0] if len(fitted) == 1 else Fallback(fitted, on_switch=on_switch, clock=clock)
    return Metered(whole, on_call, clock=clock)


def _is_open(gate: RateGate) -> Callable[[], bool]:
    return lambda: gate.is_open
