"""Every journal store keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from captain.runs import MemoryStore, SqliteStore, Store
from captain.testing import HoldContract, StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _one_store(self) -> None:
        self._store = MemoryStore()

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        yield self._store


class TestSqliteStore(StoreContract, HoldContract):
    @pytest.fixture(autouse=True)
    def _one_file(self, tmp_path: Path) -> None:
        self._path = tmp_path / "journal of ünits.sqlite"

    @asynccontextmanager
    async def store(self, *, take_over: bool = False) -> AsyncIterator[Store]:
        store = await SqliteStore.open(self._path, "run-1", take_over=take_over)
        try:
            yield store
        finally:
            await store.aclose()
