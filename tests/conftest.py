"""Async tests run on asyncio, the loop that the provider SDKs need."""

from __future__ import annotations

import pytest

from captain.orchestration import Options
from tests.root import IS_ROOT

if IS_ROOT:  # so that what a reader writes, without a word about root, runs in containers too
    assert Options.__init__.__kwdefaults__ is not None
    Options.__init__.__kwdefaults__["allow_root"] = True


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
