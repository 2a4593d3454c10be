"""The disk below the state folder: room, kind, speed. What wears out is in ``wear``."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ..adapters.host import LocalHost
from ..adapters.mounts import mount_of
from ..app.past import SHARE
from ..config import Config
from ..config.units import format_size
from ..ports import PortError
from ..vocabulary.world import Disk
from . import wear
from .finding import Finding, fail, ok, skip, warn
from .patient import Patient

_WRITTEN = 64 * 1024
_SLOW = 1.0
"""Seconds for a synced write. edged makes one before each action."""
_LEAST_FREE = 32 * 2**20
_LEAST_INODES = 1000
_TIMEOUT = 3.0
_MEMORY = ("tmpfs", "ramfs")
_FREE_SOME = "sudo du -xh -d2 / | sort -h | tail; docker system df"


def look(patient: Patient) -> Iterator[Finding]:
    folder = existing(patient.state)
    try:
        room = LocalHost(patient.proc, patient.sys, patient.run).disk(str(folder), _TIMEOUT)
    except PortError as error:
        yield fail("disk", f"{folder} cannot be measured: {error}", "dmesg --level=err,warn | tail -n 30; df -h")
        return
    yield from judge_room(room, wanted(patient.config), used(patient.state))
    mount = mount_of(str(folder), str(patient.proc))
    if mount is not None:
        yield from judge_kind(patient.state, mount.kind, mount.remote)
    if not room.read_only:
        yield write(folder)
    device = folder.stat().st_dev
    yield from wear.look(str(patient.sys), f"{os.major(device)}:{os.minor(device)}")


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(one for one in (folder.absolute(), *folder.absolute().parents) if one == one.parent or _is_dir(one))


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except PermissionError:
        return False


def wanted(config: Config) -> int:
    """Bytes that edged may keep when all its bounds are reached; models have none."""
    spool = config.mqtt.spool.max_size if config.mqtt is not None else 0
    history = config.history
    events, figures = max(spool, history.max_size), history.max_size // SHARE
    backups = sum(app.data.max_size for app in config.apps.values() if app.data is not None)
    return events + figures + history.recording.max_size + config.evidence.max_size + backups


def used(folder: Path) -> int:
    """Bytes that it keeps already, as far as this user can see."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(where, name).lstat().st_size
            except OSError:
                continue  # gone meanwhile
    return total


def judge_room(room: Disk, wanted: int, used: int) -> Iterator[Finding]:
    free = f"{format_size(room.free)} of {format_size(room.total)} free at {room.path}"
    if room.read_only:
        yield fail("disk", f"{room.path} is read-only: edged remembers nothing and no event is kept",
                   f"dmesg --level=err | tail -n 30; sudo mount -o remount,rw {room.path}")  # fmt: skip
    elif room.free < _LEAST_FREE:
        yield fail("disk", f"only {free}", _FREE_SOME)
    elif room.free < wanted - used:
        found = f"{free}, but edged may grow by {format_size(wanted - used)} (spool, history, evidence, backups)"
        lower = "lower history.max_size, evidence.max_size, data.max_size in edged.yaml"
        yield warn("disk", found, f"{lower}, or make room: docker system df")
    else:
        yield ok("disk", f"{free}; edged keeps {format_size(max(used, 0))} of at most {format_size(wanted)}")
    if room.inodes and room.inodes_free < _LEAST_INODES:
        yield fail("disk inodes", f"only {room.inodes_free} of {room.inodes} inodes free at {room.path}",
                   "sudo du -x --inodes -d2 / | sort -n | tail")  # fmt: skip


def judge_kind(folder: Path, kind: str, remote: bool) -> Iterator[Finding]:
    if kind in _MEMORY:
        yield warn("disk kind", f"{folder} is on {kind}: everything edged remembers is lost at each reboot",
                   "set state_dir in edged.yaml to a folder on a disk")  # fmt: skip
    elif remote:
        yield warn("disk kind", f"{folder} is on {kind}: databases break on network file systems",
                   "set state_dir in edged.yaml to a folder on a local disk")  # fmt: skip
    elif kind == "overlay":
        yield warn("disk kind", f"{folder} is on an overlay: what is written may be gone after a reboot",
                   "set state_dir in edged.yaml to a folder on the writable partition")  # fmt: skip


def write(folder: Path) -> Finding:
    """Writes and syncs a small file, as each commit does, and takes it away again."""
    name = "disk writing"
    began = time.monotonic()
    try:
        with tempfile.NamedTemporaryFile(prefix=".doctor-", dir=folder) as file:
            file.write(os.urandom(_WRITTEN))  # not zeros: some controllers do not write those
            file.flush()
            os.fsync(file.fileno())
    except PermissionError:
        return skip(name, f"you may not write to {folder}")
    except OSError as error:
        return fail(name, f"{folder} cannot be written: {error.strerror}", "dmesg --level=err | tail -n 30; df -hi")
    return judge_write(folder, time.monotonic() - began)


def judge_write(folder: Path, seconds: float) -> Finding:
    told = f"a synced write of 64 KiB took {seconds * 1000:.0f} ms at {folder}"
    if seconds > _SLOW:
        return warn("disk writing", f"{told}: recovery waits for it", "iostat -x 1 5   (who writes: sudo iotop -ao)")
    return ok("disk writing", told)
