"""A folder of a container as a compressed tar on disk, and back. Never more than a block of it in memory."""

from __future__ import annotations

import hashlib
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

from msgspec import Struct

from ...ports import ArtifactError, Unreachable
from ..artifacts.steps import step
from ..artifacts.tars import BLOCK, Reader

_LEVEL = 1
"""An edge box has other things to do, and its card is slower than this."""
_LOOK_EVERY = 16 * 2**20
"""Bytes between two looks at the room that is left."""


class Packed(Struct, frozen=True):
    """What was read or written."""

    digest: str
    bytes: int
    unpacked: int
    entries: int
    tree: str
    top: dict[str, bool]
    """Names right in the folder: is it a folder?"""


class Tree:
    """Adds entries up to one digest. Times are left out: a restore makes new ones."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self.unpacked = 0
        self.top: dict[str, bool] = {}

    def add(self, info: tarfile.TarInfo, sha256: str) -> None:
        if info.name == ".":
            return
        self.unpacked += info.size
        first, _, rest = info.name.partition("/")
        self.top[first] = info.isdir() or bool(rest)
        about = (info.name, info.type.decode(), f"{info.mode & 0o7777:o}", info.uid, info.gid, info.linkname, sha256)
        self._lines.append("\0".join(map(str, about)).encode("utf-8", "surrogateescape"))

    @property
    def entries(self) -> int:
        return len(self._lines)

    def digest(self) -> str:
        return hashlib.sha256(b"\n".join(sorted(self._lines))).hexdigest()


class _File:
    """A gzip file being written, and its digest."""

    def __init__(self, file: IO[bytes], check_room: Callable[[], None]) -> None:
        self._file, self._check_room = file, check_room
        self._pack = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)
        self._sha = hashlib.sha256()
        self.size = self._looked = 0

    def write(self, data: bytes) -> None:
        self._put(self._pack.compress(data))

    def end(self) -> str:
        self._put(self._pack.flush())
        return self._sha.hexdigest()

    def _put(self, data: bytes) -> None:
        self._sha.update(data)
        self._file.write(data)
        self.size += len(data)
        if self.size - self._looked >= _LOOK_EVERY:
            self._looked = self.size
            self._check_room()


def pack(stream: Iterator[bytes], target: Path, check_room: Callable[[], None]) -> Packed:
    """Writes the engine's tar of a folder, with names below that folder, to a new file, and syncs it.

    Raises ``Unreachable`` when the tar has no end, ``OSError``.
    """
    with target.open("xb") as raw:
        os.fchmod(raw.fileno(), 0o600)
        file, tree = _File(raw, check_room), Tree()
        for info, parts in entries(stream):
            file.write(info.tobuf(tarfile.PAX_FORMAT, errors="surrogateescape"))
            sha = hashlib.sha256()
            for part in parts:
                sha.update(part)
                file.write(part)
            file.write(bytes(-info.size % tarfile.BLOCKSIZE))
            tree.add(info, sha.hexdigest() if info.isreg() else "")
        file.write(bytes(2 * tarfile.BLOCKSIZE))
        digest = file.end()
        raw.flush()
        with step("data.file.fsync"):
            os.fsync(raw.fileno())
    return Packed(f"sha256:{digest}", file.size, tree.unpacked, tree.entries, tree.digest(), tree.top)


def entries(stream: Iterator[bytes]) -> Iterator[tuple[tarfile.TarInfo, Iterator[bytes]]]:
    """Each entry of the engine's tar, its name made one below the folder (``.`` is the folder itself), and its bytes.

    Raises ``Unreachable`` when the tar breaks off.
    """
    reader = Reader(stream)
    try:
        with tarfile.open(mode="r|", fileobj=cast(IO[bytes], reader), errors="surrogateescape") as tar:
            root = ""
            for info in tar:
                root = root or info.name
                alone = info.name == root and not info.isdir()
                info.name = _below(info.name, root) if not alone else root.rpartition("/")[2]
                if info.islnk():
                    info.linkname = _below(info.linkname, root)
                # They would win over the names given here.
                info.pax_headers = {k: v for k, v in info.pax_headers.items() if k not in ("path", "linkpath", "size")}
                yield info, _content(tar, info)
            reader.finish()
    except tarfile.TarError as error:
        raise Unreachable(f"what the engine sent is no whole tar: {error}") from error


def _below(name: str, root: str) -> str:
    return "." if name == root else name.removeprefix(root.rstrip("/") + "/")


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> Iterator[bytes]:
    file = tar.extractfile(info) if info.isreg() else None
    left = info.size if file is not None else 0
    while file is not None and left and (part := file.read(min(BLOCK, left))):
        left -= len(part)
        yield part
    if left:
        raise Unreachable("the engine broke off while it sent a file")


def unpacked(path: Path) -> Iterator[bytes]:
    """The tar in a file. Raises ``ArtifactError`` when it is damaged, ``OSError``."""
    inflate = zlib.decompressobj(wbits=31)
    with path.open("rb") as file:
        try:
            while data := file.read(BLOCK):
                while data:
                    yield inflate.decompress(data, BLOCK)
                    data = inflate.unconsumed_tail
            yield inflate.flush()
        except zlib.error as error:
            raise ArtifactError("damaged", f"{path.name} is damaged: {error}") from error
    if not inflate.eof or inflate.unused_data:
        raise ArtifactError("damaged", f"{path.name} is cut off")


def survey(stream: Iterator[bytes]) -> Tree:
    """What a tar of the engine's holds. Raises as ``entries``."""
    tree = Tree()
    for info, parts in entries(stream):
        sha = hashlib.sha256()
        for part in parts:
            sha.update(part)
        tree.add(info, sha.hexdigest() if info.isreg() else "")
    return tree


def check(path: Path, digest: str, tree: str) -> Tree:
    """Reads a file back from its medium, to its last byte. Raises ``ArtifactError`` when it is not what it was."""
    try:
        with path.open("rb") as file:
            if hasattr(os, "posix_fadvise"):  # what was just written should come from where it will be needed from
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            got = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise ArtifactError("damaged", f"{path.name} is gone") from None
    if got != digest:
        raise ArtifactError("damaged", f"{path.name} is {got[:19]}… and was {digest[:19]}…")
    try:
        # Its root is ".", so names come out as they are.
        found = survey(unpacked(path))
    except Unreachable as error:
        raise ArtifactError("damaged", f"{path.name} cannot be read as a tar: {error}") from error
    if found.digest() != tree:
        raise ArtifactError("damaged", f"{path.name} does not hold what was put into it")
    return found
