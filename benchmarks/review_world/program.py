"""A program as a set of hidden defects, and the dice that its reviewers and fixers are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from benchmarks.review_world.worlds import PRICES, World
from captain.core.findings import SEVERITY_WEIGHT, Severity

SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "major", "minor")


@dataclass(eq=False, slots=True, kw_only=True)
class Defect:
    """`sees` and `mends` are the chances with this one; `since` is the change that brought it."""

    number: int
    severity: Severity
    sees: float
    mends: float
    brings: float
    provable: bool
    path: str
    since: str | None = None
    alive: bool = True

    @property
    def weight(self) -> int:
        return SEVERITY_WEIGHT[self.severity]


@dataclass(eq=False, slots=True, kw_only=True)
class Report:
    """What a reviewer says: of a defect, or of nothing. `words` is the text, equal only if nothing was reworded."""

    about: Defect | str
    severity: Severity
    path: str
    words: str

    @property
    def defect(self) -> Defect | None:
        return self.about if isinstance(self.about, Defect) else None

    @property
    def wish(self) -> bool:
        """One of those that another reviewer has the opposite of."""
        return isinstance(self.about, str) and self.about.startswith("wish")


@dataclass(eq=False, slots=True, kw_only=True)
class Change:
    """One edit, as it really is: defects it removes and brings, whether it weakens a test, and turns a matter of taste."""

    label: str
    removes: list[Defect] = field(default_factory=list)
    brings: list[Defect] = field(default_factory=list)
    weakens: bool = False
    turns: bool = False


@dataclass(slots=True)
class Program:
    """The truth. Two programs of one world and seed start the same, whatever is done to them later."""

    world: World
    seed: int
    defects: list[Defect] = field(default_factory=list)
    tokens_k: float = 0.0
    calls: int = 0
    edits: int = 0
    brought: int = 0
    looks: int = 0
    style: bool = False
    style_since: str | None = None
    start_weight: int = field(init=False)
    caught: float = field(init=False)
    dice: Random = field(init=False)
    _bogus: list[str] = field(default_factory=list)
    _said: dict[Defect | str, int] = field(default_factory=dict)
    _changes: int = 0

    def __post_init__(self) -> None:
        self.dice = Random(self.seed)  # noqa: S311 - a simulation
        for _ in range(self.poisson(self.world.defects)):
            self.defects.append(self._defect(None))
        self.start_weight = self.weight
        self.caught = self.world.caught
        self.dice = Random(self.seed * 7919 + 13)  # noqa: S311

    # what is so

    @property
    def weight(self) -> int:
        return sum(defect.weight for defect in self.defects if defect.alive)

    def happens(self, chance: float) -> bool:
        return self.dice.random() < chance

    def poisson(self, mean: float) -> int:
        """A count with this mean (Knuth's way, for small means)."""
        if mean <= 0:
            return 0
        limit, number, product = math.exp(-mean), 0, self.dice.random()
        while product > limit:
            number += 1
            product *= self.dice.random()
        return number

    def pay(self, tokens_k: float, calls: int = 1) -> None:
        self.tokens_k += tokens_k
        self.calls += calls

    def _defect(self, since: str | None) -> Defect:
        world, roll = self.world, self.dice.random()
        severity: Severity = (
            "critical" if roll < world.critical else "major" if roll < world.critical + world.major else "minor"
        )
        mends = self._spread(world.mends, world.mends_spread)
        harder = min(2.0, max(0.4, (1 - mends) / max(1e-6, 1 - world.mends)))
        return Defect(
            number=len(self.defects),
            severity=severity,
            sees=self._spread(world.sees, world.sees_spread),
            mends=mends,
            brings=world.brings * harder,
            provable=self.happens(world.provable),
            path=self._path(),
            since=since,
        )

    def _spread(self, mean: float, spread: float) -> float:
        mean = min(max(mean, 0.01), 0.99)
        return self.dice.betavariate(mean * spread, (1 - mean) * spread)

    def _path(self) -> str:
        return f"f{self.dice.randrange(self.world.files)}.py"

    # what reviewers say

    def look(self) -> list[Report]:
        """One cold look at the whole, by the next reviewer."""
        world = self.world
        said = [self._of(defect) for defect in self.defects if defect.alive and self.happens(defect.sees)]
        said += [self._made_up() for _ in range(self.poisson(world.bogus * (1 + world.grows * self.edits)))]
        said += [self._made_up() for _ in range(world.never_silent - len(said))]
        if world.opposed and self.style == bool(self.looks % 2):
            said.append(self.wish())
        self.looks += 1
        self.pay(PRICES.review)
        if len(said) > world.most:
            self.dice.shuffle(said)
            said.sort(key=lambda report: -SEVERITY_WEIGHT[report.severity])
        return said[: world.most]

    def look_at(self, change: Change) -> list[Report]:
        """A look at one change alone, which is small: more is seen, less made up."""
        world = self.world
        keener = world.sees_in_delta / world.sees
        said = [self._of(defect) for defect in change.brings if self.happens(min(0.97, defect.sees * keener))]
        for _ in range(self.poisson(world.bogus_in_delta)):
            said.append(self._report(self._new_bogus(), "minor" if self.happens(0.6) else "major", self._path()))
        if change.turns and self.happens(0.5):
            said.append(self.wish())
        self.pay(PRICES.delta)
        return said

    def wish(self) -> Report:
        """That the matter of taste be turned around."""
        return self._report(f"wish {int(self.style)}", "major", "f0.py")

    def _of(self, defect: Defect) -> Report:
        return self._report(defect, self.judged(defect.severity, self.world.misjudges), defect.path)

    def _made_up(self) -> Report:
        known = self._bogus and self.happens(self.world.again)
        about = self.dice.choice(self._bogus) if known else self._new_bogus()
        roll = self.dice.random()
        severity: Severity = "critical" if roll < 0.06 else "major" if roll < 0.40 else "minor"
        return self._report(about, severity, self._path())

    def _new_bogus(self) -> str:
        self._bogus.append(f"bogus {len(self._bogus)}")
        return self._bogus[-1]

    def _report(self, about: Defect | str, severity: Severity, path: str) -> Report:
        version = self._said.get(about, -1)
        if version < 0 or self.happens(self.world.rewords):
            version += 1
        self._said[about] = version
        name = f"defect {about.number}" if isinstance(about, Defect) else about
        return Report(about=about, severity=severity, path=path, words=f"{name}, wording {version}")

    def judged(self, severity: Severity, misjudges: float) -> Severity:
        roll = self.dice.random()
        if roll >= misjudges:
            return severity
        step = 1 if roll < misjudges / 2 else -1
        return SEVERITIES[min(2, max(0, SEVERITIES.index(severity) + step))]

    # what others make of that

    def real(self, report: Report) -> bool:
        return report.defect is not None and report.defect.alive

    def opinion(self, report: Report, before: bool | None = None) -> bool:
        """A second opinion, and after an earlier one (`before`) one that is not independent of it."""
        world = self.world
        self.pay(PRICES.vote)
        if report.wish:
            return self.happens(world.arguable)
        real = self.real(report)
        alone, both = (world.accepts_real, world.both_real) if real else (world.accepts_bogus, world.both_bogus)
        alone, both = (chance + (1 - chance) * world.shared_error / 2 for chance in (alone, both))
        return self.happens(alone if before is None else min(1.0, both / alone) if before else alone / 2)

    def proof(self, report: Report) -> bool:
        """Whether somebody who is asked for a command that fails comes up with one."""
        self.pay(PRICES.reproduction)
        if report.wish:
            return False
        if report.defect is None:
            return self.happens(self.world.proves_bogus)
        return report.defect.provable and report.defect.alive and self.happens(self.world.proves)

    # what fixers do

    def declines(self, report: Report) -> bool:
        if self.happens(self.world.declines):
            return True
        return report.defect is None and not report.wish and self.happens(self.world.pushes_back)

    def edit(self, reports: Sequence[Report], chance: Callable[[Defect], float], factor: float = 1.0) -> Change:
        """A change for these, not applied yet. What the tests catch is repaired, or the test is weakened."""
        world = self.world
        self._changes += 1
        change = Change(label=f"c{self._changes}")
        crowd = min(1.4, 1 + world.crowd * (len(reports) - 1)) * factor
        for report in reports:
            defect = report.defect
            if defect is not None and defect.alive and self.happens(chance(defect)):
                change.removes.append(defect)
            change.turns |= report.wish
            for _ in range(self.poisson((defect.brings if defect is not None else world.brings) * crowd)):
                new = self._defect(change.label)
                if self.happens(self.caught):
                    if not self.happens(world.weakens):
                        continue
                    change.weakens = True
                change.brings.append(new)
        return change

    def apply(self, change: Change) -> None:
        for defect in change.removes:
            defect.alive = False
        for number, defect in enumerate(change.brings, len(self.defects)):
            defect.number = number
        self.defects += change.brings
        if change.turns:
            self.style, self.style_since = not self.style, change.label

    def settle(self, change: Change, edits: int = 1) -> None:
        """An applied change that stays."""
        self.edits += edits
        self.brought += len(change.brings)
        if change.weakens:
            self.caught *= 0.95

    def undo(self, changes: Iterable[Change]) -> None:
        """Takes applied changes back, the latest first."""
        for change in changes:
            for defect in change.removes:
                defect.alive = True
            for defect in change.brings:
                defect.alive = False
            self.style ^= change.turns
