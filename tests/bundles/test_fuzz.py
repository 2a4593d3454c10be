"""A small run of ``scripts/fuzz bundle``; and its watch sees what it is there to see."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.bundles import Source, Staged, stage
from tests.fuzz import bundle


def bars(count: int, seed: int) -> dict[str, bool]:
    return {figure.name.partition(": ")[2].split(",")[0]: figure.met for figure in bundle.run(count, seed)}


def test_a_thousand_hostile_bundles() -> None:
    assert bars(1000, 42) == dict.fromkeys(
        ["inputs that crashed", "inputs that wrote outside", "growth of peak memory over all inputs", "slowest input"],
        True,
    )  # fmt: skip


def test_the_watch_sees_an_escape_and_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(source: Source, folder: Path, *args: object, **more: object) -> Staged:
        (folder.parent / "neighbour").write_bytes(b"touched")
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(bundle, "stage", careless)
        met = bars(60, 1)
    assert not met["inputs that crashed"] and not met["inputs that wrote outside"]
    assert bundle.stage is stage
