"""The engine's adapter, imported when it is first used: the docker SDK takes longer to import than all of edged."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

from ..ports import Containers

if TYPE_CHECKING:
    from .docker_engine import DockerEngine


class _Lazy:
    def __init__(self, url: str, timeout: float) -> None:
        self._url, self._timeout = url, timeout
        self._lock = threading.Lock()
        self._engine: DockerEngine | None = None

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            if self._engine is None:
                from .docker_engine import DockerEngine

                self._engine = DockerEngine(self._url, self._timeout)
        return getattr(self._engine, name)

    def close(self) -> None:
        """Closes the adapter if there ever was one."""
        with self._lock:
            engine = self._engine
        if engine is not None:
            engine.close()


def lazy_engine(url: str, timeout: float) -> Containers:
    """A ``DockerEngine`` that costs nothing until its first call, which waits for the import."""
    return cast(Containers, _Lazy(url, timeout))
