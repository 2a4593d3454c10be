"""What the executors ask of the world. Real containers are in tests/system."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from edged.act import Tools, evidence
from edged.adapters.evidence import EvidenceFolder
from edged.ports import PortError
from edged.vocabulary.actions import RestartEngine


class Units:
    def __init__(self, on_purpose: bool) -> None:
        self.on_purpose, self.restarted = on_purpose, [""][:0]

    def stopped_on_purpose(self, unit: str, timeout: float) -> bool:
        return self.on_purpose

    def restart(self, unit: str, timeout: float) -> None:
        self.restarted.append(unit)


class Known:
    def moment(self, subject: str) -> dict[str, Any]:
        return {"about": subject}


def tools(folder: Path, units: Any = None) -> Tools:
    none = cast(Any, None)
    return Tools(
        containers=none, services=cast(Any, units), host=none, evidence=EvidenceFolder(folder, 1_000_000),
        artifacts=none, prober=none, own_config=none, readings=cast(Any, Known()), data=none,
    )  # fmt: skip


def test_old_evidence_makes_room(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path, 1_000)
    for number in range(12):
        folder.save(f"r{number:02}", {"noise": [hash((number, i)) for i in range(20)]})
    kept = sorted(p.name for p in tmp_path.iterdir())
    assert 0 < len(kept) < 12 and kept[-1] == "r11.json.gz"
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) <= 1_000


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("a file is in the way")
    with pytest.raises(PortError, match="cannot keep evidence"):
        EvidenceFolder(tmp_path / "evidence", 1_000).save("x", {})


@pytest.mark.parametrize("on_purpose", [True, False])
def test_an_engine_that_a_person_stopped_is_left_alone(tmp_path: Path, on_purpose: bool) -> None:
    units = Units(on_purpose)
    action = RestartEngine(id="1", subject="engine", reason="r", timeout=5.0, unit="docker.service")
    result = evidence.restart_engine(action, tools(tmp_path, units=units))
    assert result.get("stopped_on_purpose", False) is on_purpose
    assert units.restarted == ([] if on_purpose else ["docker.service"])
    assert ("evidence" in result) is not on_purpose
