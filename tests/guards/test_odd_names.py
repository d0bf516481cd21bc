"""A file name with a line end or bytes that are no text is judged like any other."""

from __future__ import annotations

import pytest

from captain.core.tasks import Scope
from captain.guards import ScopeGuard


@pytest.mark.parametrize(
    ("paths", "forbid", "path", "allowed"),
    [
        (("**",), ("**/secret/**",), "a\nb/secret/x", False),
        (("/src/",), ("src/**/x",), "src/a\nb/x", False),
        (("/src/",), ("src/vendor/**",), "src/vendor/a\nb", False),
        (("src/**",), ("*.lock",), "src/a\nb.lock", False),
        (("src/a.py",), (), "src/a.py\n", False),
        (("src/a.py",), (), "\nsrc/a.py", False),
        (("src/**",), (), "src/a\nb.py", True),
        (("*.py",), (), "latin-\udce9.py", True),
        (("**",), ("*.py",), "latin-\udce9.py", False),
    ],
)
def test_an_odd_name_does_not_slip_past_a_pattern(
    paths: tuple[str, ...], forbid: tuple[str, ...], path: str, *, allowed: bool
) -> None:
    assert ScopeGuard(Scope(paths=paths, forbid=forbid)).allows(path) is allowed
