"""A place has to exist, and a command that fails has to fail because of the bug."""

from __future__ import annotations

import pytest

from captain.core.tasks import Diagnosis, Location
from captain.orchestration.locating import symbol_problem
from captain.orchestration.reproducing import failure_of_its_own

SHIP = '''"""Ships."""

SPEED = 7


class Ship:
    crew: int = 0

    def sail(self):
        self.wind = 3

        def tack():
            return 1

        return tack()


class Boat:
    def sail(self):
        return 2
'''


@pytest.mark.parametrize(
    "symbol", ["Ship", "Ship.sail", "sail", "Boat.sail()", "Ship::sail", "SPEED", "Ship.crew", "Ship.sail.tack", "wind"]
)
def test_what_is_defined_is_found(symbol: str) -> None:
    assert symbol_problem(Location(path="ship.py", symbol=symbol), SHIP) is None


@pytest.mark.parametrize(
    ("symbol", "says"),
    [
        ("Ship.sial", "points at 'Ship.sial', which ship.py does not define; did you mean 'Ship.sail'?"),
        ("Boat.tackle", "points at 'Boat.tackle', which ship.py does not define; did you mean 'Boat.sail'?"),
        ("Ships", "points at 'Ships', which ship.py does not define; did you mean 'Ship'?"),
        ("return", "points at 'return', which ship.py does not define"),
        ("()", "names the symbol '()', which is no name"),
    ],
)
def test_what_is_not_defined_is_said_with_what_may_be_meant(symbol: str, says: str) -> None:
    assert symbol_problem(Location(path="ship.py", symbol=symbol), SHIP) == says


def test_other_languages_and_broken_python_are_searched_as_text() -> None:
    assert symbol_problem(Location(path="a.go", symbol="Ship.Sail"), "func (s Ship) Sail() {}") is None
    assert symbol_problem(Location(path="a.py", symbol="sail"), "def sail(:\n") is None
    assert symbol_problem(Location(path="a.go", symbol="Sail"), "func Sailing() {}") == (
        "points at 'Sail', which does not occur in a.go"
    )


FILES = ("quay/money.py", "tests/test_money.py")
TRACE = 'Traceback (most recent call last):\n  File "<string>", line 1, in <module>\n'


@pytest.mark.parametrize(
    ("command", "exit_code", "output", "why"),
    [
        ("python -m pytest -q", 2, "1 error during collection", "pytest was interrupted"),
        ("pytest tests", 5, "no tests ran in 0.01s", "pytest found no test"),
        ("python -m unittest", 5, "Ran 0 tests in 0.000s\n\nNO TESTS RAN", "no test was run"),
        ("python x.py", 2, "python: can't open file 'x.py': [Errno 2] No such file", "it names x.py"),
        ("cat docs/a.md | grep x", 1, "cat: docs/a.md: No such file or directory", "it names docs/a.md"),
        (
            "echo (",
            2,
            "/bin/bash: -c: line 1: syntax error near unexpected token `('",
            "the command itself has a syntax",
        ),
        (
            "python -c 'x ='",
            1,
            '  File "<string>", line 1\n    x =\n\nSyntaxError: invalid syntax',
            "the command itself",
        ),
        ("python -c 'import nope'", 1, f"{TRACE}ModuleNotFoundError: No module named 'nope'", "it imports nope"),
        ("python -m nope", 1, "python: No module named nope", "it imports nope"),
        # these may be the bug
        ("python -m pytest -q", 1, "1 failed", ""),
        ("make test", 2, "make: *** [test] Error 1", ""),
        ("python -c 'import quay'", 1, f"{TRACE}ModuleNotFoundError: No module named 'quay.cash'", ""),
        ("python -c 'import quay.money'", 1, f"{TRACE}ModuleNotFoundError: No module named 'decimals'", ""),
        ("python quay/money.py", 1, "FileNotFoundError: No such file or directory: 'rates.csv'", ""),
        ("python quay/money.py", 1, '  File "quay/money.py", line 1\nSyntaxError: invalid syntax', ""),
        ("grep -q total report.txt", 1, "", ""),
    ],
)
def test_a_failure_of_the_command_itself_is_told_from_one_of_the_project(
    command: str, exit_code: int, output: str, why: str
) -> None:
    said = failure_of_its_own(command, exit_code, output, FILES)
    assert said.startswith(why) if why else said == ""


def test_what_fails_only_sometimes_is_proved_by_several_runs_in_a_row() -> None:
    sure = Diagnosis(id="D1", cause="c", locations=(), reproduction="it's $(here) # really")
    assert sure.proof == "it's $(here) # really"
    flaky = Diagnosis(id="D1", cause="c", locations=(), reproduction="it's $(here) # really", flaky=True)
    assert flaky.proof == ("""for run in 1 2 3 4 5; do "${BASH:-sh}" -c 'it'"'"'s $(here) # really' || exit; done""")
    assert Diagnosis(id="D1", cause="c", locations=(), no_reproduction="n").proof is None
