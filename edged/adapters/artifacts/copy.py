"""Delivery by copy: the new files are put beside the old ones, read back, and only then take their names.

There is no rename among the engine's calls. A hard link in a tar comes nearest: the engine takes the old name away and
links the new file, two system calls one after the other, with nothing to be written in between. Of several files each
is replaced like that, the model itself last. ``sync`` of the host before and after, since the engine syncs nothing.
"""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

from msgspec import Struct

from ...ports import ArtifactError
from ...vocabulary.actions import Where
from .container import Found, Inside
from .content import Content, Item, targets
from .steps import step
from .tars import Entry

TEMPORARY = ".edged-"
_LONGEST = 200


class Change(Struct, frozen=True):
    """One file to be replaced."""

    path: str
    """With links resolved."""
    temporary: str
    """Beside it."""
    item: Item
    entry: Entry
    """Owner, group and mode."""


def place(inside: Inside, where: Where, slot: Path, wanted: Content, before: Content | None) -> int:
    """Puts a slot's content in place, and takes away what only ``before``, a bundle, had there.

    Returns how many files changed; again it is none.
    """
    goal = targets(wanted, where)
    if len(goal) > 1 or where.path not in goal:
        _check_folder(inside, where)
    changes = [change for path, item in goal.items() if (change := _change(inside, where, slot, path, item, wanted))]
    for change in changes:
        _beside(inside, where, change)
    if changes:
        _flush("copy.beside.sync")
        _link(inside, where, changes)
        _flush("copy.link.sync")
    for path, item in goal.items():
        _check(inside, path, item, where)
    gone = _remove_old(inside, where, goal, before)
    _sweep(inside, where, wanted, before)
    if changes or gone:
        _flush("copy.end.sync")
    return len(changes) + gone


def take_away(inside: Inside, where: Where, before: Content) -> int:
    """Nothing was there before edged's time, and nothing is again."""
    gone = _remove_old(inside, where, {}, before)
    _sweep(inside, where, before, None)
    _flush("copy.end.sync")
    return gone


def _check_folder(inside: Inside, where: Where) -> None:
    found = inside.resolve(where.path)
    if found is None or found.kind != "folder":
        what = "is not there" if found is None else "is a file, and the bundle has several"
        raise ArtifactError(
            "no_folder", f"{where.path} {what} in the container; the image has to bring it as a folder, for copies"
        )


def _change(inside: Inside, where: Where, slot: Path, path: str, item: Item, wanted: Content) -> Change | None:
    """What to do about one file; ``None``: it is as it should be."""
    found = _find(inside, where, path)
    if found is not None and found.kind != "file":
        raise ArtifactError(
            "path_kind", f"{path} in the container is a {found.kind}, and a file belongs there; nothing was changed"
        )
    real = found.path if found is not None else path
    owned = found or _owner(inside, posixpath.dirname(path))
    # A copy of the container's own files knows whose they were; a bundle's take over what they replace.
    uid = item.uid if item.uid is not None else owned.uid
    gid = item.gid if item.gid is not None else owned.gid
    mode = item.mode if item.mode is not None else (found.mode if found is not None else 0o644)
    same = found is not None and (found.mode, found.uid, found.gid, found.size) == (mode, uid, gid, item.size)
    if same and inside.sha256(real) == item.sha256:
        return None
    entry = Entry(posixpath.basename(real), mode, uid, gid, content=slot / item.stored)
    return Change(real, temporary(real, wanted.digest), item, entry)


def _find(inside: Inside, where: Where, path: str) -> Found | None:
    """A link at ``where.path`` itself is followed. One within the folder is not: it may lead anywhere."""
    return inside.resolve(path) if path == where.path else inside.look(path)


def _owner(inside: Inside, folder: str) -> Found:
    """Whose a new file becomes: whose the folder is."""
    return inside.resolve(folder) or Found(folder, "folder", 0o755, 0, 0)


def temporary(path: str, digest: str) -> str:
    folder, base = posixpath.split(path)
    # Hidden, and with an end of its own, so that no app takes it for a model.
    return posixpath.join(folder, f"{TEMPORARY}{digest[:12]}-{base[:_LONGEST]}.new")


def _beside(inside: Inside, where: Where, change: Change) -> None:
    folder, base = posixpath.split(change.temporary)
    _make_folders(inside, where, folder)
    inside.try_folder(folder)
    entry = Entry(base, change.entry.mode, change.entry.uid, change.entry.gid, content=change.entry.content)
    inside.put("copy.beside.put", folder, [entry])
    with step("copy.beside.check"):
        got = inside.sha256(change.temporary)
    if got != change.item.sha256:
        raise ArtifactError(
            "copy_mismatch", f"{change.path} came out of the container as {got[:12] or 'nothing'}… and not as"
            f" {change.item.sha256[:12]}…; what was in place is untouched"
        )  # fmt: skip


def _make_folders(inside: Inside, where: Where, folder: str) -> None:
    """A bundle's own folders below ``where.path``."""
    if folder == posixpath.dirname(where.path) or inside.look(folder) is not None:
        return
    if not folder.startswith(f"{where.path.rstrip('/')}/"):
        raise ArtifactError("no_folder", f"{folder} is not there in the container; the image has to bring it")
    parent, base = posixpath.split(folder)
    _make_folders(inside, where, parent)
    owner = _owner(inside, parent)
    inside.put("copy.folder.put", parent, [Entry(base, 0o755, owner.uid, owner.gid, folder=True)])


def _link(inside: Inside, where: Where, changes: list[Change]) -> None:
    """All of them in one call, without a pause in between."""
    common = posixpath.commonpath([posixpath.dirname(change.path) for change in changes])
    entries = [
        Entry(
            posixpath.relpath(change.path, common),
            change.entry.mode,
            change.entry.uid,
            change.entry.gid,
            link=posixpath.relpath(change.temporary, common),
        )
        for change in changes
    ]
    inside.put("copy.link.put", common, entries)


def _check(inside: Inside, path: str, item: Item, where: Where) -> None:
    with step("copy.check"):
        found = _find(inside, where, path)
        got = inside.sha256(found.path) if found is not None else ""
    if got != item.sha256:
        raise ArtifactError(
            "copy_mismatch",
            f"{path} in the container is {got[:12] or 'nothing'} after the swap, not {item.sha256[:12]}",
        )


def _remove_old(inside: Inside, where: Where, goal: dict[str, Item], before: Content | None) -> int:
    """What a bundle brought and the next one does not have. A container's own files are left alone."""
    if before is None or before.bundle is None:
        return 0
    gone = 0
    for path in targets(before, where).keys() - goal.keys():
        if inside.look(path) is not None:
            inside.remove("copy.old.remove", path)
            gone += 1
    return gone


def _sweep(inside: Inside, where: Where, *contents: Content | None) -> None:
    """Takes away what was put beside, by earlier attempts that were cut short too."""
    for content in contents:
        for path in targets(content, where) if content is not None else ():
            found = _find(inside, where, path)
            for digest in {one.digest for one in contents if one is not None}:
                inside.remove("copy.beside.remove", temporary(found.path if found is not None else path, digest))


def _flush(name: str) -> None:
    with step(name):
        os.sync()
