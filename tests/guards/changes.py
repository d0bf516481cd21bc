"""Changes as git would state them."""

from __future__ import annotations

from captain.core.diff import ABSENT, Change

NOTHING = "0" * 40


def edit(path: str, mode: str = "100644", *, was: str = "100644") -> Change:
    return Change(path=path, old_mode=was, new_mode=mode, old_id="1" * 40, new_id="2" * 40)


def add(path: str, mode: str = "100644") -> Change:
    return Change(path=path, old_mode=ABSENT, new_mode=mode, old_id=NOTHING, new_id="2" * 40)


def delete(path: str, mode: str = "100644") -> Change:
    return Change(path=path, old_mode=mode, new_mode=ABSENT, old_id="1" * 40, new_id=NOTHING)
