"""Where an app's backups lie: ``<state>/backups/<app>/``, each a ``.tar.gz`` and, once known to be good, a ``.json``.

A tar without its record is half of one: it goes with the next backup.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ...ports import ArtifactError
from ..artifacts.steps import step
from ..atomic import sync_folder, write_atomic

Kind = Literal["backup", "aside"]
KEPT_ASIDE = 2
RESERVE = 64 * 2**20
"""Bytes that stay free on the disk, whatever is kept."""
JOURNAL = "restoring.json"
TEMPORARY = ".new-"
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")
_NAME = re.compile(r"(backup|aside)-(\d{6,12})-\d{8}T\d{6}Z")


class Record(Struct, frozen=True, kw_only=True):
    """One backup, known to be whole."""

    name: str
    at: float
    """Unix time."""
    path: str
    """What it is a copy of, as the container saw it."""
    digest: str
    """``sha256:`` and the hex digest of the file."""
    bytes: int
    unpacked: int
    entries: int
    tree: str
    """Digest over names, owners, modes and contents: what a restore has to come to."""
    verified: str = ""
    """How the data itself was checked: ``in the container``, ``on the copy``; empty: it was not."""
    damaged: str = ""
    """What was found wrong with it later."""


class Journal(Struct, frozen=True):
    """A restore that has begun to change an app's data."""

    backup: str
    aside: str
    path: str


class Shelf:
    """One app's. Raises ``OSError``."""

    def __init__(self, state: Path, app: str, wall: Callable[[], float] = time.time) -> None:
        if not _PLAIN.fullmatch(app):
            raise ArtifactError("name", f"{app!r} cannot be the name of a folder, so its data is not backed up")
        self.folder = state / "backups" / app
        self._wall = wall

    def prepare(self) -> None:
        """Makes the folder, and sweeps away what was cut short."""
        for folder in (self.folder.parent, self.folder):
            if folder.is_symlink():
                raise ArtifactError(
                    "link", f"{folder} is a link, which edged does not follow: mount the other disk there"
                )
            if not folder.is_dir():
                folder.mkdir(mode=0o700)
                sync_folder(folder.parent)
        for path in list(self.folder.iterdir()):
            name = path.name.removesuffix(".tar.gz")
            if path.name.startswith(".") and path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            # ``atomic`` writes to hidden files of its own.
            elif path.name.startswith(".") or (name != path.name and not (self.folder / f"{name}.json").exists()):
                path.unlink()

    def records(self, kind: Kind | None = None) -> list[Record]:
        """The newest first. What cannot be read is none."""
        found: list[Record] = []
        for path in self.folder.glob("*.json") if self.folder.is_dir() else ():
            match = _NAME.fullmatch(path.name.removesuffix(".json"))
            if match is None or (kind is not None and match[1] != kind):
                continue
            try:
                record = msgspec.json.decode(path.read_bytes(), type=Record)
            except msgspec.MsgspecError:
                continue
            if record.name == match[0] and self.file(record.name).is_file():
                found.append(record)
        return sorted(found, key=lambda one: number(one.name), reverse=True)

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.tar.gz"

    def next_name(self, kind: Kind) -> str:
        """By a number that only counts up: clocks jump."""
        taken = [number(path.name) for path in self.folder.iterdir()]
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._wall()))
        return f"{kind}-{max(taken, default=0) + 1:06d}-{stamp}"

    def now(self) -> float:
        return self._wall()

    def keep(self, record: Record) -> None:
        """From here on it counts."""
        with step(f"data.{record.name.partition('-')[0]}.record"):
            write_atomic(
                self.folder / f"{record.name}.json", msgspec.json.format(msgspec.json.encode(record)), mode=0o600
            )

    def damaged(self, record: Record, why: str) -> None:
        self.keep(replace(record, damaged=why))

    def drop(self, record: Record) -> int:
        """Returns the bytes that are free now. The record first: a tar alone is none."""
        with step("data.drop.record"):
            (self.folder / f"{record.name}.json").unlink(missing_ok=True)
        with step("data.drop.file"):
            self.file(record.name).unlink(missing_ok=True)
        return record.bytes

    def rotate(self, keep: int, most: int) -> None:
        """Beyond ``keep``, or ``most`` bytes together, the oldest go; the newest good one never does."""
        spared, total = 0, 0
        for record in self.records("backup"):
            total += record.bytes
            full = spared >= keep or (spared > 0 and total > most)
            if full or record.damaged:
                self.drop(record)
            if not record.damaged:
                spared += 1
        for record in self.records("aside")[KEPT_ASIDE:]:
            self.drop(record)

    def journal(self) -> Journal | None:
        try:
            return msgspec.json.decode((self.folder / JOURNAL).read_bytes(), type=Journal)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as error:
            raise ArtifactError("half", f"{self.folder / JOURNAL} cannot be read: {error}") from error

    def begin(self, journal: Journal) -> None:
        with step("data.restore.journal"):
            write_atomic(self.folder / JOURNAL, msgspec.json.encode(journal), mode=0o600)

    def end(self) -> None:
        with step("data.restore.end"):
            (self.folder / JOURNAL).unlink(missing_ok=True)
            sync_folder(self.folder)

    def check_room(self, needed: int = 0) -> None:
        """Raises ``ArtifactError`` when so many more bytes would not leave the disk its reserve."""
        found = os.statvfs(self.folder)
        free = found.f_bavail * found.f_frsize
        if free - needed < RESERVE:
            raise ArtifactError(
                "no_room",
                f"{free // 2**20} MiB are free where {self.folder} is, and {RESERVE // 2**20} MiB stay free anyway:"
                " make room, or keep fewer backups",
            )


def number(name: str) -> int:
    match = _NAME.match(name.removeprefix(TEMPORARY))
    return int(match[2]) if match else 0
