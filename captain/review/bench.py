"""Where commands are run that prove something: copies nobody has worked in, twice where once says too little."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal, TypeAlias

import anyio

from captain.core import codec
from captain.core.cases import Trial
from captain.core.tasks import Check, CheckResult
from captain.runs import Journal
from captain.sandbox import Box
from captain.tools import clip
from captain.workspace import Workspaces

_OUTPUT_CHARS: Final = 6_000
_AT_ONCE: Final = 4  # copies with commands running in them
_NOT_STARTED: Final = (126, 127)
_TEST: Final = re.compile(r"(^|/)(tests?|spec|__tests__)/|(^|/)(test_[^/]*|[^/]*[_.-](test|spec)\.[^/]*|conftest\.py)$")

Standing: TypeAlias = Literal["passes", "fails", "flaky"]


def is_test(path: str) -> bool:
    """Whether a file is part of the tests rather than of the product, by its name."""
    return _TEST.search(path) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a check came to over one run or more; `result` is the first."""

    result: CheckResult
    standing: Standing


@dataclass(slots=True, kw_only=True)
class Labels:
    """Names that were not given before, neither by this process nor by one that gave fewer than `offset`."""

    prefix: str
    offset: int = 0
    given: dict[str, int] = field(default_factory=dict)

    def __call__(self, what: str) -> str:
        self.given[what] = self.given.get(what, self.offset) + 1
        return f"{self.prefix}-{what}-{self.given[what]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """`label` names copies, each once; a check that fails is run `reruns` times again to see if it always does.

    With a `journal`, what came of a run is remembered below `path`, and a loop that goes on does not repeat it.
    """

    workspaces: Workspaces
    label: Labels
    journal: Journal | None = None
    path: str = "bench"
    timeout_s: float = 600.0
    reruns: int = 2
    seats: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(_AT_ONCE))
    asked: Counter[str] = field(default_factory=Counter)

    async def once(self, checks: Sequence[Check], commit: str) -> tuple[CheckResult, ...]:
        """One after the other on one fresh copy."""
        if not checks:
            return ()
        if self.journal is None:
            return tuple(await self._run_all(checks, commit))
        work = f"{self.path}/{commit[:16]}/{codec.digest([check.command for check in checks])[:16]}"
        self.asked[work] += 1
        # on a copy of its own, which is gone afterwards: nothing is left to reset before it is repeated
        results = await self.journal.step(
            f"{work}/{self.asked[work]}",
            partial(self._run_all, checks, commit),
            inputs={"commit": commit, "checks": list(checks)},
            gives=list[CheckResult],
            effect="read",
        )
        return tuple(results)

    async def standing(self, checks: Sequence[Check], commit: str) -> tuple[Outcome, ...]:
        """Those that fail are run again, each on a fresh copy."""
        return tuple([await self._settled(result, commit) for result in await self.once(checks, commit)])

    async def try_out(self, check: Check, head: str, base: str | None) -> Trial:
        """Whether a suggested check fails on `head`, each time it is run, and whether it passes on `base`."""
        (outcome,) = await self.standing((check,), head)
        result = outcome.result
        unusable = result.exit_code is None or result.exit_code in _NOT_STARTED or outcome.standing == "flaky"
        if unusable or outcome.standing == "passes":
            return Trial(check=check, fails_on_head=None if unusable else False, output=result.output)
        before = await self.once((check,), base) if base is not None else ()
        passes = before[0].passed if before else None
        return Trial(check=check, fails_on_head=True, passes_on_base=passes, output=result.output)

    async def passes(self, check: Check, commit: str) -> bool:
        (result,) = await self.once((check,), commit)
        return result.passed

    async def _settled(self, result: CheckResult, commit: str) -> Outcome:
        if result.passed:
            return Outcome(result=result, standing="passes")
        for _ in range(self.reruns):
            (again,) = await self.once((result.check,), commit)
            if again.passed:
                return Outcome(result=result, standing="flaky")
        return Outcome(result=result, standing="fails")

    async def _run_all(self, checks: Sequence[Check], commit: str) -> list[CheckResult]:
        place = self.workspaces.open(self.label("check"), commit, scratch=True)
        async with self.seats, place as workspace:
            return [await self._run(check, workspace.box) for check in checks]

    async def _run(self, check: Check, box: Box) -> CheckResult:
        result = await box.run_shell(check.command, timeout_s=self.timeout_s)
        output = result.text.replace(f"{box.root}/", "").strip()  # the copy is gone when this is read
        return CheckResult(
            check=check,
            exit_code=result.exit_code,
            output=clip(output, _OUTPUT_CHARS),
            duration_s=round(result.duration_s, 3),
        )
