"""What the tests of artifacts have in common."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, cast

from edged.adapters.artifacts import ArtifactStore
from edged.adapters.model_check import ChildRuntime
from edged.ports import Containers, NotFound, Refused
from edged.vocabulary.actions import Where


def no_web(*_: Any) -> Any:
    raise AssertionError("nothing is fetched by URL here")


def runtime() -> ChildRuntime:
    return ChildRuntime()


def deploy(store: ArtifactStore, app: str, where: Where, bundle: Path, deployment: str = "d1") -> str:
    """Fetched and verified: the digest of the slot."""
    store.fetch(app, where, str(bundle), deployment, 60.0)
    digest: str = store.verify(app, where, deployment, "", 0, ())["digest"]
    return digest


class FolderContainers:
    """Containers whose files are folders here, unpacked into as dockerd does. They outlive the process."""

    busy = False
    """The engine, another process in truth, is writing."""

    def __init__(self, root: Path, mounts: dict[str, Path] | None = None) -> None:
        self.root = root
        self.mounts = mounts or {}

    def port(self) -> Containers:
        return cast(Containers, self)

    def inspect(self, container_id: str) -> tuple[Any, dict[str, Any]]:
        if not (self.root / container_id).is_dir():
            raise NotFound(f"no such container: {container_id}")
        mounts = [{"Type": "bind", "Source": str(s), "Destination": d} for d, s in self.mounts.items()]
        return None, {"Mounts": mounts}

    def get_archive(self, container_id: str, path: str, max_bytes: int, timeout: float) -> Generator[bytes, None, None]:
        real = self._real(container_id, path)
        if not os.path.lexists(real):
            raise NotFound(f"no {path}")
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            tar.add(real, real.name)
        yield buffer.getvalue()

    def put_archive(self, container_id: str, folder: str, tar: Iterator[bytes], timeout: float) -> None:
        real = self._real(container_id, folder)
        if not real.is_dir():
            raise NotFound(f"no {folder}")
        with tarfile.open(fileobj=io.BytesIO(b"".join(tar))) as unpacked:
            FolderContainers.busy = True
            try:
                for info in unpacked:
                    self._unpack(unpacked, info, real)
            finally:
                FolderContainers.busy = False

    def _unpack(self, tar: tarfile.TarFile, info: tarfile.TarInfo, folder: Path) -> None:
        target = folder / info.name
        if os.path.lexists(target) and not (target.is_dir() and info.isdir()):
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink()
        if info.isdir():
            target.mkdir(exist_ok=True)
        elif info.islnk():
            try:
                os.link(folder / info.linkname, target)
            except OSError as error:
                raise Refused(str(error)) from error
        elif (file := tar.extractfile(info)) is not None:
            target.write_bytes(file.read())
        target.chmod(info.mode)

    def _real(self, container_id: str, path: str) -> Path:
        return self.root / container_id / path.lstrip("/")
