"""What the tests of data backups have in common: a container with data in it, and the calls of its backups."""

from __future__ import annotations

import tarfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

from edged.adapters.data_backup import BackupStore
from edged.ports import Containers, Refused
from edged.vocabulary.data import Stored
from edged.vocabulary.world import Container, ContainerStatus
from tests.adapters.artifacts import FolderContainers

DATA = Stored(path="/data", keep=3, max_size=2**20)


def content(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file is not None, f"{name} is no plain file"
    return file.read()


class Boxes(FolderContainers):
    """With a status, and a program to run in them."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.status: ContainerStatus = "exited"
        self.volumes: dict[str, str] = {}
        self.answer: tuple[int, bytes] | Exception = (0, b"")
        self.ran: list[tuple[str, ...]] = []

    def inspect(self, container_id: str) -> tuple[Any, dict[str, Any]]:
        _, about = super().inspect(container_id)
        about["Mounts"] += [{"Type": "volume", "Name": n, "Destination": d} for n, d in self.volumes.items()]
        return Container(id=container_id, name="app", status=self.status), about

    def get_archive(self, container_id: str, path: str, max_bytes: int, timeout: float) -> Generator[bytes, None, None]:
        for part in super().get_archive(container_id, path, max_bytes, timeout):
            if len(part) > max_bytes + 2**16:
                raise Refused(f"{path} in the container is larger than {max_bytes} bytes")
            yield part

    def _unpack(self, tar: tarfile.TarFile, info: tarfile.TarInfo, folder: Path) -> None:
        if not info.issym():
            return super()._unpack(tar, info, folder)
        (folder / info.name).unlink(missing_ok=True)
        (folder / info.name).symlink_to(info.linkname)
        return None

    def execute(self, container_id: str, command: tuple[str, ...], max_bytes: int, timeout: float) -> tuple[int, bytes]:
        self.ran.append(command)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Bench:
    def __init__(self, folder: Path) -> None:
        self.boxes = Boxes(folder / "boxes")
        self.data = folder / "boxes" / "c1" / "data"
        self.data.mkdir(parents=True)
        self.state = folder / "state"
        self.state.mkdir()
        self.wall = 1_790_000_000.0
        self.fill({"db": b"one", "log/a": b"a"})

    def store(self) -> BackupStore:
        containers: Containers = self.boxes.port()
        return BackupStore(self.state, containers, lambda: self.wall, lambda: None)

    def fill(self, files: dict[str, bytes]) -> None:
        for path in sorted(self.data.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        for name, content in files.items():
            (self.data / name).parent.mkdir(parents=True, exist_ok=True)
            (self.data / name).write_bytes(content)

    def seen(self) -> dict[str, bytes]:
        return {str(p.relative_to(self.data)): p.read_bytes() for p in self.data.rglob("*") if p.is_file()}

    def back_up(self, data: Stored = DATA) -> dict[str, Any]:
        return self.store().back_up("app", "c1", data, 60.0)

    def restore(self, which: str = "latest", data: Stored = DATA) -> dict[str, Any]:
        return self.store().restore("app", "c1", data, which, 60.0)

    def names(self) -> list[str]:
        return [one["name"] for one in self.store().listing("app")]

    def file(self, name: str) -> Path:
        return self.state / "backups" / "app" / f"{name}.tar.gz"
