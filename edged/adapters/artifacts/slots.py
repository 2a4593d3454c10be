"""Slots: folders named by the digest of what they hold. A slot is whole from the moment that it has its name."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from ...bundles import BundleRefused, open_source
from ...bundles.blob import Blob
from ...bundles.source import Source
from .content import Content, decode
from .layout import Home, sync
from .steps import step

TRASH = ".trash-"


def check(folder: Path, digest: str) -> Content:
    """Reads every byte of a slot or of what is to become one. Raises ``BundleRefused`` and ``OSError``."""
    with open_source(folder) as source:
        content = decode(source.manifest)
        if content.digest != digest:
            raise BundleRefused("digest_mismatch", f"{folder} holds {content.digest[:12]}…, not {digest[:12]}…")
        _compare(source, content)
    return content


def is_whole(place: Home, digest: str) -> bool:
    """Raises ``OSError`` when it cannot be told."""
    try:
        check(place.slot(digest), digest)
    except (BundleRefused, FileNotFoundError, NotADirectoryError):
        return False
    return True


def read(place: Home, digest: str) -> Content:
    """What a slot should hold, by its manifest alone. Raises ``BundleRefused`` and ``OSError``."""
    with open_source(place.slot(digest)) as source:
        return decode(source.manifest)


def read_item(place: Home, content: Content, path: str, most: int) -> bytes:
    """One file of a slot, at most ``most`` bytes, as its manifest has it. Raises ``BundleRefused`` and ``OSError``."""
    item = next(item for item in content.items if item.path == path)
    with Blob.of_file(place.slot(content.digest) / item.stored) as blob:
        data = blob.read_at(0, most)
    if hashlib.sha256(data).hexdigest() != item.sha256:
        raise BundleRefused("digest_mismatch", f"{item.stored!r} is not what it was")
    return data


def adopt(place: Home, folder: Path, digest: str) -> None:
    """Gives ``folder``, whole and on disk for good, its place among the slots. Raises ``OSError``."""
    slot = place.slot(digest)
    if os.path.lexists(slot):
        # A damaged one of that name. What `current` leads to is then broken anyway, and whole again in a moment.
        discard(place, slot, "slot.damaged")
    with step("slot.rename"):
        folder.rename(slot)
    sync(place.slots, "slot.fsync")
    sync(folder.parent, "staging.fsync")


def touch(place: Home, digest: str) -> None:
    """It counts as new when old ones go."""
    os.utime(place.slot(digest))


def discard(place: Home, path: Path, name: str) -> None:
    """Removes a file or folder, out of sight first: what has begun to be removed is never taken for whole.

    Raises ``OSError``.
    """
    trash = place.staging / f"{TRASH}{secrets.token_hex(8)}"
    with step(f"{name}.rename"):
        path.rename(trash)
    sync(path.parent, f"{name}.fsync")
    with step(f"{name}.delete"):
        delete(trash)


def delete(path: Path) -> None:
    """Follows no link. What is gone already is no error."""
    with suppress(FileNotFoundError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _compare(source: Source, content: Content) -> None:
    listed = {item.stored: item for item in content.items}
    if unlisted := sorted(source.sizes.keys() - listed.keys()):
        raise BundleRefused("unlisted_file", f"{unlisted[0]!r} is there, and not in manifest.json")
    for stored, item in listed.items():
        if stored not in source.sizes:
            raise BundleRefused("missing_file", f"{stored!r} is gone")
        with source.open(stored) as blob:
            if blob.size != item.size:
                raise BundleRefused("size_mismatch", f"{stored!r} has {blob.size} bytes instead of {item.size}")
            if blob.sha256() != item.sha256:
                raise BundleRefused("digest_mismatch", f"{stored!r} is not what it was")
