"""Is what was backed up good? The app's own integrity command says, in the container or over a copy. No shell runs."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from ...ports import ArtifactError, Containers, PortError
from ...vocabulary.data import PLACE, Stored
from ..artifacts.tars import Reader
from ..processes import TimedOut, run
from .packing import unpacked
from .shelf import TEMPORARY, Shelf

_SHOWN = 300
_OUTPUT = 4096
_CANNOT_RUN = (126, 127)
"""Exit codes of what was not found, or is no program: they say nothing of the data."""


def over_copy(data: Stored) -> bool:
    """The check is given a copy on the host, not run in the container."""
    return any(PLACE in part for part in data.verify)


def in_container(containers: Containers, container_id: str, data: Stored, timeout: float) -> str:
    """How it was verified; empty: not here. Raises ``ArtifactError`` when the command says no, or does not end."""
    if not data.verify or over_copy(data):
        return ""
    try:
        code, said = containers.execute(container_id, data.verify, _OUTPUT, timeout)
    except PortError as error:
        raise ArtifactError("verify_unclear", f"{data.verify[0]} could not be run in the container: {error}") from error
    if code in _CANNOT_RUN:
        raise ArtifactError("verify_unclear", f"{data.verify[0]} could not be run in the container{_words(said)}")
    if code != 0:
        raise ArtifactError("verify", f"{data.verify[0]} in the container ended with {code}{_words(said)}")
    return "in the container"


def on_copy(shelf: Shelf, name: str, data: Stored, timeout: float) -> str:
    """The same over what was packed."""
    if not over_copy(data):
        return ""
    with _copy(shelf, name) as folder:
        command = [part.replace(PLACE, str(folder)) for part in data.verify]
        try:
            code, out, err = run(command, timeout)
        except TimedOut:
            raise ArtifactError(
                "verify_unclear", f"{command[0]} over a copy did not end within {timeout:.0f} s"
            ) from None
        except OSError as error:
            raise ArtifactError("verify_unclear", f"{command[0]} cannot be run: {error.strerror}") from error
    if code != 0:
        raise ArtifactError("verify", f"{command[0]} over a copy ended with {code}{_words((err or out).encode())}")
    return "on the copy"


@contextmanager
def _copy(shelf: Shelf, name: str) -> Iterator[Path]:
    """Files and folders alone, as edged's own: whatever the tar says, nothing is written outside."""
    folder = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY}look-", dir=shelf.folder))
    try:
        reader = Reader(unpacked(shelf.file(name)))
        with tarfile.open(mode="r|", fileobj=cast(IO[bytes], reader), errors="surrogateescape") as tar:
            for info in tar:
                if info.isreg() or info.isdir() or info.islnk():
                    shelf.check_room(info.size)
                    _extract(tar, info, folder)
        yield folder
    except tarfile.TarError as error:
        raise ArtifactError("damaged", f"{name} cannot be unpacked: {error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _extract(tar: tarfile.TarFile, info: tarfile.TarInfo, folder: Path) -> None:
    info.mode = 0o700 if info.isdir() else 0o600
    info.uid, info.gid, info.uname, info.gname = os.geteuid(), os.getegid(), "", ""
    tar.extract(info, folder, set_attrs=False, filter="data")


def _words(said: bytes) -> str:
    text = " ".join(said.decode("utf-8", "replace").split())[-_SHOWN:]
    return f": {text}" if text else ""
