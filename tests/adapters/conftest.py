"""A store that keeps an audit, as the daemon opens it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edged.adapters.store import SqliteStore
from edged.report.audit import record


@pytest.fixture
def open_audited(tmp_path: Path) -> Iterator[Callable[[], SqliteStore]]:
    opened: list[SqliteStore] = []

    def make() -> SqliteStore:
        opened.append(SqliteStore(tmp_path / "edged.db", audited=record))
        return opened[-1]

    yield make
    for store in opened:
        store.close()
