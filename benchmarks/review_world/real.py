"""The same question on real git repositories: real code, tests and edits; only who reviews and mends is scripted.

A program is a few modules of small functions, each right or wrong; what is wrong is read back from the commit that a
loop hands over. Captain's loop and the plain policies get the same reviewers and the same fixer.
"""

from __future__ import annotations

import math
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import anyio

from benchmarks.review_world.plain import History, Stop, count_does_not_drop, repeats_itself
from benchmarks.review_world.program import Program, Report
from benchmarks.review_world.scores import Outcome, Summary, summed_up
from benchmarks.review_world.worlds import PRICES, WORLDS
from captain.core.cases import Vote
from captain.core.findings import SEVERITY_WEIGHT, Finding, Proposal, Review, Severity
from captain.core.tasks import Check
from captain.review import POLICIES, FixJob, Question, ReviewLoop, ReviewPolicy
from captain.workspace import Workspace

WORLD: Final = WORLDS["seed"]
MODULES: Final = 4
FUNCTIONS: Final = 6
"""In each module."""
LONGEST: Final = 12
"""Rounds after which the naive loop is stopped here: each costs seconds."""

_TESTS: Final = Check(name="tests", command=f'"{sys.executable}" -B tests.py')
_LINE: Final = re.compile(r"(?m)^def (f\d+)\(x\): return x \* (\d+) \+ (\d+)$")


@dataclass(slots=True)
class Codebase:
    """The truth about one program, and the dice; equal questions get equal answers in whatever order they come."""

    root: Path
    seed: int
    right: dict[str, tuple[int, int]] = field(default_factory=dict)
    severity: dict[str, Severity] = field(default_factory=dict)
    provable: set[str] = field(default_factory=set)
    tokens_k: float = 0.0
    calls: int = 0
    edits: int = 0
    brought: int = 0
    _asked: Counter[tuple[object, ...]] = field(default_factory=Counter)

    @classmethod
    def make(cls, root: Path, seed: int) -> Codebase:
        code, dice = cls(root, seed), Random(f"{seed} program")  # noqa: S311 - a benchmark
        wrong: set[str] = set()
        for number in range(MODULES * FUNCTIONS):
            name, roll = f"f{number}", dice.random()
            code.right[name] = (dice.randrange(2, 90), dice.randrange(100, 900))
            code.severity[name] = "critical" if roll < WORLD.critical else "major" if roll < 0.45 else "minor"
            wrong |= {name} if dice.random() < WORLD.defects / (MODULES * FUNCTIONS) else set()
            code.provable |= {name} if dice.random() < WORLD.provable else set()
        tested = [name for name in code.right if name not in wrong and dice.random() < WORLD.caught]
        root.mkdir()
        git(root, "init", "-q", "-b", "main")
        (root / "README.md").write_text("A program.\n")
        commit(root, "Nothing yet")
        git(root, "checkout", "-q", "-b", "work")
        for module in range(MODULES):
            names = [f"f{number}" for number in range(module * FUNCTIONS, (module + 1) * FUNCTIONS)]
            lines = [code.line(name, wrong=name in wrong) for name in names]
            (root / module_of(names[0])).write_text("".join(f"{line}\n\n\n" for line in lines))
        asserts = [
            f"from {module_of(name)[:-3]} import {name}\nassert {name}(3) == {code.of_three(name)}\n" for name in tested
        ]
        (root / "tests.py").write_text("".join(asserts))
        commit(root, "The program")
        return code

    def line(self, name: str, *, wrong: bool = False) -> str:
        factor, more = self.right[name]
        return f"def {name}(x): return x * {factor} + {more + 1 if wrong else more}"

    def of_three(self, name: str) -> int:
        """What the function should give for 3."""
        factor, more = self.right[name]
        return 3 * factor + more

    def wrong_in(self, texts: Iterable[str]) -> set[str]:
        found = {name: (int(factor), int(more)) for text in texts for name, factor, more in _LINE.findall(text)}
        return {name for name, right in self.right.items() if found.get(name, right) != right}

    def wrong_at(self, commit_: str) -> set[str]:
        return self.wrong_in(git(self.root, "show", f"{commit_}:{path}") for path in MODULE_FILES)

    def weight(self, commit_: str) -> int:
        return sum(SEVERITY_WEIGHT[self.severity[name]] for name in self.wrong_at(commit_))

    def dice(self, *key: object) -> Random:
        """For a question, and how often it has been asked."""
        self._asked[key] += 1
        return Random(f"{self.seed} {key} {self._asked[key]}")  # noqa: S311

    def pay(self, tokens_k: float) -> None:
        self.tokens_k += tokens_k
        self.calls += 1


MODULE_FILES: Final = tuple(f"m{module}.py" for module in range(MODULES))


