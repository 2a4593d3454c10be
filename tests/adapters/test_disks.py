"""File systems: local, read-only, behind a server that answers, and behind one that is gone."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from edged.adapters import processes
from edged.adapters.disks import Disks
from edged.adapters.host import LocalHost
from edged.adapters.mounts import mount_of
from edged.ports import NotFound, PortError, Unreachable

from ..fixtures.deadmount import dead_mount

ROOT = "1 0 8:1 / / ro,relatime shared:1 - ext4 /dev/sda1 rw\n"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


def proc_with(folder: Path, *lines: str) -> str:
    (folder / "self").mkdir(parents=True, exist_ok=True)
    (folder / "self" / "mountinfo").write_text(ROOT + "".join(lines))
    return str(folder)


def mounted(point: Path | str, kind: str = "nfs4", options: str = "rw,vers=4.2") -> str:
    return f"2 1 0:50 / {point} rw,relatime shared:2 - {kind} server:/export {options}\n"


def program(folder: Path, script: str) -> str:
    """A stand-in for ``stat``."""
    path = folder / "stat"
    path.write_text(f'#!/bin/sh\necho "$*" >> {folder}/asked\n{script}\n')
    path.chmod(0o755)
    return str(path)


def asked(folder: Path) -> list[str]:
    return (folder / "asked").read_text().splitlines()


# Local


def test_a_path_that_does_not_exist() -> None:
    with pytest.raises(NotFound, match="/does/not/exist does not exist"):
        LocalHost().disk("/does/not/exist", 5.0)


def test_shares_agree_with_df(tmp_path: Path) -> None:
    disk = LocalHost().disk(str(tmp_path), 5.0)
    answer = os.statvfs(tmp_path)
    used = (answer.f_blocks - answer.f_bfree) * answer.f_frsize
    assert disk.used_share == pytest.approx(used / (used + answer.f_bavail * answer.f_frsize), abs=0.001)
    assert disk.read_only is False
    assert 0 < disk.inodes_free <= disk.inodes


@pytest.mark.parametrize(
    ("mount", "super_options", "read_only"),
    [
        ("/", "rw,errors=remount-ro", False),
        ("/", "ro,errors=remount-ro", True),
        ("/data\\040disk", "ro", True),
        ("/data", "ro", False),
    ],
)
def test_a_read_only_view_is_not_a_read_only_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mount: str, super_options: str, read_only: bool
) -> None:
    proc = proc_with(tmp_path, f"2 1 8:1 / {mount} ro,relatime - ext4 /dev/sda1 {super_options}\n")
    values = [4096, 4096, 100, 50, 40, 10, 5, 5, os.ST_RDONLY, 255]
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result(values))
    disk = Disks(proc).measure("/data disk", 5.0)
    assert disk.read_only is read_only
    assert (disk.total, disk.free) == (90 * 4096, 40 * 4096)


@needs_root
@pytest.mark.parametrize(
    ("mount", "remount", "read_only"),
    [
        (["--bind", "{0}", "{0}"], ["remount,bind,ro"], False),
        (["-t", "tmpfs", "none", "{0}"], ["remount,ro"], True),
        (["-t", "tmpfs", "none", "{0}"], ["remount,bind,ro"], False),
    ],
    ids=["read-only view", "read-only disk", "read-only view of a mount of its own"],
)
def test_real_read_only_mounts(tmp_path: Path, mount: list[str], remount: list[str], read_only: bool) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    subprocess.run(["mount", *(word.format(folder) for word in mount)], check=True)
    try:
        assert LocalHost().disk(str(folder), 5.0).read_only is False
        subprocess.run(["mount", "-o", *remount, str(folder)], check=True)
        assert os.statvfs(folder).f_flag & os.ST_RDONLY
        assert LocalHost().disk(str(folder), 5.0).read_only is read_only
    finally:
        subprocess.run(["umount", str(folder)], check=True)


# Where a path leads


@pytest.mark.parametrize(
    ("kind", "remote"),
    [("nfs", True), ("nfs4", True), ("cifs", True), ("smb3", True), ("9p", True), ("ceph", True), ("autofs", True),
     ("fuse.sshfs", True), ("fuseblk", True), ("ext4", False), ("btrfs", False), ("ubifs", False), ("overlay", False)],
)  # fmt: skip
def test_what_counts_as_remote(tmp_path: Path, kind: str, remote: bool) -> None:
    found = mount_of("/net/data/deep", proc_with(tmp_path, mounted("/net/data", kind)))
    assert found is not None and (found.point, found.kind, found.remote) == ("/net/data", kind, remote)


def test_the_last_of_several_mounts_on_a_point_is_the_visible_one(tmp_path: Path) -> None:
    proc = proc_with(tmp_path, mounted("/net", "autofs"), mounted("/net", "ext4"))
    found = mount_of("/net/x", proc)
    assert found is not None and found.kind == "ext4"


def test_a_link_is_followed_and_what_lies_behind_a_remote_mount_is_remote(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("here/../net")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    proc = proc_with(tmp_path / "proc", mounted(tmp_path / "net"), mounted(tmp_path / "net" / "local", "ext4"))
    for path in ("link", "link/deeper", "./net/local/x", f"../{tmp_path.name}/link"):
        found = mount_of(f"{tmp_path}/{path}", proc)
        assert found is not None and found.point == str(tmp_path / "net"), path
    for path in ("other/../there", "loop", "loop/on"):
        found = mount_of(f"{tmp_path}/{path}", proc)
        assert found is not None and found.point == "/", path


def test_a_kernel_that_does_not_tell_its_mounts(tmp_path: Path) -> None:
    assert mount_of("/", str(tmp_path)) is None
    assert Disks(str(tmp_path)).measure("/", 5.0).total > 0


# Behind a server


def test_a_remote_file_system_is_measured_by_a_child(tmp_path: Path) -> None:
    proc = proc_with(tmp_path, mounted("/net", options="ro,vers=4.2"))
    disk = Disks(proc, program(tmp_path, "echo 4096 100 50 40 10 5")).measure("/net", 5.0)
    assert asked(tmp_path) == ["-f -c %S %b %f %a %c %d -- /net"]
    assert (disk.total, disk.free, disk.inodes, disk.inodes_free) == (90 * 4096, 40 * 4096, 10, 5)
    assert disk.read_only


def test_the_real_stat_agrees_with_statvfs(tmp_path: Path) -> None:
    here = Disks(proc_with(tmp_path, mounted(tmp_path))).measure(str(tmp_path), 5.0)
    plain = Disks("/proc").measure(str(tmp_path), 5.0)
    assert (here.total, here.inodes) == (plain.total, plain.inodes)
    assert here.free == pytest.approx(plain.free, rel=0.01)
    with pytest.raises(NotFound, match="does not exist"):
        Disks(proc_with(tmp_path, mounted(tmp_path))).measure(f"{tmp_path}/nothing", 5.0)


@pytest.mark.parametrize(
    ("script", "words"),
    [("echo Stale file handle >&2; exit 1", "Stale file handle"), ("exit 3", "exit code 3"), ("echo hm", "said 'hm'")],
)
def test_a_child_that_fails_is_no_measurement(tmp_path: Path, script: str, words: str) -> None:
    with pytest.raises(PortError, match=words):
        Disks(proc_with(tmp_path, mounted("/net")), program(tmp_path, script)).measure("/net", 5.0)
    with pytest.raises(PortError, match="cannot run /nowhere/stat"):
        Disks(proc_with(tmp_path, mounted("/net")), "/nowhere/stat").measure("/net", 5.0)


def test_a_child_that_hangs_is_killed_with_all_it_started(tmp_path: Path) -> None:
    disks = Disks(proc_with(tmp_path, mounted("/net")), program(tmp_path, f"sleep 60 & echo $! > {tmp_path}/pid; wait"))
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"/net \(nfs4\) does not answer within 0.5s"):
        disks.measure("/net", 0.5)
    assert time.monotonic() - began < 3.0
    status = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/stat")
    assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] in "ZX"


def test_a_child_that_no_kill_ends_is_remembered_and_not_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = tmp_path / "release"
    script = f"while [ ! -e {release} ]; do sleep 0.05; done; echo 4096 100 50 40 10 5"
    disks = Disks(proc_with(tmp_path, mounted("/net")), program(tmp_path, script))
    monkeypatch.setattr(processes.os, "killpg", lambda pid, number: None)
    with pytest.raises(Unreachable, match=r"within 0\.1s"):
        disks.measure("/net", 0.1)
    for _ in range(3):
        with pytest.raises(Unreachable, match="s ago still waits"):
            disks.measure("/net", 0.1)
    assert len(asked(tmp_path)) == 1
    release.touch()
    deadline = time.monotonic() + 10.0
    while True:
        try:
            disk = disks.measure("/net", 5.0)
            break
        except Unreachable:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert disk.total == 90 * 4096 and len(asked(tmp_path)) == 2


@needs_root
def test_a_dead_mount_hangs_nobody(tmp_path: Path) -> None:
    with dead_mount(tmp_path / "net") as point:
        (tmp_path / "link").symlink_to(point)
        disks, errors = Disks("/proc"), []

        def look(path: Path) -> None:
            try:
                disks.measure(str(path), 0.3)
            except Unreachable as error:
                errors.append(str(error))

        threads = [
            threading.Thread(target=look, args=(path,), daemon=True) for path in (point, tmp_path / "link" / "deep")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10.0)
        assert not any(thread.is_alive() for thread in threads)
        assert len(errors) == 2 and all("(fuse) does not answer within 0.3s" in error for error in errors)
