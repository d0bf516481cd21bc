"""The instructions the Captain starts with."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def prompt(name: str) -> str:
    return files(__name__).joinpath(f"{name}.md").read_text("utf-8")
