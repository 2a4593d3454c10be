"""Where the link ``previous`` leads, which people and tidying go by."""

from __future__ import annotations

from pathlib import Path

from edged.adapters.artifacts import ArtifactStore
from edged.vocabulary.actions import Where
from tests.adapters.artifacts import FolderContainers, deploy, no_web, runtime
from tests.bundles.maker import MODEL, write

MODELS = Where("model", "/models", "mount")


def test_previous_leads_to_what_a_rollback_goes_back_to(tmp_path: Path) -> None:
    """After a swap to the one before; after the way back to the one before that, or to nothing: never to a bad one."""
    store = ArtifactStore(tmp_path, FolderContainers(tmp_path / "boxes").port(), runtime(), no_web)
    first, second, bad = (
        deploy(store, "app", MODELS, write(tmp_path / name, {"model.onnx": MODEL}, version=name, sequence=3), name)
        for name in ("1", "2", "3")
    )
    link = tmp_path / "models" / "app" / "previous"
    for wanted, now, back in (
        *((first, "", ""), (bad, first, first), (first, bad, "")),
        *((second, first, first), (bad, second, second), (second, bad, first)),
    ):
        for _ in range(2):
            store.place("app", MODELS, "c1", wanted, now, 9, back)
            assert (f"sha256:{link.readlink().name}" if link.is_symlink() else "") == back
    store.place("app", MODELS, "c1", second, bad, 9, "sha256:" + "0" * 64)
    assert not link.is_symlink(), "a slot that is gone"
