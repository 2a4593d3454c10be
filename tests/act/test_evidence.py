"""Evidence: whole and without secrets; and kept before anything is destroyed."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from edged.act import EXECUTORS, Tools, data, evidence
from edged.adapters.evidence import EvidenceFolder
from edged.ports import NotFound, PortError, StorageError, Unreachable
from edged.vocabulary.actions import (
    Action,
    CaptureEvidence,
    PlaceArtifact,
    PruneDisk,
    RestartEngine,
    RestoreData,
    Where,
)
from edged.vocabulary.data import Stored
from edged.vocabulary.world import Container, Usage

LONG_AGO = "2020-01-02T03:04:05.123456789Z"


class World:
    """Everything that an executor may ask, and in which order it did."""

    def __init__(self, *, gone: bool = False) -> None:
        self.gone = gone
        self.done: list[str] = []
        self.containers = [
            Container(id="a" * 64, name="detector", status="exited"),
            Container(id="b" * 64, name="left-over", status="exited"),
            Container(id="c" * 64, name="busy", status="running"),
            Container(id="d" * 64, name="mine", status="exited", labels={"edged.enable": "true"}),
            Container(id="e" * 64, name="fresh", status="exited"),
            Container(id="f" * 64, name="never-started", status="created"),
        ]
        self.broken = ""
        self.policy, self.mounts = "no", list[dict[str, str]]()
        self.labels: dict[str, str] = {}

    def inspect(self, container_id: str) -> tuple[Container, dict[str, Any]]:
        if self.gone:
            raise NotFound("no such container")
        finished = "2999-01-01T00:00:00Z" if container_id[0] == "e" else LONG_AGO
        about: dict[str, Any] = {
            "State": {"ExitCode": 137, "FinishedAt": finished},
            "Created": LONG_AGO,
            "Args": ["--token", "hunter2", "--port=80"],
            "Mounts": self.mounts,
            "HostConfig": {"RestartPolicy": {"Name": self.policy}},
            "Config": {"Env": ["DB_PASSWORD=hunter2", "PORT=80"], "Cmd": ["app", "--api-key=hunter2"],
                       "Labels": {"secret.key": "hunter2", "edged.app": "x"} | self.labels},
        }  # fmt: skip
        return Container(id=container_id, name="app", status="running", pid=7), about

    def logs(self, container_id: str, lines: int, max_bytes: int, timeout: float) -> bytes:
        if self.gone:
            raise Unreachable("no answer within 2s")
        return b"2026 login with password=hunter2\n2026 last words \xff\n"

    def usage(self, container_id: str, pid: int | None) -> Usage:
        return Usage(container_id=container_id, memory=5)

    def moment(self, subject: str) -> dict[str, Any]:
        return {"about": subject}

    def list_all(self) -> tuple[Container, ...]:
        return tuple(self.containers)

    def remove(self, container_id: str, timeout: float) -> None:
        self.done.append(f"removed {container_id[0]}")
        if self.broken == "remove":
            raise PortError("it is in use")

    def prune_images(self, timeout: float) -> int:
        self.done.append("images")
        return 100

    def remove_files(self, patterns: tuple[str, ...], min_age: float) -> int:
        self.done.append(f"files {patterns}")
        if self.broken == "files":
            raise StorageError("read-only")
        return 10

    def prune(self) -> int:
        self.done.append("backups")
        return 1

    def restore(self, *args: Any) -> dict[str, Any]:
        self.done.append("restored")
        return {"name": "backup-1"}

    def place(self, *args: Any) -> dict[str, Any]:
        self.done.append("placed")
        return {"changed": 1}

    def stopped_on_purpose(self, unit: str, timeout: float) -> bool:
        return False

    def restart(self, unit: str, timeout: float) -> None:
        self.done.append("restarted")


class Kept(EvidenceFolder):
    """Says when something was kept."""

    def __init__(self, folder: Path, world: World) -> None:
        super().__init__(folder, 1_000_000)
        self.world = world

    def save(self, name: str, record: Any, incident: str = "") -> tuple[str, str, int]:
        self.world.done.append("evidence")
        return super().save(name, record, incident)


def tools(folder: Path, world: World) -> Tools:
    it = cast(Any, world)
    return Tools(
        containers=it, services=it, host=it, evidence=Kept(folder, world), artifacts=it, prober=it, own_config=it,
        readings=it, data=it,
    )  # fmt: skip


def record(result: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(Path(result["path"]).read_bytes()))
    return found


CAPTURE = CaptureEvidence(
    id="app-1-1", subject="app", reason="AppDown", timeout=2.0, container_id="c", context={"a": "b"},
    incident="INC-2026-01-02-001",
)  # fmt: skip


def test_it_is_whole_and_its_digest_is_right(tmp_path: Path) -> None:
    result = evidence.capture(CAPTURE, tools(tmp_path, World()))
    kept = record(result)
    assert kept["inspect"]["State"]["ExitCode"] == 137 and kept["context"] == {"a": "b"}
    assert "last words" in kept["logs"] and kept["usage"]["memory"] == 5 and kept["moment"] == {"about": "app"}
    path = Path(result["path"])
    assert result["digest"] == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.parent.name == kept["incident"] == "INC-2026-01-02-001"
    evidence.settle(result, tools(tmp_path, World()))


def test_no_secret_is_kept(tmp_path: Path) -> None:
    kept = record(evidence.capture(CAPTURE, tools(tmp_path, World())))
    assert "hunter2" not in json.dumps(kept)
    assert kept["inspect"]["Args"] == ["--token", "***", "--port=80"]
    assert kept["inspect"]["Config"]["Labels"]["edged.app"] == "x"


def test_what_cannot_be_had_is_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    kept = record(evidence.capture(CAPTURE, tools(tmp_path, World(gone=True))))
    assert kept["inspect_error"] == "no such container" and kept["logs_error"] == "no answer within 2s"
    assert kept["reason"] == "AppDown" and kept["moment"] == {"about": "app"}


def test_a_private_key_in_a_log_is_hidden_line_by_line() -> None:
    key = ("-----BEGIN EC PRIVATE KEY-----", "MHcCAQEEIBkg", "-----END EC PRIVATE KEY-----")
    lines = [f"2026-01-02T03:04:05Z {line}\n" for line in ("before", *key, "after")]
    assert list(evidence.cleaned(lines)) == [lines[0], *["***\n"] * 3, lines[4]]


STORED = Stored(path="/data")
BACK = PlaceArtifact(
    id="a-1-3", subject="a/artifacts", reason="r", timeout=5.0, where=Where("model", "/models", "mount"),
    container_id="c", digest="old", previous="new", evidence=True,
)  # fmt: skip
DESTRUCTIVE: dict[str, Action] = {
    "placed": BACK,
    "restarted": RestartEngine(id="e-1", subject="engine", reason="r", timeout=5.0, unit="docker.service"),
    "restored": RestoreData(id="a-1-2", subject="a/data", reason="r", timeout=5.0, container_id="c", data=STORED),
    "removed b": PruneDisk(id="host-1", subject="host", reason="r", timeout=5.0, keep=("detector",)),
}


@pytest.mark.parametrize("step", DESTRUCTIVE)
def test_evidence_comes_before_the_destructive_step(tmp_path: Path, step: str) -> None:
    world, action = World(), DESTRUCTIVE[step]
    result = EXECUTORS[type(action)](action, tools(tmp_path, world))
    assert world.done.index("evidence") < world.done.index(step)
    assert record(result["evidence"])["reason"] == "r"


def test_putting_a_new_one_in_place_destroys_nothing(tmp_path: Path) -> None:
    world = World()
    result = EXECUTORS[PlaceArtifact](msgspec.structs.replace(BACK, evidence=False), tools(tmp_path, world))
    assert world.done == ["placed"] and result == {"changed": 1}


def test_evidence_that_cannot_be_kept_holds_up_no_remedy(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("a file is in the way")
    world, action = World(), DESTRUCTIVE["restarted"]
    result = EXECUTORS[type(action)](action, tools(tmp_path / "evidence", world))
    assert "cannot keep evidence" in result["evidence_error"] and "restarted" in world.done


def test_only_what_ended_long_ago_and_belongs_to_nobody_is_removed(tmp_path: Path) -> None:
    world = World()
    action = msgspec.structs.replace(DESTRUCTIVE["removed b"], keep=("detector", "x"), logs=("/var/log/x/*.gz",))
    result = data.prune(cast(PruneDisk, action), tools(tmp_path, world))
    assert [one for one in world.done if one.startswith("removed")] == ["removed b"]
    assert result["removed"] == ["left-over"] and result["freed"] == 111 and result["failed"] == []
    assert record(result["evidence"])["removed"]["left-over"]["inspect"]["State"]["ExitCode"] == 137
    by_id = msgspec.structs.replace(action, keep=("a" * 64, "b" * 64))
    assert data.prune(cast(PruneDisk, by_id), tools(tmp_path, world))["removed"] == []


@pytest.mark.parametrize(
    ("policy", "labels"), [("unless-stopped", {}), ("always", {}), ("no", {"com.docker.compose.project": "plant"})]
)
def test_what_somebody_means_to_start_again_stays(tmp_path: Path, policy: str, labels: dict[str, str]) -> None:
    world = World()
    world.policy, world.labels = policy, labels
    result = data.prune(cast(PruneDisk, DESTRUCTIVE["removed b"]), tools(tmp_path, world))
    assert result["removed"] == [] and "images" in world.done


def test_what_alone_leads_to_a_volume_stays(tmp_path: Path) -> None:
    world = World()
    for name, removed in (("0f" * 32, []), ("plant-data", ["left-over"])):
        world.mounts = [{"Type": "volume", "Name": name, "Destination": "/data"}]
        result = data.prune(cast(PruneDisk, DESTRUCTIVE["removed b"]), tools(tmp_path, world))
        assert result["removed"] == removed, name


def test_one_part_that_fails_keeps_no_other_from_being_freed(tmp_path: Path) -> None:
    world = World()
    world.broken = "files"
    result = data.prune(cast(PruneDisk, DESTRUCTIVE["removed b"]), tools(tmp_path, world))
    assert result["freed"] == 101 and result["failed"] == ["logs: read-only"]
    world.broken = "remove"
    result = data.prune(cast(PruneDisk, DESTRUCTIVE["removed b"]), tools(tmp_path, world))
    assert result["removed"] == [] and result["failed"] == ["left-over: it is in use"]
