"""edged ends at any instant of a backup or a restore, and the next one ends it: whole, with what was there kept."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edged.adapters.artifacts import steps
from edged.ports import ArtifactError
from tests.adapters.artifacts import FolderContainers
from tests.adapters.boxes import Bench, content
from tests.adapters.test_artifacts_cuts import CUT, cut_at, in_child

OLD = {"db": b"good", "log/a": b"a", "log/b": b"b", "f": b""}
NOW = {"db": b"torn", "db-wal": b"stale", "log/a": b"A", "log/c": b"c", "x/y": b"y"}


def prepared(folder: Path) -> Bench:
    bench = Bench(folder)
    bench.fill(OLD)
    bench.back_up()
    bench.fill(NOW)
    return bench


def aside(bench: Bench) -> dict[str, bytes]:
    """What was there before, as it is kept."""
    name = next(name for name in bench.names() if name.startswith("aside"))
    with tarfile.open(bench.file(name)) as tar:
        return {one.name: content(tar, one.name) for one in tar.getmembers() if one.isreg()}


def every_cut(tmp_path: Path, calls: str, work: Callable[[Bench], object], check: Callable[[Bench, bool], None]) -> int:
    def of(bench: Bench) -> Callable[[], None]:
        return lambda: [work(bench)].clear()

    number = 0
    while True:
        number += 1
        bench = prepared(tmp_path / str(number))
        code = in_child(cut_at(number, of(bench), calls))
        assert code in (0, CUT), f"at {number}: {code}"
        check(bench, code == 0)
        if code == 0:
            return number


def restored(bench: Bench, whole: bool) -> None:
    """Once more: it goes on, and the app has what the backup holds. What was there before was never lost."""
    journal = bench.state / "backups" / "app" / "restoring.json"
    begun, seen = journal.exists(), bench.seen()
    assert begun or seen in (NOW, OLD), "nothing is changed before the journal says so"
    if begun:
        assert aside(bench) == NOW
        with pytest.raises(ArtifactError, match="half restored"):
            bench.back_up()
    if not whole:
        bench.restore()
    assert bench.seen() == OLD and not journal.exists()
    kept = [name for name in bench.names() if name.startswith("aside")]
    assert len(kept) in (1, 2)
    if begun or whole:
        assert aside(bench) == NOW and len(kept) == 1
    tidy(bench)


def backed_up(bench: Bench, whole: bool) -> None:
    """Each backup that counts is good; what was cut short is swept away by the next one."""
    assert bench.seen() == NOW
    for name in bench.names():
        with tarfile.open(bench.file(name)) as tar:
            assert content(tar, "db") in (b"good", b"torn")
    assert len(bench.names()) >= 1
    bench.back_up()
    tidy(bench)


def tidy(bench: Bench) -> None:
    left = {path.name.partition(".")[0] for path in (bench.state / "backups" / "app").iterdir()}
    assert left == set(bench.names())


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sync", lambda: None)


@pytest.mark.parametrize(("calls", "least"), [("", 20), ("edged", 24), ("all", 50)])
def test_a_restore_cut_short(tmp_path: Path, calls: str, least: int) -> None:
    assert every_cut(tmp_path, calls, Bench.restore, restored) > least
    assert FolderContainers.busy is False


@pytest.mark.parametrize(("calls", "least"), [("", 6), ("edged", 12)])
def test_a_backup_cut_short(tmp_path: Path, calls: str, least: int) -> None:
    assert every_cut(tmp_path, calls, Bench.back_up, backed_up) > least


def test_a_rotation_cut_short(tmp_path: Path) -> None:
    """The newest good one is there at each instant."""

    def third(bench: Bench) -> None:
        for _ in range(3):
            bench.back_up()

    assert every_cut(tmp_path, "", third, backed_up) > 20


def test_there_are_many_named_steps(tmp_path: Path) -> None:
    seen: set[str] = set()
    before, steps.at = steps.at, seen.add
    try:
        prepared(tmp_path).restore()
    finally:
        steps.at = before
    assert {name.partition(":")[0] for name in seen} >= {
        "data.backup.file", "data.backup.record", "data.file.fsync", "data.aside.file", "data.aside.record",
        "data.restore.look", "data.restore.journal", "data.restore.clear", "data.restore.put", "data.restore.sync",
        "data.restore.end",
    }  # fmt: skip


def begun(bench: Bench) -> None:
    """A restore that was cut short after it had begun to change something."""
    number = 0
    while not (bench.state / "backups" / "app" / "restoring.json").exists():
        number += 1
        bench.fill(NOW)
        assert in_child(cut_at(number, lambda: [bench.restore()].clear(), "")) == CUT


def test_whatever_fails_after_the_beginning_says_that_half_of_it_may_be_there(tmp_path: Path) -> None:
    bench = prepared(tmp_path)
    begun(bench)
    for path in (bench.state / "backups" / "app").glob("*.tar.gz"):
        path.rename(path.with_suffix(".away"))
    with pytest.raises(ArtifactError) as told:
        bench.restore()
    assert told.value.code == "half"
    bench.boxes.status = "running"
    with pytest.raises(ArtifactError) as told:
        bench.restore()
    assert told.value.code == "half" and "app runs" in str(told.value)


def test_a_person_may_name_another_one_then(tmp_path: Path) -> None:
    bench = prepared(tmp_path)
    bench.fill({"db": b"another"})
    other = bench.back_up()["name"]
    begun(bench)
    assert bench.restore(other)["name"] == other
    assert bench.seen() == {"db": b"another"} and aside(bench) == NOW


def test_the_backup_goes_bad_while_a_restore_is_half_done(tmp_path: Path) -> None:
    """The next good one is put in place: half of two things is of no use."""
    bench = Bench(tmp_path)
    older = bench.back_up()["name"]
    bench.fill(OLD)
    newest = bench.back_up()["name"]
    bench.fill(NOW)
    begun(bench)
    bench.file(newest).write_bytes(b"rotten")
    assert bench.restore()["name"] == older
    assert bench.seen() == {"db": b"one", "log/a": b"a"} and aside(bench) == NOW
