"""What a slot holds, by its ``manifest.json``: a bundle, or a copy of what a container had before edged's time."""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from ...bundles import BundleRefused, Manifest, parse
from ...bundles.manifest import MOST_MANIFEST
from ...vocabulary.actions import Where

_SHA256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
_STORED = Annotated[str, Meta(pattern=r"^files/[0-9a-f]{64}(\.[A-Za-z0-9]{1,16})?$")]


class Saved(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file as a container had it."""

    path: str
    """Below the folder; the file's name when it is only one."""
    stored: _STORED
    """In the slot: a container's own names may be anything, ``manifest.json`` too."""
    size: int
    sha256: _SHA256
    mode: int
    uid: int
    gid: int


class Backup(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``manifest.json`` of a copy. It holds no time, so that the same files always give the same digest."""

    format: Literal[1] = 1
    kind: Literal["backup"] = "backup"
    of: Literal["model", "config"]
    form: Literal["file", "folder"]
    files: Annotated[tuple[Saved, ...], Meta(max_length=1000)]


class Item(Struct, frozen=True):
    path: str
    stored: str
    size: int
    sha256: str
    mode: int | None = None
    """``None``, as for owner and group: as the file that it replaces."""
    uid: int | None = None
    gid: int | None = None


class Content(Struct, frozen=True):
    digest: str
    """Hex."""
    items: tuple[Item, ...]
    main: str
    """Path of the item that is the model or the configuration; for a copied folder empty."""
    form: Literal["", "file", "folder"]
    """How it was found; empty for bundles."""
    bundle: Manifest | None


class _Head(Struct):
    kind: str = ""


def encode(backup: Backup) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(backup, files=tuple(sorted(backup.files, key=_path))))


def decode(raw: bytes) -> Content:
    """Raises ``BundleRefused``."""
    if len(raw) > MOST_MANIFEST:
        raise BundleRefused("manifest", f"manifest.json is larger than {MOST_MANIFEST} bytes")
    digest = hashlib.sha256(raw).hexdigest()
    try:
        if msgspec.json.decode(raw, type=_Head).kind == "backup":
            backup = msgspec.json.decode(raw, type=Backup)
            items = tuple(Item(f.path, f.stored, f.size, f.sha256, f.mode, f.uid, f.gid) for f in backup.files)
            main = items[0].path if backup.form == "file" and items else ""
            return Content(digest, items, main, backup.form, None)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BundleRefused("manifest", f"manifest.json: {str(error)[:200]}") from None
    bundle = parse(raw)
    items = tuple(Item(file.path, file.path, file.size, file.sha256) for file in bundle.files)
    return Content(digest, items, bundle.main, "", bundle)


def as_file(content: Content, where: Where) -> bool:
    """Whether ``where.path`` is the one file itself, and not the folder for all of them.

    It is for configurations, and for a model when it ends like the model's own file (``.onnx``).
    """
    if content.form:
        return content.form == "file"
    suffix = PurePosixPath(content.main).suffix
    return where.kind == "config" or (suffix != "" and PurePosixPath(where.path).suffix == suffix)


def targets(content: Content, where: Where) -> dict[str, Item]:
    """Path in the container -> what belongs there; the model or configuration itself last."""
    path = where.path.rstrip("/") or "/"
    if as_file(content, where):
        main = next(item for item in content.items if item.path == content.main)
        return {path: main}
    ordered = sorted(content.items, key=lambda item: item.path == content.main)
    return {f"{path.rstrip('/')}/{item.path}": item for item in ordered}


def _path(file: Saved) -> str:
    return file.path
