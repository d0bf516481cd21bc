"""Where a run of these tests goes: a repository of two small modules, one of them wrong, and a folder for records."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.voyages import calc_repository


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return calc_repository(tmp_path / "a repo")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"
