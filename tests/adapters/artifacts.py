"""What the tests of artifacts have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edged.adapters.artifacts import ArtifactStore
from edged.adapters.model_check import ChildRuntime
from edged.vocabulary.actions import Where


def no_web(*_: Any) -> Any:
    raise AssertionError("nothing is fetched by URL here")


def runtime() -> ChildRuntime:
    return ChildRuntime()


def deploy(store: ArtifactStore, app: str, where: Where, bundle: Path, deployment: str = "d1") -> str:
    """Fetched and verified: the digest of the slot."""
    store.fetch(app, where, str(bundle), deployment, 60.0)
    digest: str = store.verify(app, where, deployment, "", 0, ())["digest"]
    return digest
