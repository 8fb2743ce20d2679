"""Both logs keep every promise of the port."""

from pathlib import Path

import pytest

from engine.store.memory import MemoryDisk, MemoryLog
from engine.store.port import Store
from engine.store.sqlite import SqliteLog
from engine.testing.store_conformance import Linger, MakeStore, StoreConformance


class TestSqliteLog(StoreConformance):
    @pytest.fixture
    def make_store(self, tmp_path: Path) -> MakeStore:
        async def make(linger: Linger) -> Store:
            return await SqliteLog.open(tmp_path / "data", linger=linger)

        return make


class TestMemoryLog(StoreConformance):
    @pytest.fixture
    def make_store(self) -> MakeStore:
        disk = MemoryDisk()

        async def make(linger: Linger) -> Store:
            return MemoryLog(linger, disk)

        return make
