"""Files in a container, running or not, by nothing but the engine's archive calls: an image need not have a shell."""

from __future__ import annotations

import hashlib
import posixpath
import tarfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import IO, Literal, cast

from msgspec import Struct

from ...ports import ArtifactError, Containers, NotFound, Refused, Unreachable
from .steps import step
from .tars import BLOCK, Entry, Reader, write

MOST_BYTES = 4 * 2**30
_MOST_LINKS = 8
_Kind = Literal["file", "folder", "link", "other"]
_KINDS: dict[bytes, _Kind] = {
    tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.DIRTYPE: "folder", tarfile.SYMTYPE: "link",
}  # fmt: skip

_REFUSALS = (
    ("read-only", "read_only", "; use a volume there, or delivery: mount"),
    ("no space left", "no_room", "; make room on the disk that the engine uses"),
    ("resource busy", "in_the_way", "; a file that is a mount of its own cannot be replaced: mount its folder instead"),
)
"""Words of the engine, code, what to do."""


class Found(Struct, frozen=True):
    """What is at a path."""

    path: str
    kind: _Kind
    mode: int
    uid: int
    gid: int
    size: int = 0
    leads_to: str = ""


class Inside:
    """One container's files, for as long as one action takes. Raises ``PortError``."""

    def __init__(self, containers: Containers, container_id: str, timeout: float) -> None:
        if not container_id:
            raise ArtifactError("unreachable", "there is no container now")
        self._containers = containers
        self._id = container_id
        self._end = time.monotonic() + timeout

    def look(self, path: str) -> Found | None:
        """What is there, links not followed; ``None``: nothing."""
        with self._unless_missing(), self._tar(path) as (tar, _):
            first = tar.next()
            if first is not None:
                kind: _Kind = _KINDS.get(first.type, "other")
                return Found(path, kind, first.mode & 0o7777, first.uid, first.gid, first.size, first.linkname)
        return None

    def resolve(self, path: str) -> Found | None:
        """As ``look``, at where links lead to."""
        here = path
        for _ in range(_MOST_LINKS):
            found = self.look(here)
            if found is None or found.kind != "link":
                return found
            here = posixpath.normpath(posixpath.join(posixpath.dirname(here), found.leads_to))
        raise ArtifactError("link", f"{path} in the container leads from link to link without an end")

    def sha256(self, path: str) -> str:
        """Of a file; empty when there is none."""
        with self._unless_missing(), self._tar(path) as (tar, reader):
            first = tar.next()
            if first is not None and first.isreg():
                state = hashlib.sha256()
                for part in content(tar, first):
                    state.update(part)
                reader.finish()
                return state.hexdigest()
        return ""

    def walk(self, path: str) -> Iterator[tuple[tarfile.TarInfo, Callable[[], Iterator[bytes]]]]:
        """A file or a folder with all in it: each entry, and its content while it is its turn."""
        with self._tar(path) as (tar, reader):
            while (info := tar.next()) is not None:
                yield info, partial(content, tar, info)
            reader.finish()

    def put(self, name: str, folder: str, entries: list[Entry]) -> None:
        """Unpacks ``entries``, in their order, as the step ``name``."""
        with step(name):
            self._send(folder, entries)

    def try_folder(self, folder: str) -> None:
        """Whether anything could be written there, before much is sent."""
        self._send(folder, [])

    def remove(self, name: str, path: str) -> None:
        """Removes a file. Nothing there is no error.

        The engine cannot be asked to. But it removes what is in an entry's way before it makes it, and a link to
        itself it then cannot make.
        """
        found = self.look(path)
        if found is None:
            return
        if found.kind == "folder":
            raise ArtifactError("path_kind", f"{path} in the container is a folder now; it was left alone")
        self.clear(name, path)

    def clear(self, name: str, path: str) -> None:
        """Removes whatever is there, a folder with all that is in it."""
        folder, base = posixpath.split(path)
        with step(name), suppress(Refused, NotFound):  # NotFound: so Docker 26 says that of the link
            self._containers.put_archive(self._id, folder, write([Entry(base, 0o644, 0, 0, link=base)]), self._left())
        if self.look(path) is not None:
            raise ArtifactError("in_the_way", f"{path} in the container cannot be removed; is it a mount of its own?")

    def stream(self, path: str, max_bytes: int) -> Generator[bytes, None, None]:
        """A file or a folder with all in it, as the engine's tar."""
        return self._containers.get_archive(self._id, path, max_bytes, self._left())

    def unpack(self, name: str, folder: str, tar: Iterator[bytes]) -> None:
        """Unpacks a whole tar into a folder, as the step ``name``."""
        with step(name):
            self._send_tar(folder, tar)

    def _send(self, folder: str, entries: list[Entry]) -> None:
        self._send_tar(folder, write(entries))

    def _send_tar(self, folder: str, tar: Iterator[bytes]) -> None:
        try:
            self._containers.put_archive(self._id, folder, tar, self._left())
        except NotFound as error:
            raise ArtifactError(
                "no_folder",
                f"{folder} cannot be written to in the container: {error}; the image has to bring the folder",
            ) from error
        except Refused as error:
            text = str(error)
            code, hint = next(((code, hint) for words, code, hint in _REFUSALS if words in text), ("refused", ""))
            raise ArtifactError(code, f"{folder} cannot be written to in the container: {text}{hint}") from error

    @contextmanager
    def _unless_missing(self) -> Iterator[None]:
        """A file that is missing is an answer. A container that is missing is none: another will take its place."""
        try:
            yield
        except NotFound:
            try:
                self._containers.inspect(self._id)
            except NotFound as error:
                raise ArtifactError("unreachable", f"the container is gone: {error}") from error

    @contextmanager
    def _tar(self, path: str) -> Iterator[tuple[tarfile.TarFile, Reader]]:
        stream = self._containers.get_archive(self._id, path, MOST_BYTES, self._left())
        with closing(stream):
            reader = Reader(stream)
            try:
                with tarfile.open(mode="r|", fileobj=cast(IO[bytes], reader)) as tar:
                    yield tar, reader
            except tarfile.TarError as error:
                raise Unreachable(f"what the engine sent of {path} cannot be read: {error}") from error

    def _left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise ArtifactError("timeout", "the container's files were not done with in time")
        return left


def content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> Iterator[bytes]:
    """A file's bytes. Raises ``Unreachable`` when they end too early."""
    file = tar.extractfile(info)
    left = info.size
    while file is not None and left and (part := file.read(min(BLOCK, left))):
        left -= len(part)
        yield part
    if left:
        raise Unreachable("the engine broke off while it sent a file of the container")
