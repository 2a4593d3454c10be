"""The store of data backups, imported when the first backup needs it: many devices make none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..ports import Containers, DataBackups

if TYPE_CHECKING:
    from .data_backup import BackupStore


class _Lazy:
    def __init__(self, make: Callable[[], BackupStore]) -> None:
        self._make, self._lock = make, threading.Lock()
        self._store: BackupStore | None = None

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            if self._store is None:
                self._store = self._make()
        return getattr(self._store, name)


def lazy_backups(state: Path, containers: Containers, wall: Callable[[], float]) -> DataBackups:
    def make() -> BackupStore:
        from .data_backup import BackupStore

        return BackupStore(state, containers, wall)

    return cast(DataBackups, _Lazy(make))
