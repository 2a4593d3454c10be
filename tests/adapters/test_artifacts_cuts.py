"""edged ends at any instant of a deployment, and the next run goes on: the app always has one whole artifact."""

from __future__ import annotations

import os
import stat
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from edged.adapters.artifacts import ArtifactStore, slots, steps
from edged.adapters.artifacts.layout import home
from edged.adapters.atomic import write_atomic
from edged.vocabulary.actions import Where
from tests.adapters.artifacts import FolderContainers, deploy, no_web, runtime
from tests.bundles.maker import MODEL, write

CUT = 99
STRIDE = int(os.environ.get("EDGED_CUT_STRIDE", "10"))
"""So many steps lie between two cuts: ``scripts/kill-matrix`` cuts at each, and 1 does so here."""
CALLS = (
    *("rename", "replace", "symlink", "unlink", "rmdir", "mkdir", "fsync", "chmod", "fchmod", "utime", "write", "sync"),
    *("link", "posix_fallocate"),
)
"""Of ``os``: everything that changes what is on disk."""
OLD, NEW = b"old: 1\n", b"new: 2\n" * 1000
TWO = {"model.onnx": MODEL, "b/c": b"2"}


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of this host's disks, hundreds of times: what it is for no test here can see."""
    monkeypatch.setattr(os, "sync", lambda: None)


class Case(Struct, frozen=True):
    where: Where
    old: dict[str, bytes]
    new: dict[str, bytes]
    managed: bool
    """The old one was deployed by edged."""


CASES = {
    "model by mount": Case(
        Where("model", "/models", "mount"), {"model.onnx": MODEL, "a.txt": b"1"}, TWO, True
    ),
    "first model by mount": Case(Where("model", "/models", "mount"), {}, {"model.onnx": MODEL, "b/c": b"2"}, False),
    "configuration by mount": Case(
        Where("config", "/cfg/current/c.yaml", "mount"), {"c.yaml": OLD}, {"c.yaml": NEW}, True
    ),
    "model by copy": Case(
        Where("model", "/models", "copy"), {"model.onnx": b"before", "labels": b"l"}, TWO, False
    ),
    "second model by copy": Case(
        Where("model", "/models", "copy"), {"model.onnx": MODEL, "a.txt": b"1"}, TWO, True
    ),
    "configuration by copy": Case(Where("config", "/app/c.yaml", "copy"), {"c.yaml": OLD}, {"c.yaml": NEW}, False),
    "new configuration by copy": Case(Where("config", "/app/c.yaml", "copy"), {}, {"c.yaml": NEW}, False),
}  # fmt: skip


class Bench:
    """One app with its state folder and its container, and the calls of one deployment."""

    def __init__(self, folder: Path, case: Case) -> None:
        self.folder, self.case = folder, case
        self.state = folder / "state"
        self.box = folder / "boxes" / "c1"
        self.home = home(self.state, "app", case.where)
        for made in (self.state, self.box / "app", self.box / "models"):
            made.mkdir(parents=True)
        self.new = write(folder / "new", case.new, sequence=4)
        self.old = ""
        if case.managed:
            store = self.store()
            self.old = deploy(store, "app", case.where, write(folder / "old", case.old), "d0")
            store.place("app", case.where, "c1", self.old, "", 60)
            store.tidy("app", case.where, [self.old], "d0")
        elif case.where.delivery == "copy":
            for path, data in case.old.items():
                (self.target().parent / path if case.where.kind == "config" else self.target() / path).write_bytes(data)
        self.before = self.seen()

    def store(self) -> ArtifactStore:
        mounts = {"/models": self.home.root, "/cfg": self.home.root}
        return ArtifactStore(self.state, FolderContainers(self.folder / "boxes", mounts).port(), runtime(), no_web)

    def target(self) -> Path:
        return self.box / self.case.where.path.lstrip("/")

    def seen(self) -> dict[str, bytes]:
        """What the app would read now; edged's own files in the container apart."""
        where = self.home.root / "current" if self.case.where.delivery == "mount" else self.target()
        if where.is_file():
            return {where.name: where.read_bytes()}
        found = {str(p.relative_to(where)): p.read_bytes() for p in where.rglob("*") if p.is_file()}
        return {path: data for path, data in found.items() if ".edged-" not in path and "manifest" not in path}

    def forward(self) -> None:
        """A deployment that is committed. Each call begins with a store that knows nothing, at the phase that was not
        ended: the judge writes down each one's end."""
        where, journal = self.case.where, self.folder / "journal"
        ended: list[str] = journal.read_text().splitlines() if journal.exists() else []
        phases: tuple[Callable[[], dict[str, Any]], ...] = (
            lambda: self.store().fetch("app", where, str(self.new), "d1", 60),
            lambda: self.store().verify("app", where, "d1", "", 3, ()),
            lambda: self.store().back_up("app", where, "c1", self.old, 60),
            lambda: self.store().place("app", where, "c1", ended[1], ended[2], 60, ended[2]),
            lambda: self.store().tidy("app", where, [one for one in ended[1:3] if one], "d1"),
        )
        for phase in phases[len(ended) :]:
            ended.append(str(phase().get("digest", "")))
            write_atomic(journal, "".join(f"{one}\n" for one in ended).encode())

    def back(self) -> None:
        """The rollback after it."""
        _, new, old, *_ = (self.folder / "journal").read_text().splitlines()
        if old:
            self.store().verify("app", self.case.where, "d2", old, 0, ())
        self.store().place("app", self.case.where, "c1", old, new, 60)

    def wanted(self) -> dict[str, bytes]:
        if self.case.where.kind == "config" and self.case.where.delivery == "copy":
            return {self.target().name: self.case.new["c.yaml"]}
        kept = {} if self.case.managed or self.case.where.delivery == "mount" else self.case.old
        return {**kept, **self.case.new}

    def check_whole(self, gaps: bool = False) -> None:
        """Old or new. Of several files in a container each is one or the other; with ``gaps`` a name may be free."""
        seen = self.seen()
        if self.case.where.delivery == "mount":
            assert seen in (self.before, self.wanted())
        for path, data in seen.items():
            assert data in (self.before.get(path), self.wanted().get(path)), path
        assert gaps or set(seen) >= set(self.before) & set(self.wanted())
        for slot in self.home.slots.iterdir() if self.home.slots.exists() else ():
            slots.check(slot, slot.name)

    def check_clean(self) -> None:
        assert list(self.home.staging.iterdir()) == []
        names = {p.name for p in self.home.root.iterdir()}
        assert names <= {"slots", "current", "previous"}
        assert not [p for p in self.box.rglob("*") if ".edged-" in p.name]


