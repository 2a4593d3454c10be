"""Bundles nobody should accept: made by changing good ones in every way we can think of, and then at random."""

from __future__ import annotations

import json
import os
import random
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bundles.maker import MODEL, dump, manifest, sign

from . import archives, models

Files = dict[str, bytes]

NAMES = (
    "../neighbour", "../../outside/secret", "/etc/edged-fuzz", "a/../../neighbour", "..", ".", "", "a//b", "./a", "a/.",
    "~/x", "a\\..\\b", "C:\\x", "\0", "a\0b", "a\nb", "x" * 5000, "d/" * 500 + "x", "A.YAML", "a.yaml/", "a.yaml/b",
    "manifest.json", "MANIFEST.SIG", "manifest.json/../x",
    "\udcff", "\u202egpj", "é", "e\u0301", "con", "-rf", "$(id)", "a ", "...", ".hidden",
)  # fmt: skip
NUMBERS: tuple[Any, ...] = (
    -1, 0, 1, 511, 512, 2**31, 2**32, 2**53, 2**63, 2**64, 10**30, 1.5, 1e308, "5", None, True, [], {},
)  # fmt: skip
_KINDS = ("folder", "archive", "lying archive", "model", "manifest", "signature", "bytes")


class Corpus:
    """Makes one input after the other."""

    def __init__(self, random_: random.Random) -> None:
        self.random = random_

    def place(self, path: Path) -> str:
        """Puts the next input at ``path``; returns what kind it is."""
        kind = self.random.choice(_KINDS)
        if kind == "folder":
            self._folder(path)
        else:
            path.write_bytes(_MAKERS[kind](self.random))
            if self.random.random() < 0.01:
                resize(path, self.random.choice([2**40, 2**33, 100, 0]))
        return kind

    def _folder(self, path: Path) -> None:
        files = good(self.random)
        raw = changed_manifest(self.random, files) if self.random.random() < 0.5 else dump(manifest(files))
        path.mkdir()
        for name, data in (files | {"manifest.json": raw, "manifest.sig": sign(raw)}).items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
        for _ in range(self.random.randrange(3)):
            _spoil(self.random, path, self.random.choice([*files, "manifest.json", "manifest.sig", "new", "sub/new"]))


def resize(path: Path, size: int) -> None:
    """Cuts a file, or makes it longer by a hole that takes no memory; the only thing that passes the size limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    try:
        os.truncate(path, size)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def good(random_: random.Random) -> Files:
    """Files of a good bundle."""
    return random_.choice([
        lambda: {"a.yaml": b"a: 1\n"},
        lambda: {"a.yaml": b"a: 1\n", "sub/b.bin": random_.randbytes(random_.choice([0, 1, 511, 512, 3000]))},
        lambda: {"model.onnx": MODEL},
        lambda: {"model.onnx": MODEL, "w/x.bin": b"\0" * 64},
    ])()  # fmt: skip


def changed_manifest(random_: random.Random, files: Files) -> bytes:
    """A manifest with something wrong at a random place of its tree, or of its bytes."""
    content: Any = manifest(files)
    for _ in range(random_.choice([1, 1, 1, 2, 5])):
        _change(random_, content)
    try:
        raw = json.dumps(content).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        raw = b"{}"
    if random_.random() < 0.2:
        raw = mutated(random_, raw)
    if random_.random() < 0.005:
        raw = random_.choice([b"[" * 200_000, b'{"a":' * 200_000, b" " * 2_000_000, raw * 3])
    return raw


def mutated(random_: random.Random, data: bytes) -> bytes:
    """Bytes flipped, cut, doubled, filled."""
    raw = bytearray(data)
    for _ in range(random_.choice([1, 1, 2, 4, 16])):
        at = random_.randrange(len(raw) + 1)
        length = random_.choice([1, 1, 2, 8, 100, 512])
        how = random_.randrange(5)
        if how == 0 and at < len(raw):
            raw[at] ^= 1 << random_.randrange(8)
        elif how == 1:
            del raw[at : at + length]
        elif how == 2:
            raw[at:at] = random_.randbytes(length)
        elif how == 3:
            raw[at:at] = raw[at : at + length]
        else:
            raw[at : at + length] = random_.choice([b"\0", b"\xff", b"9", b"7", b"\x80"]) * length
    return bytes(raw)


def _change(random_: random.Random, content: Any) -> None:
    here = content
    while True:
        keys = list(here) if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else []
        if not keys:
            return
        key = random_.choice(keys)
        if isinstance(here[key], dict | list) and here[key] and random_.random() < 0.7:
            here = here[key]
            continue
        how = random_.randrange(5)
        if how == 0:
            del here[key]
        elif how == 1:
            here[key] = random_.choice(NUMBERS)
        elif how == 2:
            here[key] = random_.choice(NAMES)
        elif how == 3 and isinstance(here, dict):
            here[random_.choice(["extra", "path", "model", "config", "__class__"])] = random_.choice(NAMES)
        else:
            here[key] = [here[key]] * random_.choice([2, 3, 1500 if random_.random() < 0.1 else 4])
        return


def _spoil(random_: random.Random, folder: Path, name: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        return
    small = path.is_file() and not path.is_symlink() and path.stat().st_size < 2**20
    before = path.read_bytes() if small else b""
    path.unlink(missing_ok=True)
    how = random_.randrange(6)
    if how == 0:
        path.symlink_to(random_.choice(["../yard/neighbour", "/etc/passwd", name, "/dev/zero"]))
    elif how == 1:
        os.mkfifo(path)
    elif how == 2:
        path.mkdir()
        (path / "inside").write_bytes(before)
    elif how == 3:
        path.write_bytes(mutated(random_, before))
    elif how == 4:
        path.write_bytes(before)
        resize(path, random_.choice([2**40, 2**33, len(before) + 1, max(0, len(before) - 1)]))
    elif how == 5:
        (folder / "copy").mkdir(exist_ok=True)
        (folder / "copy" / "manifest.json").write_bytes(b"{}")


def _manifest_in_tar(random_: random.Random) -> bytes:
    files = good(random_)
    raw = changed_manifest(random_, files)
    # Signed as it is: what a stolen or careless key could do.
    return archives.pack({"manifest.json": raw, "manifest.sig": sign(raw)} | files)


def _signature(random_: random.Random) -> bytes:
    files = good(random_)
    raw = dump(manifest(files))
    envelope: Any = json.loads(sign(raw))
    if random_.random() < 0.5:
        _change(random_, envelope)
    signature = json.dumps(envelope).encode("utf-8", "surrogatepass")
    if random_.random() < 0.5:
        signature = mutated(random_, signature)
    return archives.pack({"manifest.json": raw, "manifest.sig": signature} | files)


def _model(random_: random.Random) -> bytes:
    files = {"model.onnx": models.hostile(random_, mutated), "w.bin": b"\0" * 64}
    raw = dump(manifest(files))
    return archives.pack({"manifest.json": raw, "manifest.sig": sign(raw)} | files)


def _archive(random_: random.Random) -> bytes:
    files = good(random_)
    raw = dump(manifest(files))
    return archives.odd(random_, {"manifest.json": raw, "manifest.sig": sign(raw)} | files, NAMES)


def _lying(random_: random.Random) -> bytes:
    return archives.lying(random_, _archive(random_))


_MAKERS: dict[str, Callable[[random.Random], bytes]] = {
    "archive": _archive,
    "lying archive": _lying,
    "model": _model,
    "manifest": _manifest_in_tar,
    "signature": _signature,
    "bytes": lambda random_: mutated(random_, _archive(random_)),
}
