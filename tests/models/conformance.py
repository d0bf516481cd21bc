"""Where the recorded traffic and the request schemas lie, for tests that are skipped without them."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any, Final

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


@cache
def validator(name: str) -> Any:
    """Of the request schema of that name."""
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is in the dev extra")
    return jsonschema.Draft202012Validator(json.loads((folder(SCHEMAS) / f"{name}.schema.json").read_text()))