def in_child(work: Callable[[], None]) -> int:
    """The exit code of a process of its own: what is left by it is what was done, without any tidying up."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os.write(2, traceback.format_exc().encode())
            raise
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def cut_at(number: int, work: Callable[[], None], calls: str) -> Callable[[], None]:
    """``work``, ended at the ``number``-th named step, or at the so-manieth call that writes: of edged alone, or of the
    engine too, as when the power goes."""
    left = number

    def pass_by(_: str = "") -> None:
        nonlocal left
        left -= not FolderContainers.busy or calls == "all"
        if left == 0:
            os._exit(CUT)

    def wrapped(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            pass_by()
            got = real(*args, **options)
            pass_by()
            return got

        return call

    def run() -> None:
        if calls:
            for name in CALLS:
                setattr(os, name, wrapped(getattr(os, name)))
        else:
            steps.at = pass_by
        work()

    return run


def every_cut(tmp_path: Path, case: Case, calls: str) -> int:
    number = 0
    while True:
        number += STRIDE if number else 1
        bench = Bench(tmp_path / str(number), case)
        code = in_child(cut_at(number, bench.forward, calls))
        assert code in (0, CUT), f"at {number}: {code}"
        bench.check_whole(gaps=calls == "all")
        bench.forward()
        assert bench.seen() == bench.wanted(), number
        bench.check_clean()
        if code == 0:
            return number
        if number % 7 == 0:
            bench.back()
            assert bench.seen() == bench.before, number


@pytest.mark.parametrize("name", CASES)
def test_cut_short_at_every_named_step(tmp_path: Path, name: str) -> None:
    assert every_cut(tmp_path, CASES[name], "") > 20


@pytest.mark.parametrize("name", CASES)
def test_cut_short_at_every_call_that_writes(tmp_path: Path, name: str) -> None:
    assert every_cut(tmp_path, CASES[name], "edged") > 40


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.where.delivery == "copy"])
def test_the_power_goes_while_the_engine_unpacks(tmp_path: Path, name: str) -> None:
    """Between two calls of the engine's the name may be free; never is there a part of a file behind it."""
    assert every_cut(tmp_path, CASES[name], "all") > 60


@pytest.mark.parametrize("name", CASES)
def test_a_rollback_cut_short_at_every_named_step(tmp_path: Path, name: str) -> None:
    number = 0
    while True:
        number += 1
        bench = Bench(tmp_path / str(number), CASES[name])
        bench.forward()
        code = in_child(cut_at(number, bench.back, ""))
        assert code in (0, CUT)
        bench.check_whole()
        bench.back()
        assert bench.seen() == bench.before
        if code == 0:
            assert number > 5
            return


def test_there_are_many_named_steps(tmp_path: Path) -> None:
    seen: set[str] = set()
    before, steps.at = steps.at, seen.add
    try:
        for number, case in enumerate(CASES.values()):
            bench = Bench(tmp_path / str(number), case)
            bench.forward()
            bench.back()
    finally:
        steps.at = before
    assert len(seen) >= 40, sorted(seen)


def test_a_container_of_any_user_can_read_a_slot_and_nothing_else(tmp_path: Path) -> None:
    bench = Bench(tmp_path, CASES["model by mount"])
    bench.forward()
    for path in (bench.home.root, *bench.home.root.rglob("*")):
        if not path.is_symlink():
            assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644), path
    assert stat.S_IMODE((bench.state / "staging").stat().st_mode) == 0o700
