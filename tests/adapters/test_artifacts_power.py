"""The power goes at any step: what the file system had not yet given to its disk is lost, and edged goes on from there.

The disk is a file behind a loop device. A copy of that file, taken while the file system is mounted, holds what was
written to the disk until then and nothing of what the kernel still keeps in memory.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.adapters.test_artifacts_cuts import CASES, CUT, STRIDE, Bench, cut_at, in_child
from tests.fixtures.demand import demand

NAMES = ("model by mount", "configuration by mount", "second model by copy", "configuration by copy")
SIZE = 128 * 2**20  # sparse


@contextmanager
def mounted(disk: Path, at: Path) -> Iterator[None]:
    """A container that begins just then holds the mount for a moment longer than ``umount`` tells: what has to be on
    the disk is synced before, and each file is mounted once only."""
    # No commit by time: only what is asked for is written.
    subprocess.run(["mount", "-o", "loop,commit=300", disk, at], check=True, timeout=20)
    try:
        yield
    finally:
        subprocess.run(["umount", at], check=True, timeout=20)


def copied(disk: Path, to: Path) -> Path:
    """As the disk was at one moment. The kernel may write while it is read: what is read twice the same was so in
    between."""
    for _ in range(20):
        subprocess.run(["cp", "--sparse=auto", disk, to], check=True, timeout=60)
        if subprocess.run(["cmp", "--silent", disk, to], timeout=60, check=False).returncode == 0:
            return to
    raise AssertionError("the disk was written to all the time")


def sync_only(folder: Path) -> None:
    """As ``os.sync``, for one file system: the others of this host are busy enough."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        assert ctypes.CDLL(None).syncfs(descriptor) == 0
    finally:
        os.close(descriptor)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    there = os.geteuid() == 0 and shutil.which("mkfs.ext4") is not None
    demand("" if there else "needs root and mkfs.ext4: apt-get install -y e2fsprogs")
    disk = tmp_path / "disk"
    with disk.open("wb") as file:
        file.truncate(SIZE)
    subprocess.run(["mkfs.ext4", "-q", disk], check=True, timeout=60)
    return disk


def test_what_is_not_synced_is_lost(disk: Path, tmp_path: Path) -> None:
    at = tmp_path / "mnt"
    at.mkdir()
    names = [f"lost-{number}" for number in range(5)]  # somebody else on this host may sync all disks just then
    with mounted(disk, at):
        for name in names:
            (at / name).write_text("x")
            copied(disk, tmp_path / name)
        sync_only(at)
        kept = copied(disk, tmp_path / "kept")
    there = []
    for name in names:
        with mounted(tmp_path / name, at):
            there.append((at / name).exists())
    assert not all(there)
    with mounted(kept, at):
        assert all((at / name).read_text() == "x" for name in names)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", NAMES)
def test_the_power_goes_at_every_named_step(
    disk: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = tmp_path / "mnt"
    at.mkdir()
    monkeypatch.setattr(os, "sync", lambda: sync_only(at))
    with mounted(disk, at):
        bench = Bench(at / "b", CASES[name])
        sync_only(at)
    number = 0
    while True:
        number += STRIDE if number else 1
        used = copied(disk, tmp_path / f"used-{number}")
        with mounted(used, at):
            code = in_child(cut_at(number, bench.forward, ""))
            assert code in (0, CUT), number
            after = copied(used, tmp_path / f"after-{number}")
        used.unlink()
        with mounted(after, at):
            bench.check_whole()
            bench.forward()
            assert bench.seen() == bench.wanted(), number
            bench.check_clean()
            if number % 5 == 1:
                bench.back()
                assert bench.seen() == bench.before, number
        after.unlink()
        if code == 0:
            break
    assert number > 25
