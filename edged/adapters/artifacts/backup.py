"""Before the first deployment by copy: what the container has is fetched out of it, into a slot of its own."""

from __future__ import annotations

import hashlib
import os
import posixpath
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from msgspec.structs import replace

from ...bundles.stage import RESERVE, free
from ...ports import ArtifactError
from ...vocabulary.actions import Where
from .container import Inside
from .content import Backup, Saved, encode
from .copy import TEMPORARY
from .layout import Home, sync
from .slots import adopt, delete, is_whole
from .steps import step

_MOST_FILES = 1000


def check_writable(where: Where, inside: Inside) -> None:
    """Raises ``ArtifactError`` when nothing could be put there: better said now than in the middle of the swap."""
    found = inside.resolve(where.path)
    if found is None and where.kind == "model" and not PurePosixPath(where.path).suffix:
        raise ArtifactError(
            "no_folder",
            f"{where.path} is not there in the container; the image has to bring it as a folder, for copies",
        )
    here = found.path if found is not None else where.path
    inside.try_folder(here if found is not None and found.kind == "folder" else posixpath.dirname(here))


def take(place: Home, where: Where, inside: Inside) -> str:
    """Returns the hex digest of the slot; empty when there is nothing at ``where.path``. Raises ``PortError``."""
    found = inside.resolve(where.path)
    if found is None:
        return ""
    if found.kind not in ("file", "folder"):
        raise ArtifactError("path_kind", f"{where.path} in the container is neither a file nor a folder")
    folder = place.staging / "backup"
    delete(folder)
    with step("backup.begin"):
        (folder / "files").mkdir(parents=True, mode=0o755)
    files = _fetch(inside, found.path, found.kind == "folder", folder)
    raw = encode(Backup(of=where.kind, form=found.kind, files=tuple(files)))
    digest = hashlib.sha256(raw).hexdigest()
    with step("backup.manifest"):
        _write(folder / "manifest.json", iter((raw,)))
    sync(folder / "files", "backup.files.fsync")
    folder.chmod(0o755)
    sync(folder, "backup.fsync")
    if is_whole(place, digest):
        delete(folder)
    else:
        adopt(place, folder, digest)
    return digest


def _fetch(inside: Inside, path: str, whole: bool, folder: Path) -> list[Saved]:
    files: dict[str, Saved] = {}
    for info, content in inside.walk(path):
        name = _below(info.name, whole)
        if posixpath.basename(name).startswith(TEMPORARY):
            continue
        if info.islnk():  # a second name of a file that came before
            first = files.get(_below(info.linkname, whole))
            if first is not None:
                files[name] = replace(first, path=name)
            continue
        if not info.isreg():
            continue
        if len(files) >= _MOST_FILES:
            what = f"{path} in the container has more than {_MOST_FILES} files, too many to keep"
            raise ArtifactError("too_many_files", f"{what}; as path name the model's own folder or file")
        files[name] = _keep(info, name, content, folder)
    return list(files.values())


def _keep(info: tarfile.TarInfo, name: str, content: Callable[[], Iterator[bytes]], folder: Path) -> Saved:
    have = free(folder)
    if info.size + RESERVE > have:
        raise ArtifactError(
            "no_room", f"keeping {name} takes {info.size} bytes, and of {have} free ones {RESERVE} must stay so"
        )
    with step("backup.file"):
        sha256 = _write(folder / "files" / "new", content())
    suffix = PurePosixPath(name).suffix
    plain = suffix[1:].isascii() and suffix[1:].isalnum() and len(suffix) <= 17
    stored = f"files/{sha256}{suffix if plain else ''}"
    (folder / "files" / "new").rename(folder / stored)
    return Saved(
        path=name, stored=stored, size=info.size, sha256=sha256, mode=info.mode & 0o7777, uid=info.uid, gid=info.gid
    )


def _write(path: Path, parts: Iterator[bytes]) -> str:
    """Returns the sha256 of what was written, and is on disk for good."""
    state = hashlib.sha256()
    with path.open("wb") as file:
        os.fchmod(file.fileno(), 0o644)
        for part in parts:
            state.update(part)
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    return state.hexdigest()


def _below(name: str, whole: bool) -> str:
    """A tar of a folder has its own name before each path."""
    return name.partition("/")[2] if whole else name
