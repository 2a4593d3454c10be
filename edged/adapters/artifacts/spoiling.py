"""A model that must not pass, for drills: the one in place with other answers in its golden vectors, or cut off.

It lies among the slots as one that came long ago, so that tidying takes it first and nothing that somebody may go back
to is pushed out by it.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

import msgspec

from ...ports import ArtifactError
from . import links, slots
from .layout import Home
from .steps import step

SUFFIX = "-drill"
_FOLDER = ".drill"
_MAGIC = b"\x93NUMPY"
_BIGGEST = 64 * 2**20


def spoil(place: Home, digest: str) -> str:
    """Hex digest of the slot that was made. Raises ``BundleRefused``, ``ArtifactError`` and ``OSError``."""
    slot = place.slot(digest)
    content = slots.check(slot, digest)
    model = content.bundle.model if content.bundle is not None else None
    if model is None:
        raise ArtifactError("no_model", "what is in place did not come with a bundle: there is nothing to spoil")
    manifest = msgspec.json.decode((slot / "manifest.json").read_bytes())
    golden = model.golden.file if model.golden is not None else ""
    target, data = golden, b""
    if golden and (slot / golden).stat().st_size <= _BIGGEST:
        data = other_answers((slot / golden).read_bytes(), {port.name for port in model.outputs})
    if not data:
        target, whole = model.file, (slot / model.file).stat().st_size
        with (slot / model.file).open("rb") as file:
            data = file.read(min(whole // 2, _BIGGEST))
    for entry in manifest["files"]:
        if entry["path"] == target:
            entry |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest["version"] = f"{manifest['version']}{SUFFIX}"[:128]
    raw = msgspec.json.encode(manifest)
    spoiled = hashlib.sha256(raw).hexdigest()
    if not slots.is_whole(place, spoiled):
        _build(place, slot, raw, {target: data}, [item.path for item in content.items], spoiled)
    os.utime(place.slot(spoiled), (0, 0))
    return spoiled


def forget(place: Home, spoiled: str, current: str, *, linked: bool) -> dict[str, Any]:
    """Removes it. Raises ``ArtifactError`` when something else than ``current`` is in place now."""
    if spoiled and place.slot(spoiled).is_dir():
        slots.discard(place, place.slot(spoiled), "slot.drill")
    slots.check(place.slot(current), current)
    there = links.read(place, "current")
    if linked and there != current:
        raise ArtifactError("swap_mismatch", f"{place.root / 'current'} leads to {there[:12]}…, not {current[:12]}…")
    return {"current": current}


def other_answers(npz: bytes, outputs: set[str]) -> bytes:
    """The vectors with every answer far away from what it was; empty: they cannot be read."""
    made = io.BytesIO()
    changed = False
    try:
        with zipfile.ZipFile(io.BytesIO(npz)) as old, zipfile.ZipFile(made, "w") as new:
            for name in old.namelist():
                data = old.read(name)
                if name.removesuffix(".npy") in outputs:
                    data, changed = _far(data), True
                new.writestr(name, data)
    except (zipfile.BadZipFile, struct.error, ValueError, IndexError):
        return b""
    return made.getvalue() if changed else b""


def _far(npy: bytes) -> bytes:
    """Flips high bits of the last byte of each element: exponent or most significant, little-endian."""
    if not npy.startswith(_MAGIC):
        raise ValueError("no array")
    wide = npy[6] >= 2
    (length,) = struct.unpack_from("<I" if wide else "<H", npy, 8)
    begin = 8 + (4 if wide else 2) + length
    kind = npy[8:begin].partition(b"descr': '")[2].partition(b"'")[0].decode("ascii", "replace")
    size = int(kind[2:])
    data = bytearray(npy)
    for index in range(begin + size - 1, len(data), size):
        data[index] ^= 1 if size == 1 else 0x41
    return bytes(data)


def _build(place: Home, slot: Path, manifest: bytes, other: dict[str, bytes], paths: list[str], digest: str) -> None:
    folder = place.staging / _FOLDER
    slots.delete(folder)
    with step("drill.build"):
        folder.mkdir(mode=0o755)
        for path in paths:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if path in other:
                target.write_bytes(other[path])
            else:
                shutil.copyfile(slot / path, target)
        (folder / "manifest.json").write_bytes(manifest)
    slots.adopt(place, folder, digest)
