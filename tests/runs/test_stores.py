"""Every journal store keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from captain.runs import MemoryStore, SqliteStore, Store
from captain.testing import StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _one_store(self) -> None:
        self._store = MemoryStore()

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        yield self._store


class TestSqliteStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _one_file(self, tmp_path: Path) -> None:
        self._path = tmp_path / "journal of ünits.sqlite"

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        store = await SqliteStore.open(self._path, "run-1")
        try:
            yield store
        finally:
            await store.aclose()
