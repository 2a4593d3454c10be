"""edged ends at any instant of a deployment, and the next run goes on: the app always has one whole artifact."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from edged.adapters.artifacts import ArtifactStore, slots, steps
from edged.adapters.artifacts.layout import home
from edged.vocabulary.actions import Where
from tests.adapters.artifacts import FolderContainers, deploy, no_web, runtime
from tests.bundles.maker import MODEL, write

CUT = 99
CALLS = (
    *("rename", "replace", "symlink", "unlink", "rmdir", "mkdir", "fsync", "chmod", "fchmod", "utime", "write", "sync"),
    *("link", "posix_fallocate"),
)
"""Of ``os``: everything that changes what is on disk."""
OLD, NEW = b"old: 1\n", b"new: 2\n" * 1000
NEW_MODEL = MODEL + b"\x72\x00"  # an empty doc string of the graph's own, which changes nothing but the digest


class Case(Struct, frozen=True):
    where: Where
    old: dict[str, bytes]
    new: dict[str, bytes]
    managed: bool
    """The old one was deployed by edged."""


CASES = {
    "model by mount": Case(
        Where("model", "/models", "mount"), {"model.onnx": MODEL, "a.txt": b"1"}, {"model.onnx": MODEL, "b/c": b"2"}, True
    ),
    "first model by mount": Case(Where("model", "/models", "mount"), {}, {"model.onnx": MODEL, "b/c": b"2"}, False),
    "configuration by mount": Case(
        Where("config", "/cfg/current/c.yaml", "mount"), {"c.yaml": OLD}, {"c.yaml": NEW}, True
    ),
    "model by copy": Case(
        Where("model", "/models", "copy"), {"model.onnx": b"before", "labels": b"l"}, {"model.onnx": MODEL, "b/c": b"2"},
        False,
    ),
    "second model by copy": Case(
        Where("model", "/models", "copy"), {"model.onnx": MODEL, "a.txt": b"1"}, {"model.onnx": MODEL, "b/c": b"2"}, True
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

    def forward(self, after: Callable[[str], None] = steps.nothing) -> None:
        """A deployment that is committed. Each call begins with a store that knows nothing."""
        case, known = self.case, self.old
        self.store().fetch("app", case.where, str(self.new), "d1", 60)
        after("fetch")
        new = self.store().verify("app", case.where, "d1", "", 3, ())["digest"]
        after("verify")
        old = self.store().back_up("app", case.where, "c1", known, 60)["digest"]
        after("back_up")
        self.store().place("app", case.where, "c1", new, old, 60)
        after("place")
        self.store().tidy("app", case.where, [new, *([old] if old else [])], "d1")
        after("tidy")

    def back(self) -> None:
        """The rollback after it."""
        new = self.store().verify("app", self.case.where, "d1", self.placed(), 0, ())["digest"]
        old = "sha256:" + os.readlink(self.home.root / "previous").partition("/")[2] if self.before else ""
        self.store().place("app", self.case.where, "c1", old, new, 60)

    def placed(self) -> str:
        return "sha256:" + os.readlink(self.home.root / "current").partition("/")[2]

    def wanted(self) -> dict[str, bytes]:
        if self.case.where.kind == "config" and self.case.where.delivery == "copy":
            return {self.target().name: self.case.new["c.yaml"]}
        kept = {} if self.case.managed or self.case.where.delivery == "mount" else self.case.old
        return {**kept, **self.case.new}

    def check_whole(self) -> None:
        """Old or new. Of several files in a container each is one or the other."""
        seen = self.seen()
        if self.case.where.delivery == "mount":
            assert seen in (self.before, self.wanted())
        for path, data in seen.items():
            assert data in (self.before.get(path), self.wanted().get(path)), path
        assert set(seen) >= set(self.before) & set(self.wanted())
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
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def cut_at(number: int, work: Callable[[], None], calls: bool) -> Callable[[], None]:
    """``work``, ended at the ``number``-th named step, or with ``calls`` at the so-manieth call that writes."""
    left = number

    def pass_by(_: str = "") -> None:
        nonlocal left
        left -= 1
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


def every_cut(tmp_path: Path, case: Case, calls: bool, work: Callable[[Bench], None], stride: int = 1) -> int:
    number = 0
    while True:
        number += stride
        bench = Bench(tmp_path / str(number), case)
        code = in_child(cut_at(number, lambda bench=bench: work(bench), calls))
        assert code in (0, CUT), f"at {number}: {code}"
        bench.check_whole()
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
    assert every_cut(tmp_path, CASES[name], False, Bench.forward) > 20


@pytest.mark.parametrize("name", CASES)
def test_cut_short_at_every_call_that_writes(tmp_path: Path, name: str) -> None:
    assert every_cut(tmp_path, CASES[name], True, Bench.forward) > 40


@pytest.mark.parametrize("name", CASES)
def test_a_rollback_cut_short_at_every_named_step(tmp_path: Path, name: str) -> None:
    number = 0
    while True:
        number += 1
        bench = Bench(tmp_path / str(number), CASES[name])
        bench.forward()
        new = bench.placed()
        old = "sha256:" + os.readlink(bench.home.root / "previous").partition("/")[2] if bench.before else ""
        again = lambda: bench.store().place("app", bench.case.where, "c1", old, new, 60)  # noqa: B023,E731
        code = in_child(cut_at(number, again, False))
        assert code in (0, CUT)
        bench.check_whole()
        again()
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
