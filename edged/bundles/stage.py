"""Brings a bundle onto this device's disk: verified while it is copied, whole or not there, again where it left off."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from . import folders
from .blob import BLOCK, Blob
from .manifest import File, Manifest
from .names import MANIFEST, SIGNATURE, shown
from .refusal import BundleRefused
from .source import Source
from .trust import Key
from .verify import Checked, Rules, check_content, check_digest, check_listing, check_size, inspect, is_read

RESERVE = 64 * 2**20
"""Bytes that stay free whatever happens: edged's own store and the containers' logs need them."""
_UNIT = 4096

Held = Callable[[str, int], Path | None]
"""(sha256, size) -> a file on this disk with that content, if there is one. It is copied and verified, not linked:
with a link, damage to one slot would be damage to the slot that a rollback needs."""


class Staged(Struct, frozen=True):
    manifest: Manifest
    digest: str
    folder: Path
    """Holds the files and ``manifest.json``, all on disk for good."""
    key: Key | None
    copied: int
    """Bytes that were written this time."""


def needed(manifest: Manifest) -> int:
    """Bytes of disk the bundle takes, in whole blocks, its folders and signature included."""
    sizes = [file.size for file in manifest.files]
    folders_ = {part for file in manifest.files for part in _parents(file.path)}
    return sum(-(-size // _UNIT) * _UNIT for size in sizes) + (len(folders_) + 3) * _UNIT + 2**20


def free(folder: Path) -> int:
    """Bytes that may still be written below ``folder``. Raises ``OSError``."""
    figures = os.statvfs(folder)
    return figures.f_bavail * figures.f_frsize


def stage(
    source: Source,
    folder: Path,
    rules: Rules,
    held: Held | None = None,
    room: Callable[[Path], int] = free,
    reserve: int = RESERVE,
) -> Staged:
    """Copies and verifies ``source`` into ``folder``/<digest>. Raises ``BundleRefused`` or ``OSError``.

    Until it is whole it is called ``.partial-<digest>``; a later call goes on with the files that are complete there.
    What ``folder``/<digest> holds already is verified again and kept.
    """
    checked = inspect(source.manifest, source.signature, rules)
    held_files = _held_files(checked.manifest, held)
    check_listing(checked.manifest, source.sizes, held_files)
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    copied = 0
    try:
        if not _stands(root, checked.digest, checked.manifest, source.manifest, rules):
            copied = _build(root, checked, source, held_files, rules, lambda: room(folder) - reserve)
    except BundleRefused as refused:
        # It will be refused again, so it shall not take disk. What only lacks room may go on later.
        if refused.code != "no_room":
            discard(folder, checked.digest)
        raise
    finally:
        os.close(root)
    return Staged(checked.manifest, checked.digest, folder / checked.digest, checked.key, copied)


def _build(
    root: int, checked: Checked, source: Source, held: dict[str, Path], rules: Rules, room: Callable[[], int]
) -> int:
    """Bytes copied to have the bundle stand below ``root`` under its digest."""
    partial, manifest = f".partial-{checked.digest}", checked.manifest
    with suppress(FileExistsError):
        os.mkdir(partial, 0o755, dir_fd=root)
    with folders.folder_at(root, (partial,)) as here:
        os.fchmod(here, 0o755)
        complete = _sweep(here, manifest)
        missing = [file for file in manifest.files if file.path not in complete]
        _check_room(manifest, complete, room())
        for file in missing:
            _copy(file, held.get(file.path), source, here)
        _check_contents(here, manifest, rules)
        _write(here, MANIFEST, source.manifest)
        if source.signature is not None:
            _write(here, SIGNATURE, source.signature)
        _sync_folders(here, manifest)
    os.rename(partial, checked.digest, src_dir_fd=root, dst_dir_fd=root)
    os.fsync(root)
    return sum(file.size for file in missing)


def discard(folder: Path, digest: str) -> None:
    """Removes what a broken-off ``stage`` left of a bundle. Raises ``OSError``."""
    # rmtree follows no link: it works on descriptors where the system can.
    with suppress(FileNotFoundError):
        shutil.rmtree(folder / f".partial-{digest}")


def _held_files(manifest: Manifest, held: Held | None) -> dict[str, Path]:
    if held is None:
        return {}
    found = ((file.path, held(file.sha256, file.size)) for file in manifest.files)
    return {path: where for path, where in found if where is not None}


def _stands(root: int, digest: str, manifest: Manifest, raw: bytes, rules: Rules) -> bool:
    """Whether the whole bundle is there and sound; one that is not is moved aside and removed."""
    try:
        with folders.folder_at(root, (digest,)) as here:
            descriptor, size = folders.open_file(here, (MANIFEST,))
            with Blob(descriptor, 0, size) as blob:
                sound = blob.size == len(raw) and blob.read_at(0, len(raw)) == raw
            sound = sound and all(_is_complete(here, file) for file in manifest.files)
            if sound:
                _check_contents(here, manifest, rules)
                return True
    except FileNotFoundError:
        if not _exists(root, digest):
            return False
    # Back to where it was still being made: what is complete in it need not be copied again.
    with suppress(FileNotFoundError):
        _remove(root, f".partial-{digest}")
    os.rename(digest, f".partial-{digest}", src_dir_fd=root, dst_dir_fd=root)
    return False


def _sweep(here: int, manifest: Manifest) -> set[str]:
    """Paths of the files that are there and whole. Everything else is removed."""
    listed = {file.path: file for file in manifest.files}
    keep = {*listed, *(folder for path in listed for folder in _parents(path))}
    complete: set[str] = set()
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        parts = waiting.pop()
        with folders.folder_at(here, parts) as descriptor, os.scandir(descriptor) as entries:
            for entry in list(entries):
                path = "/".join((*parts, entry.name))
                if entry.is_dir(follow_symlinks=False) and path in keep and path not in listed:
                    waiting.append((*parts, entry.name))
                elif path in listed and _is_complete(here, listed[path]):
                    complete.add(path)
                else:
                    _remove(descriptor, entry.name)
    return complete


def _is_complete(here: int, file: File) -> bool:
    try:
        descriptor, size = folders.open_file(here, tuple(file.path.split("/")))
    except (OSError, BundleRefused):
        return False
    with Blob(descriptor, 0, size) as blob:
        return size == file.size and blob.sha256() == file.sha256


def _check_room(manifest: Manifest, complete: set[str], have: int) -> None:
    want = needed(manifest) - sum(file.size for file in manifest.files if file.path in complete)
    if have < want:
        raise BundleRefused(
            "no_room", f"the bundle needs {want} bytes of disk, and {max(0, have)} may be used; make room and try again"
        )


def _copy(file: File, held: Path | None, source: Source, here: int) -> None:
    if held is not None and _copy_held(file, held, here):
        return
    if file.path not in source.sizes:
        raise BundleRefused("missing_file", f"{shown(file.path)} is listed in manifest.json, but not there")
    with source.open(file.path) as blob:
        check_size(file, blob.size)
        check_digest(file, _copy_blob(blob, here, file))


def _copy_held(file: File, held: Path, here: int) -> bool:
    """From this disk; a copy that has gone bad there, or is gone, is simply not used."""
    try:
        blob = Blob.of_file(held)
    except OSError:
        return False
    with blob:
        return blob.size == file.size and _copy_blob(blob, here, file) == file.sha256


def _copy_blob(blob: Blob, here: int, file: File) -> str:
    """Writes a file anew and returns the sha256 of what was written."""
    parts = tuple(file.path.split("/"))
    state = hashlib.sha256()
    with folders.folder_at(here, parts[:-1], make=True) as folder:
        descriptor = _create(folder, parts[-1])
        try:
            if file.size > BLOCK:
                os.posix_fallocate(descriptor, 0, file.size)
            for block in blob.blocks():
                state.update(block)
                _write_all(descriptor, block)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return state.hexdigest()


def _write(here: int, name: str, data: bytes) -> None:
    descriptor = _create(here, name)
    try:
        _write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _create(folder: int, name: str) -> int:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    os.fchmod(descriptor, 0o644)
    return descriptor


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _check_contents(here: int, manifest: Manifest, rules: Rules) -> None:
    """On the copies, which nobody else writes to."""
    for file in manifest.files:
        if is_read(manifest, file):
            descriptor, size = folders.open_file(here, tuple(file.path.split("/")))
            with Blob(descriptor, 0, size) as blob:
                check_content(manifest, file, blob, rules)


def _sync_folders(here: int, manifest: Manifest) -> None:
    for path in sorted({folder for file in manifest.files for folder in _parents(file.path)}):
        with folders.folder_at(here, tuple(path.split("/"))) as descriptor:
            os.fsync(descriptor)
    os.fsync(here)


def _remove(folder: int, name: str) -> None:
    if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        shutil.rmtree(name, dir_fd=folder)
    else:
        os.unlink(name, dir_fd=folder)


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts))]
