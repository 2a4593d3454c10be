"""What the executors ask of the world. Real containers are in tests/system."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, cast

import pytest

from edged.act import Tools, executors
from edged.adapters.evidence import EvidenceFolder
from edged.ports import NotFound, PortError, Unreachable
from edged.vocabulary.actions import CaptureEvidence, RestartEngine
from edged.vocabulary.world import Container, Usage


class Engine:
    """Misbehaves on purpose."""

    def __init__(self, *, gone: bool = False) -> None:
        self.gone = gone

    def inspect(self, container_id: str) -> tuple[Container, dict[str, Any]]:
        if self.gone:
            raise NotFound("no such container")
        return Container(id=container_id, name="app", status="running", pid=7), {"State": {"ExitCode": 137}}

    def logs(self, container_id: str, lines: int, max_bytes: int, timeout: float) -> bytes:
        if self.gone:
            raise Unreachable("no answer within 2s")
        return b"2026 last words \xff\n"


class Host:
    def usage(self, container_id: str, pid: int | None) -> Usage:
        return Usage(container_id=container_id, memory=5)


class Units:
    def __init__(self, on_purpose: bool) -> None:
        self.on_purpose, self.restarted = on_purpose, [""][:0]

    def stopped_on_purpose(self, unit: str, timeout: float) -> bool:
        return self.on_purpose

    def restart(self, unit: str, timeout: float) -> None:
        self.restarted.append(unit)


def tools(folder: Path, engine: Any = None, units: Any = None) -> Tools:
    return Tools(
        containers=cast(Any, engine), services=cast(Any, units), host=cast(Any, Host()),
        evidence=EvidenceFolder(folder, 1_000_000), artifacts=cast(Any, None), prober=cast(Any, None),
        own_config=cast(Any, None), readings=cast(Any, None),
    )  # fmt: skip


CAPTURE = CaptureEvidence(
    id="app-1-1", subject="app", reason="AppDown", timeout=2.0, container_id="c", context={"a": "b"}
)


def test_evidence_is_whole_and_its_digest_is_right(tmp_path: Path) -> None:
    result = executors.capture(CAPTURE, tools(tmp_path, Engine()))
    record = json.loads(gzip.decompress(Path(result["path"]).read_bytes()))
    assert record["inspect"]["State"]["ExitCode"] == 137 and record["context"] == {"a": "b"}
    assert "last words" in record["logs"] and record["usage"]["memory"] == 5
    import hashlib

    assert result["digest"] == "sha256:" + hashlib.sha256(Path(result["path"]).read_bytes()).hexdigest()
    executors.settle(result, tools(tmp_path))


def test_what_cannot_be_had_is_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    result = executors.capture(CAPTURE, tools(tmp_path, Engine(gone=True)))
    record = json.loads(gzip.decompress(Path(result["path"]).read_bytes()))
    assert record["inspect_error"] == "no such container" and record["logs_error"] == "no answer within 2s"
    assert record["reason"] == "AppDown"


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
    result = executors.restart_engine(action, tools(tmp_path, units=units))
    assert result.get("stopped_on_purpose", False) is on_purpose
    assert units.restarted == ([] if on_purpose else ["docker.service"])
