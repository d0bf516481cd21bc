"""What reviewers and fixers are like: the flaws of scripted ones as numbers, and the worlds made of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Chances, unless said otherwise. The defaults are those of public reports of loops that did not end (`field`).

    Means of defects are spread over the defects: some are seen by everybody, some mended by nobody.
    """

    name: str

    # the change that is handed in
    defects: float = 6.0
    """Hidden defects at the start, a mean."""
    critical: float = 0.10
    major: float = 0.35
    files: int = 6

    # the fixer
    mends: float = 0.78
    """That an edit removes the defect it is made for, on the first attempt."""
    mends_spread: float = 5.0
    brings: float = 0.34
    """New defects of an edit, a mean, before the tests run; more where a defect is hard to mend."""
    crowd: float = 0.04
    """How much each further finding in the same edit adds to that."""
    weakens: float = 0.10
    """That it weakens a test which its edit broke, in place of repairing the edit."""
    pushes_back: float = 0.15
    """That it leaves the files alone when a finding is bogus."""
    declines: float = 0.0
    """That it leaves the files alone whatever the finding is, and says that it is done."""
    tires: float = 0.85
    """What each further attempt in one and the same context does to its chances."""
    fresh: float = 0.97
    """The same for an attempt in a new context that knows what failed."""
    advisor_logit: float = 1.0
    advisor_brings: float = 0.7

    # the reviewer
    sees: float = 0.33
    """That one look at the whole finds a defect."""
    sees_spread: float = 2.5
    bogus: float = 1.5
    """Findings of taste and mistakes in one look, a mean."""
    grows: float = 0.005
    """How much each edit adds to that: more text, more to object to."""
    never_silent: int = 0
    """So many findings at the least in every look, made up if need be."""
    opposed: bool = False
    """Every second reviewer wants the opposite of what the others want, and calls it major."""
    arguable: float = 0.6
    """That a second opinion shares such a wish."""
    most: int = 12
    again: float = 0.15
    """That a bogus finding is one that was raised before."""
    rewords: float = 0.92
    """That a finding which is raised again comes in other words."""
    misjudges: float = 0.25
    """That a severity is one step off."""

    # the tests, the second opinions, and the look at one fix
    caught: float = 0.25
    """Of the defects an edit brings, the share that the tests catch."""
    provable: float = 0.50
    """That a command can show a real defect."""
    proves: float = 0.92
    proves_bogus: float = 0.03
    accepts_real: float = 0.88
    accepts_bogus: float = 0.40
    both_real: float = 0.80
    """That two opinions in a row accept a real finding: they are not independent of each other."""
    both_bogus: float = 0.25
    shared_error: float = 0.0
    """1: the second opinion errs where the reviewer errs."""
    passes_unmended: float = 0.15
    """That a command passes although the defect is still there."""
    notices_left: float = 0.75
    """That somebody asked notices that a defect is not gone."""
    doubts_gone: float = 0.08
    """That somebody asked does not believe that a defect is gone."""
    sees_in_delta: float = 0.45
    bogus_in_delta: float = 0.15
    notices_weakened: float = 0.80
    knows_again: float = 0.85
    """That a finding is matched with the case it belongs to."""
    mistakes: float = 0.02
    """That a new finding is matched with a case it does not belong to."""
    attributes: float = 0.80
    """That the fix which wrote the code is found."""

    @property
    def reproduction_number(self) -> float:
        """Defects that one mended defect brings: above 1 a loop over everything cannot end."""
        return self.brings * (1 - self.caught * (1 - self.weakens)) / self.mends


_FIELD: Final = World(name="field")
_COMPOUNDING: Final = replace(_FIELD, brings=0.62, mends=0.72, bogus=1.6)

WORLDS: Final[dict[str, World]] = {
    world.name: world
    for world in (
        _FIELD,
        replace(_COMPOUNDING, name="seed"),
        replace(_FIELD, name="hard", brings=0.90, mends=0.66, bogus=2.0, defects=8.0, sees=0.30),
        replace(_FIELD, name="strong", brings=0.15, mends=0.88, bogus=0.8, defects=4.0, sees=0.40),
        replace(_FIELD, name="clean", defects=1.0),
        replace(_FIELD, name="calm", brings=0.03, mends=0.9, bogus=0.8, defects=30.0, sees=0.40),
        replace(_COMPOUNDING, name="cheater", weakens=0.9),
        replace(_COMPOUNDING, name="noisy", bogus=4.0),
        replace(_COMPOUNDING, name="endless", never_silent=3, again=0.0, rewords=1.0),
        replace(_COMPOUNDING, name="declining", declines=0.6),
        replace(_COMPOUNDING, name="opposed", opposed=True),
        replace(
            _COMPOUNDING,
            name="bad",
            sees_in_delta=0.2,
            bogus_in_delta=0.5,
            shared_error=0.7,
            provable=0.2,
            passes_unmended=0.4,
            knows_again=0.5,
            mistakes=0.08,
            attributes=0.4,
        ),
    )
}
"""`field` and `seed` are fitted to public reports: there, 31 % and 64 % of what is found after the first round was
caused by fixes. `seed` is the compounding one, `hard` has a reproduction number of 1. The others turn one knob."""

CALIBRATED: Final = ("field", "seed", "hard", "strong", "clean")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Thousands of tokens, weighted by price (assumed): what one call of each kind comes to."""

    review: float = 60
    delta: float = 8
    reproduction: float = 18
    vote: float = 7
    fix: float = 18
    fix_finding: float = 8
    fresh: float = 20
    advisor: float = 3.0
    """A factor."""
    gone: float = 4
    judge: float = 4
    replan: float = 40


PRICES: Final = Prices()
