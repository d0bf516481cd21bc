"""What a ref of a run holds is said in words, whichever kind of ref it is."""

from __future__ import annotations

import inspect

import pytest

from captain.core import ids
from captain.workspace.run_refs import RunRef

RUN = "20260101-000000-aaaa"
KINDS = [name for name, _ in inspect.getmembers(ids, inspect.isfunction) if name.endswith("_ref")]


@pytest.mark.parametrize("kind", KINDS)
def test_every_ref_that_a_run_keeps_says_what_it_holds(kind: str) -> None:
    make = getattr(ids, kind)
    rest = [1 if name == "number" else "T1" for name in list(inspect.signature(make).parameters)[1:]]
    ref = RunRef(run=RUN, name=make(RUN, *rest), commit="a" * 40, subject="")
    assert "no run of this version" not in ref.holds
