"""Where the recorded traffic and the request schemas lie, for tests that are skipped without them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

TRAFFIC: Final = "traffic"
SCHEMAS: Final = "schemas"


def root() -> Path:
    default = Path(__file__).parents[2].parent / "shared" / "conformance"
    return Path(os.environ.get("CAPTAIN_CONFORMANCE") or default)


def folder(name: str) -> Path:
    found = root() / name
    if not found.is_dir():
        pytest.skip("the conformance material is not here (CAPTAIN_CONFORMANCE names its place)")
    return found
