"""Where a bundle is read from: a folder, or an uncompressed ``.tar`` of it."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol

from . import folders, tar
from .blob import Blob
from .manifest import MOST_MANIFEST, MOST_SIGNATURE
from .names import MANIFEST, RESERVED, SIGNATURE, check_path, shown
from .refusal import BundleRefused

MOST_FILES = 1000


class Source(Protocol):
    """Manifest and signature are read once, so that what was verified is what is written."""

    manifest: bytes
    signature: bytes | None

    @property
    def sizes(self) -> dict[str, int]:
        """path -> bytes of every other file there is. The paths are not judged."""

    def open(self, path: str) -> Blob:
        """One of them. Raises ``OSError`` or ``BundleRefused``."""

    def close(self) -> None: ...

    def __enter__(self) -> Source: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_source(path: Path, most_files: int = MOST_FILES) -> Source:
    """Opens a bundle. Raises ``BundleRefused``; ``OSError`` when there is nothing to be opened."""
    # The last part may be a link (…/current); what it leads to is then held by its descriptor.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            return FolderSource(descriptor, most_files)
        if stat.S_ISREG(status.st_mode):
            return TarSource(descriptor, status.st_size, most_files)
        raise BundleRefused("special_file", f"{path} is neither a folder nor a .tar file")
    except BaseException:
        with suppress(OSError):
            os.close(descriptor)
        raise


class _Opened(ABC):
    """What both have in common: a descriptor, and files with sizes. Owns ``descriptor`` once it is made."""

    def __init__(self, descriptor: int, found: dict[str, int]) -> None:
        self._descriptor = descriptor
        if MANIFEST not in found:
            raise BundleRefused("missing_file", "there is no manifest.json: this is no bundle")
        self.manifest = self._read(MANIFEST, found[MANIFEST], MOST_MANIFEST, "manifest")
        self.signature: bytes | None = None
        if SIGNATURE in found:
            self.signature = self._read(SIGNATURE, found[SIGNATURE], MOST_SIGNATURE, "signature_format")
        self.sizes = {path: size for path, size in found.items() if path not in RESERVED}

    @abstractmethod
    def open(self, path: str) -> Blob:
        """As ``Source.open``."""

    def _read(self, path: str, size: int, most: int, code: str) -> bytes:
        if size > most:
            raise BundleRefused(code, f"{path} is larger than {most} bytes")
        with self.open(path) as blob:
            return blob.read_at(0, most)

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> Source:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None) -> None:
        self.close()


class FolderSource(_Opened):
    def __init__(self, descriptor: int, most_files: int = MOST_FILES) -> None:
        super().__init__(descriptor, folders.scan(descriptor, most_files + len(RESERVED)))

    def open(self, path: str) -> Blob:
        opened, size = folders.open_file(self._descriptor, tuple(path.split("/")))
        return Blob(opened, 0, size)


class TarSource(_Opened):
    """A ``.tar`` of a folder, with or without the folder's own name before each path."""

    def __init__(self, descriptor: int, size: int, most_files: int = MOST_FILES) -> None:
        whole = Blob(descriptor, 0, size, owned=False)
        members = tar.index(whole.read_at, size, most_files + len(RESERVED))
        self._members = _without_top(members)
        for path in self._members:
            if path not in RESERVED:
                check_path(path)
        super().__init__(descriptor, {path: member.size for path, member in self._members.items()})

    def open(self, path: str) -> Blob:
        member = self._members[path]
        return Blob(self._descriptor, member.offset, member.size, owned=False)


def _without_top(members: dict[str, tar.Member]) -> dict[str, tar.Member]:
    tops = {path.partition("/")[0] for path in members}
    if len(tops) != 1 or (top := tops.pop() + "/").startswith(("/", "../", "./")) or f"{top}{MANIFEST}" not in members:
        return members
    stripped = {path.removeprefix(top): member for path, member in members.items()}
    if "" in stripped:
        raise BundleRefused("path", f"the archive holds {shown(top)} as a file")
    return stripped
