"""Adapters that are imported and made when they are first used: the docker SDK takes longer to import than all of
edged, and on most days there is neither a deployment nor a backup."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..ports import Artifacts, Containers, DataBackups, Prober

if TYPE_CHECKING:
    from ..bundles import Trust
    from ..config import Bundles


class _Lazy:
    """Stands for what ``make`` makes. The first call waits for that; where it failed, the next call tries again."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make, self._lock = make, threading.Lock()
        self._made: Any = None

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            if self._made is None:
                self._made = self._make()
        return getattr(self._made, name)

    def close(self) -> None:
        """Closes the adapter if there ever was one."""
        with self._lock:
            made = self._made
        if made is not None:
            made.close()


def lazy_engine(url: str, timeout: float) -> Containers:
    """A ``DockerEngine``. ``timeout``: seconds, of calls that have none of their own."""

    def make() -> Containers:
        from .docker_engine import DockerEngine

        return DockerEngine(url, timeout)

    return cast(Containers, _Lazy(make))


def lazy_artifacts(
    state: Path,
    containers: Containers,
    prober: Prober,
    trust: Callable[[], Trust | None],
    device: str,
    wall: Callable[[], float],
    over: Callable[[str, str], bool],
    limits: Callable[[], Bundles],
) -> Artifacts:
    """``trust``: whose signatures count now; ``None``: they are not looked at. ``over``, ``limits``: as of
    ``ArtifactStore``."""

    def make() -> Artifacts:
        from . import ed25519
        from .artifacts import smoking
        from .artifacts.store import ArtifactStore
        from .artifacts.web import obtain
        from .model_check import ChildRuntime

        return ArtifactStore(
            state,
            containers,
            ChildRuntime(),
            obtain,
            trust=trust,
            check_signature=ed25519.verify,
            device=device,
            wall=wall,
            try_app=partial(smoking.send, prober),
            over=over,
            limits=limits,
        )

    return cast(Artifacts, _Lazy(make))


def lazy_backups(state: Path, containers: Containers, wall: Callable[[], float]) -> DataBackups:
    """A ``BackupStore`` under the folder ``state``. ``wall``: Unix time."""

    def make() -> DataBackups:
        from .data_backup import BackupStore

        return BackupStore(state, containers, wall)

    return cast(DataBackups, _Lazy(make))
