"""The store of artifacts, imported when the first deployment needs it: most days there is none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..ports import Artifacts, Containers, Prober

if TYPE_CHECKING:
    from ..bundles import Trust
    from .artifacts.store import ArtifactStore


class _Lazy:
    def __init__(self, make: Callable[[], ArtifactStore]) -> None:
        self._make, self._lock = make, threading.Lock()
        self._store: ArtifactStore | None = None

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            if self._store is None:
                self._store = self._make()
        return getattr(self._store, name)


def lazy_artifacts(
    state: Path,
    containers: Containers,
    prober: Prober,
    trust: Callable[[], Trust | None],
    device: str,
    wall: Callable[[], float],
) -> Artifacts:
    """``trust``: whose signatures count now; ``None``: they are not looked at."""

    def make() -> ArtifactStore:
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
        )

    return cast(Artifacts, _Lazy(make))
