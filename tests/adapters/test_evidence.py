"""The folder with evidence: bounded for each incident and in all, and read again incident by incident."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from edged.adapters.evidence import EvidenceFolder
from edged.ports import NotFound


def noise(size: int) -> dict[str, str]:
    return {"noise": os.urandom(size).hex()}


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.gz"))


def fill(folder: EvidenceFolder, path: Path, incident: str, count: int, size: int) -> list[str]:
    made = []
    for number in range(count):
        kept, _, _ = folder.save(f"{incident or 'app'}-1-{number}", noise(size), incident)
        stamp = 10**18 + len(names(path)) * 10**9 + number * 10**6 + crc32(incident.encode()) % 1000
        os.utime(kept, ns=(stamp, stamp))
        made.append(str(Path(kept).relative_to(path)))
    return made


def test_one_incident_does_not_push_out_all_others_and_keeps_its_beginning(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path, 80_000)
    other = fill(folder, tmp_path, "INC-1", 2, 1000)
    storm = fill(folder, tmp_path, "INC-2", 30, 1000)
    kept = names(tmp_path)
    assert set(other) <= set(kept)
    assert {*storm[:2], storm[-1]} <= set(kept) and len(kept) < 15
    assert sum((tmp_path / name).stat().st_size for name in kept if "INC-2" in name) <= 10_000


def test_all_together_are_bounded_and_empty_folders_go(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path, 10_000)
    for number in range(20):
        made = fill(folder, tmp_path, f"INC-{number:02}", 1, 1000)
        os.utime(tmp_path / made[0], (number, number))
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.gz")) <= 10_000
    assert names(tmp_path)[-1] == made[0]
    assert all(any(one.iterdir()) for one in tmp_path.iterdir())


def test_who_saves_first_need_not_look_at_thousands_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(EvidenceFolder(tmp_path, 80_000), tmp_path, "INC-1", 3, 1000)
    folder = EvidenceFolder(tmp_path, 80_000)
    folder.look()
    looks: list[Path] = []
    scan = folder._records

    def counted() -> Any:
        looks.append(tmp_path)
        return scan()

    monkeypatch.setattr(folder, "_records", counted)
    folder.save("a-2-1", {"n": 1}, "INC-1")
    assert not looks
    EvidenceFolder(tmp_path / "none", 1).look()
    fill(folder, tmp_path, "INC-1", 30, 1000)
    assert looks and sum(path.stat().st_size for path in tmp_path.rglob("*.gz")) <= 10_000, "what was found counts"


def test_all_of_an_incident_with_records_from_elsewhere(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path, 10**7)
    early, _, _ = folder.save("a-1-1", {"n": 0})
    os.utime(early, (1, 1))
    for number in range(1, 5):
        path, _, _ = folder.save(f"a-1-{number + 1}", {"n": number}, "INC-1")
        os.utime(path, (1 + number, 1 + number))
    whole = json.loads(folder.read_incident("INC-1", [early, "/etc/passwd", "../x"], 10**6))
    assert [one["n"] for one in whole["records"].values()] == [0, 1, 2, 3, 4] and whole["left_out"] == []
    size = Path(early).stat().st_size
    part = json.loads(folder.read_incident("INC-1", [early], 3 * size + size // 2))
    assert list(part["records"]) == ["a-1-1", "a-1-4", "a-1-5"] and sorted(part["left_out"]) == ["a-1-2", "a-1-3"]
    assert folder.read("", "a-1-3")[0] == "a-1-3" and folder.read("a", "")[0] == "a-1-5"
    with pytest.raises(NotFound):
        folder.read_incident("INC-2", [], 10**6)
    with pytest.raises(NotFound):
        folder.read_incident("../INC-1", [], 10**6)


def test_half_of_it_goes_when_the_disk_is_full(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path, 10**7)
    made = fill(folder, tmp_path, "INC-1", 10, 1000)
    for number, name in enumerate(made):
        os.utime(tmp_path / name, (number, number))
    freed = folder.prune()
    left = names(tmp_path)
    assert left in (sorted(made[4:]), sorted(made[5:])) and freed > 4000
    assert EvidenceFolder(tmp_path / "none", 1).prune() == 0
