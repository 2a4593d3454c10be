"""A damaged database is not only logged: an alert fires, and clears when the new one takes what is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.vocabulary.facts import StorageSeen

from .rig import Gate, Rig


def test_a_damaged_database_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "edged.db").write_bytes(b"rubbish" * 5000)
    rig = Rig(Gate("", ""), tmp_path, monkeypatch)
    try:
        rig.start()
        seen = rig.wait(lambda: [f for f in rig.facts if isinstance(f, StorageSeen)][1:], "it is over")
        first = next(f for f in rig.facts if isinstance(f, StorageSeen))
        assert not first.ok and "was damaged" in first.error and "edged.db.damaged-" in first.error
        assert seen[0].ok and not seen[0].error
        daemon = rig.daemon
        assert daemon is not None

        def told() -> bool:
            rows = daemon._store.history(0.0, ("alert.raised",), 10)
            return any(b"StorageFailing" in row.payload and b"was damaged" in row.payload for row in rows)

        rig.wait(told, "the alert")
    finally:
        rig.end()
