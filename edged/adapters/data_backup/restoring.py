"""Puts a backup in place of what an app has, step by step; cut short anywhere, the next attempt goes on.

Until the journal is on disk nothing of the app's is changed. From then on the way leads forward only: what was there is
kept aside by then, and half of it is of no use to anybody.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable
from contextlib import closing
from typing import Any

from msgspec import Struct

from ...ports import ArtifactError, Refused
from ...vocabulary.data import LATEST, Stored
from ..artifacts.container import Found, Inside
from ..artifacts.steps import step
from . import packing, verifying
from .shelf import Journal, Kind, Record, Shelf


class Place(Struct, frozen=True):
    """Where the data is, in a container that is there."""

    path: str
    """With links resolved."""
    folder: str
    """What a tar is unpacked in."""
    alone: bool
    """A single file."""


def find(inside: Inside, path: str) -> Place:
    """Where the data is, behind its links. Raises ``ArtifactError`` when it is no file and no folder."""
    found: Found | None = inside.resolve(path)
    if found is None:
        raise ArtifactError("no_folder", f"{path} is not there in the container; the image or a volume has to bring it")
    if found.kind not in ("file", "folder"):
        raise ArtifactError("path_kind", f"{path} in the container is neither a file nor a folder")
    alone = found.kind == "file"
    return Place(found.path, posixpath.dirname(found.path) if alone else found.path, alone)


def take(shelf: Shelf, inside: Inside, place: Place, kind: Kind, data: Stored) -> Record:
    """A copy of what is there now, read back from disk; it counts when ``Shelf.keep`` was called."""
    shelf.check_room()
    name = shelf.next_name(kind)
    target = shelf.file(name)
    try:
        with closing(inside.stream(place.path, data.max_size)) as stream, step(f"data.{kind}.file"):
            packed = packing.pack(stream, target, shelf.check_room)
    except Refused as error:
        target.unlink(missing_ok=True)
        raise ArtifactError("too_large", f"{error}: raise max_size, or make it smaller") from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return Record(
        name=name,
        at=shelf.now(),
        path=place.path,
        digest=packed.digest,
        bytes=packed.bytes,
        unpacked=packed.unpacked,
        entries=packed.entries,
        tree=packed.tree,
    )


def restore(
    shelf: Shelf, inside: Inside, data: Stored, path: str, which: str, timeout: float, flush: Callable[[], None]
) -> dict[str, Any]:
    """Puts ``which`` in place, or ends what an attempt before has begun. ``timeout``: seconds for the look whether a
    backup is good. Raises ``PortError``; the journal is there then if anything was changed."""
    begun = shelf.journal()
    place = find(inside, path)
    if begun is None:
        record, tree = choose(shelf, data, which, timeout)
        inside.try_folder(place.folder)
        aside = take(shelf, inside, place, "aside", data)
        shelf.keep(aside)
        begun = Journal(record.name, aside.name, place.path)
        shelf.begin(begun)
    else:
        record, tree = _again(shelf, begun, data, which, timeout)
    _put(shelf, inside, place, record, tree, data, flush)
    shelf.end()
    shelf.rotate(data.keep, data.max_size)
    return {"name": record.name, "digest": record.digest, "bytes": record.bytes, "aside": begun.aside}


def choose(shelf: Shelf, data: Stored, which: str, timeout: float) -> tuple[Record, packing.Tree]:
    """The backup to restore, found good now. Raises ``ArtifactError`` when there is none, or the named one is not."""
    records = shelf.records("backup") if which == LATEST else [r for r in shelf.records() if r.name == which]
    if not records:
        known = ", ".join(record.name for record in shelf.records()) or "none"
        raise ArtifactError("no_backup", f"there is no backup {which}; there are: {known}")
    whys: list[str] = []
    for record in records:
        try:
            return record, _look(shelf, record, data, timeout)
        except ArtifactError as error:
            if error.code in ("damaged", "verify") and not record.damaged:
                shelf.damaged(record, str(error))
            whys.append(f"{record.name}: {error}")
    raise ArtifactError("no_backup", f"no backup is good, and nothing was changed: {'; '.join(whys[:3])}")


def _again(shelf: Shelf, begun: Journal, data: Stored, which: str, timeout: float) -> tuple[Record, packing.Tree]:
    """The one that an attempt before began with, unless a person names another; if its file has gone bad since, the
    newest good one."""
    named = which not in (LATEST, begun.backup)
    try:
        if not named:
            return choose(shelf, data, begun.backup, timeout)
        record, tree = choose(shelf, data, which, timeout)
    except ArtifactError:
        if named:
            raise
        record, tree = choose(shelf, data, LATEST, timeout)
    shelf.begin(Journal(record.name, begun.aside, begun.path))
    return record, tree


def _look(shelf: Shelf, record: Record, data: Stored, timeout: float) -> packing.Tree:
    with step("data.restore.look"):
        tree = packing.check(shelf.file(record.name), record.digest, record.tree)
    if not record.name.startswith("aside"):  # a person who wants what was set aside has reasons
        verifying.on_copy(shelf, record.name, data, timeout)
    return tree


def _put(
    shelf: Shelf,
    inside: Inside,
    place: Place,
    record: Record,
    wanted: packing.Tree,
    data: Stored,
    flush: Callable[[], None],
) -> None:
    """What is there goes, what was backed up comes; then it is read back, all of it."""
    with closing(inside.stream(place.path, _unbounded(data))) as stream:
        there = packing.survey(stream)
    if there.digest() != record.tree:
        for name, folder in there.top.items() if not place.alone else ():
            # A file is replaced as it is unpacked. Of a folder all goes that the backup may not have.
            if folder or name not in wanted.top or wanted.top[name]:
                inside.clear("data.restore.clear", posixpath.join(place.folder, name))
        inside.unpack("data.restore.put", place.folder, packing.unpacked(shelf.file(record.name)))
    with step("data.restore.sync"):
        flush()
    with closing(inside.stream(place.path, _unbounded(data))) as stream:
        got = packing.survey(stream)
    if got.digest() != record.tree:
        raise ArtifactError("mismatch", f"{place.path} came out of the container as something else")


def _unbounded(data: Stored) -> int:
    """Half of the old and half of the new may be there at once."""
    return 4 * data.max_size + 2**20


def flush() -> None:
    """The engine syncs nothing that it unpacks."""
    os.sync()
