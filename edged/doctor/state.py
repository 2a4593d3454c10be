"""The state folder: whose it is, whether the database in it is sound, and which daemon has it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ..adapters.files import read_text
from ..adapters.storage.inspection import Inspection, inspect_database
from ..ports import PortError
from .finding import Finding, fail, ok, skip, warn
from .identity import Identity, may, there
from .patient import Patient

_CHECK = 5.0
"""Seconds for the check of the database: enough for its largest size on a good card."""


def look(patient: Patient) -> Iterator[Finding]:
    folder, who = patient.state, patient.daemon
    try:
        seen = folder.stat()
    except FileNotFoundError:
        yield absent(folder, who, bool(patient.unit.get("FragmentPath")))
        return
    except PermissionError:
        yield skip("state", f"you may not look into {folder.parent}")
        return
    if not stat.S_ISDIR(seen.st_mode):
        yield fail("state", f"{folder} is not a folder", "set state_dir in edged.yaml to a folder")
        return
    access = [may(who, mode, folder) for mode in "rwx"]
    yield folder_found(folder, who, seen.st_mode, None if None in access else all(access))
    yield from _database(folder / "edged.db")


def absent(folder: Path, who: Identity, has_unit: bool) -> Finding:
    if has_unit or who.is_root:
        return ok("state", f"{folder} is not there yet: it is made when edged starts")
    return fail("state", f"{folder} is not there, and user {who.name} may not make it", _make(folder, who))


def _make(folder: Path, who: Identity) -> str:
    return f"sudo install -d -o {who.name} -g {who.name} -m 0750 {folder}"


def folder_found(folder: Path, who: Identity, mode: int, access: bool | None) -> Finding:
    if access is False:
        return fail("state", f"user {who.name} may not write to {folder}", _make(folder, who))
    if mode & stat.S_IWOTH:
        return fail("state", f"everybody on this host can write to {folder}", f"sudo chmod 0750 {folder}")
    if access is None:
        return skip("state", f"whether user {who.name} may write to {folder} is not known to you")
    return ok("state", f"{folder}, mode {mode & 0o7777:04o}, writable for user {who.name}")


def sockets(patient: Patient) -> list[Path]:
    """Where a daemon with this state folder may be asked."""
    wanted = (patient.state / "edged.sock", patient.run / "edged/edged.sock")
    return [path for path in wanted if there(path)]


def holder(lock: Path, proc: str) -> int | None:
    """The process that holds the lock, by the kernel's list: trying the lock could make a starting edged fail."""
    try:
        seen = lock.stat()
    except OSError:
        return None
    place = f"{os.major(seen.st_dev):02x}:{os.minor(seen.st_dev):02x}:{seen.st_ino}"
    # 1: FLOCK  ADVISORY  WRITE 1234 fe:00:4711 0 EOF
    for line in (read_text(f"{proc}/locks") or "").splitlines():
        fields = line.split()
        if len(fields) >= 6 and fields[1] == "FLOCK" and fields[5] == place and fields[4].isdigit():
            return int(fields[4])
    return None


def _database(path: Path) -> Iterator[Finding]:
    if not os.access(path.parent, os.R_OK | os.X_OK):
        yield skip("state database", f"you may not look into {path.parent}")
    elif not there(path):
        yield ok("state database", "none yet: edged makes it when it starts")
    elif not os.access(path, os.R_OK):
        yield skip("state database", f"you may not read {path}")
    else:
        try:
            yield judge(path, inspect_database(path, _CHECK))
        except PortError as error:
            yield warn("state database", str(error), f"ls -l {path}*; edged doctor --only state")


def judge(path: Path, seen: Inspection) -> Finding:
    if seen.damage:
        fix = "sudo systemctl restart edged   (it keeps the damaged file aside and saves what can be read)"
        return fail("state database", f"{path} is damaged: {'; '.join(seen.damage[:2])}", fix)
    if seen.schema > seen.newest_schema:
        found = f"{path} was written by a newer edged (schema {seen.schema}, this one knows {seen.newest_schema})"
        return fail("state database", found, f"install that edged again, or: sudo mv {path} {path}.newer")
    told = f"{seen.events} events, {seen.waiting} not yet sent, boot {seen.boot}"
    if not seen.complete:
        return ok("state database", f"{told}; no damage found in {_CHECK:g} s, the check did not come to its end")
    return ok("state database", f"sound; {told}")