def module_of(name: str) -> str:
    return MODULE_FILES[int(name[1:]) // FUNCTIONS]


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(root: Path, message: str) -> str:
    git(root, "add", "-A")
    who = ("-c", "user.name=Bench", "-c", "user.email=bench@localhost", "-c", "commit.gpgsign=false")
    git(root, *who, "commit", "-q", "--allow-empty", "-m", message)
    return git(root, "rev-parse", "HEAD")


@dataclass(frozen=True, slots=True)
class Critic:
    """Sees a part of what is wrong, makes things up, and gives second opinions that are mostly right."""

    code: Codebase
    name: str = "critic"

    def again(self, label: str) -> Critic:
        return Critic(self.code, f"critic-{label}")

    async def review(self, proposal: Proposal, /) -> Review:
        whole = proposal.base == git(self.code.root, "rev-parse", "main")
        return Review(reviewer=self.name, findings=self.look(proposal.head, None if whole else proposal.base))

    def look(self, head: str, base: str | None = None) -> tuple[Finding, ...]:
        """At the whole, or at what is new since `base`: there more is seen and less made up."""
        code, dice = self.code, self.code.dice("look", base is None)
        code.pay(PRICES.review if base is None else PRICES.delta)
        there = code.wrong_at(head)
        new = there - code.wrong_at(base) if base is not None else there
        sees = WORLD.sees if base is None else WORLD.sees_in_delta
        seen = [name for name in sorted(new) if dice.random() < sees]
        made_up = poisson(dice, WORLD.bogus if base is None else WORLD.bogus_in_delta)
        fine = sorted(set(code.right) - there)
        said = [self.said(name, head, dice) for name in seen]
        return tuple(said + [self.said(dice.choice(fine), head, dice) for _ in range(made_up) if fine])

    def said(self, name: str, head: str, dice: Random) -> Finding:
        code, path = self.code, module_of(name)
        wrong = name in code.wrong_at(head)
        text = next(line for line in git(code.root, "show", f"{head}:{path}").splitlines() if f"def {name}(" in line)
        proof = f'"{sys.executable}" -B -c "from {path[:-3]} import {name}; assert {name}(3) == {code.of_three(name)}"'
        severity: Severity = code.severity[name] if wrong else "major" if dice.random() < 0.4 else "minor"
        return Finding(
            id="",
            severity=severity,
            category="correctness",
            path=path,
            anchor=text,
            symbol=name,
            claim=f"{name} gives a wrong number, as told in way {dice.randrange(1000)}.",
            evidence=f"{name}(3) should be another number.",
            suggested_check=proof if name in code.provable and wrong else None,
        )

    async def verify(self, question: Question, /) -> Vote:
        code, name = self.code, question.finding.symbol or ""
        wrong = name in code.wrong_at(question.proposal.head)
        dice = code.dice("opinion", question.kind, name, wrong)
        code.pay(PRICES.vote if question.kind == "real" else PRICES.gone)
        if question.kind == "gone":
            return Vote(voter=self.name, accepts=dice.random() >= (WORLD.notices_left if wrong else WORLD.doubts_gone))
        return Vote(voter=self.name, accepts=dice.random() < (WORLD.accepts_real if wrong else WORLD.accepts_bogus))


@dataclass(frozen=True, slots=True)
class Hands:
    """Mends most of what it is told to mend, breaks something else in the same file, and may weaken a test."""

    code: Codebase

    async def fix(self, job: FixJob, workspace: Workspace, /) -> str:
        box = workspace.box
        paths = (*MODULE_FILES, "tests.py")
        files = {path: (await box.read(path, limit_bytes=100_000)).decode() for path in paths}
        factor = {"first": 1.0, "fresh": WORLD.fresh, "advisor": 1.15}.get(job.rung, 1.0)
        if job.broken:
            changed = self.repair(files)
        else:
            self.code.pay(PRICES.fix + PRICES.fix_finding * len(job.cases))
            changed = self.edit(files, [case.finding.symbol or "" for case in job.cases], factor)
        for path, text in changed.items():
            if text != files[path]:
                await box.write(path, text.encode())
        return "Done."

    def edit(self, files: dict[str, str], names: Sequence[str], factor: float = 1.0) -> dict[str, str]:
        code, changed = self.code, dict(files)
        for name in names:
            dice = code.dice("edit", name)
            path = module_of(name)
            if name not in code.wrong_in(changed.values()) and dice.random() < WORLD.pushes_back:
                continue
            code.edits += 1
            if dice.random() < WORLD.mends * factor:
                changed[path] = put(changed[path], name, code.line(name))
            for _ in range(poisson(dice, WORLD.brings)):
                other = f"f{int(name[1:]) // FUNCTIONS * FUNCTIONS + dice.randrange(FUNCTIONS)}"
                if other != name and other not in code.wrong_in(changed.values()):
                    changed[path] = put(changed[path], other, code.line(other, wrong=True))
                    code.brought += 1
        return changed

    def repair(self, files: dict[str, str]) -> dict[str, str]:
        """What a failing test shows is repaired, or the test is weakened."""
        code, changed = self.code, dict(files)
        for name in sorted(code.wrong_in(files.values())):
            if f"import {name}\n" not in files["tests.py"]:
                continue
            if code.dice("repair", name).random() < WORLD.weakens:
                changed["tests.py"] = re.sub(
                    rf"(?m)^assert {name}\(3\) == \d+$", f"assert {name}(3)", changed["tests.py"]
                )
            else:
                changed[module_of(name)] = put(changed[module_of(name)], name, code.line(name))
                code.brought -= 1
        return changed


def put(text: str, name: str, line: str) -> str:
    return re.sub(rf"(?m)^def {name}\(x\): .*$", line, text)


def poisson(dice: Random, mean: float) -> int:
    limit, number, product = math.exp(-mean), 0, dice.random()
    while product > limit:
        number, product = number + 1, product * dice.random()
    return number


def run_real(policy: ReviewPolicy, folder: Path, seed: int) -> Outcome:
    """Captain's loop. What it hands back never weighs more, as far as it knows, than what came in."""
    code = Codebase.make(folder, seed)
    loop = ReviewLoop(reviewers=(Critic(code),), fixer=Hands(code), checks=(_TESTS,), policy=policy)
    report = anyio.run(partial(loop.run, code.root, "main", "work"))
    assert report.weight(report.commit) <= report.weight(report.start), "no heavier in known weight than the start"
    left = code.wrong_at(report.commit)
    told = {case.finding.symbol for case in (*report.residuals, *report.unproved)}
    return scored(
        code,
        report.commit,
        verdict=report.verdict,
        converged=report.verdict in ("converged", "converged_with_residuals"),
        rounds=report.rounds,
        silent=sum(SEVERITY_WEIGHT[code.severity[name]] for name in left - told),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """A plain policy: all findings in one edit, the last round wins, and a rule for when to stop."""

    max_rounds: int = LONGEST
    stop: Stop = lambda _: None


HABITS: Final = {
    "until silent": Habit(),
    "max-3": Habit(max_rounds=3),
    "max-5, last round wins": Habit(max_rounds=5),
    "repeated text": Habit(stop=repeats_itself),
    "count trend": Habit(stop=count_does_not_drop),
}


def run_habit(habit: Habit, folder: Path, seed: int) -> Outcome:
    code = Codebase.make(folder, seed)
    critic, hands, history = Critic(code), Hands(code), History(Program(WORLD, seed))
    head, verdict = git(code.root, "rev-parse", "work"), "budget"
    while len(history.reports) < habit.max_rounds:
        found = critic.look(head)
        history.reports.append(
            [Report(about=f.symbol or "", severity=f.severity, path=f.path, words=f.claim) for f in found]
        )
        if not found:
            verdict = "converged"
            break
        if (stopped := habit.stop(history)) is not None:
            verdict = stopped
            break
        files = {path: (code.root / path).read_text() for path in (*MODULE_FILES, "tests.py")}
        code.pay(PRICES.fix + PRICES.fix_finding * len(found))
        changed = hands.edit(files, list(dict.fromkeys(f.symbol or "" for f in found)))
        save(code.root, changed)
        if subprocess.run(_TESTS.command, shell=True, cwd=code.root, capture_output=True, check=False).returncode:  # noqa: S602
            save(code.root, hands.repair(changed))
        head = commit(code.root, "Mended")
    left = code.weight(head)
    return scored(
        code, head, verdict=verdict, converged=verdict == "converged", rounds=len(history.reports), silent=left
    )


def save(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).write_text(text)


def scored(code: Codebase, head: str, *, verdict: str, converged: bool, rounds: int, silent: int) -> Outcome:
    return Outcome(
        verdict=verdict,
        converged=converged,
        start=code.weight(first_of(code)),
        end=code.weight(head),
        silent=silent,
        rounds=rounds,
        calls=code.calls,
        tokens_k=code.tokens_k,
        edits=code.edits,
        brought=code.brought,
    )


def first_of(code: Codebase) -> str:
    """The commit that was handed in: the first after `main`."""
    return git(code.root, "rev-list", "--reverse", "main..work").split()[0]


def on_real_repositories(seeds: int) -> dict[str, Summary]:
    runs: dict[str, Callable[[Path, int], Outcome]] = {
        f"captain {name}": partial(run_real, policy) for name, policy in POLICIES.items()
    }
    runs |= {name: partial(run_habit, habit) for name, habit in HABITS.items()}
    found: dict[str, Summary] = {}
    for name, run in runs.items():
        with tempfile.TemporaryDirectory(prefix="captain-convergence-") as folder:
            found[name] = summed_up([run(Path(folder) / str(seed), seed) for seed in range(seeds)])
    return found
