"""Implements ``ports.Inputs``: opens sources, and keeps what edged learned."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path

from ...bundles import BundleRefused
from ...bundles import parse as parse_manifest
from ...bundles.blob import Blob
from ...bundles.manifest import MOST_MANIFEST
from ...config import Config, Source
from ...inputs.reference import MOST_BYTES
from ...ports import NotFound, PortError, Prober, RowSource, StorageError
from ..atomic import write_atomic

MOST_UNFINISHED = 16 * 2**20
"""Bytes. A million numbers of 8, and labels."""
KEPT = 8
"""Learned references of one app that are kept: those of its last models."""
UNFINISHED = "unfinished"
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,200}")


class LocalInputs:
    def __init__(self, state: Path, prober: Prober, config: Callable[[], Config]) -> None:
        self._state, self._prober, self._config = state, prober, config
        self._lock = threading.Lock()

    def open(self, app: str, source: Source, *, csv: bool, position: str) -> RowSource:
        if source.file:
            from .row_file import FileRows

            return FileRows(Path(source.file), csv=csv, position=position)
        if source.http:
            from .row_http import HttpRows

            return HttpRows(source.http, self._prober, position=position)
        from .row_mqtt import MqttRows, broker_of

        config = self._config()
        broker, topic = broker_of(source.mqtt, config.mqtt)
        return MqttRows(broker, topic, f"edged-{config.device.id}-{app}-inputs")

    def shipped(self, app: str, model: str) -> bytes:
        slot = self._state / "models" / _plain(app) / "slots" / _plain(model.removeprefix("sha256:"))
        try:
            manifest = parse_manifest(_read(slot / "manifest.json", MOST_MANIFEST))
            named = manifest.model.reference if manifest.model is not None else ""
            return _read(slot / named, MOST_BYTES) if named else b""
        except NotFound:
            raise
        except BundleRefused as refused:
            # A copy of what a container had before edged's time has a manifest of another kind.
            if refused.code in ("manifest", "format"):
                return b""
            raise PortError(f"{slot}: {refused}") from None

    def learned(self, app: str, key: str) -> bytes:
        try:
            return _read(self._folder(app) / f"{_plain(key)}.json", MOST_BYTES)
        except NotFound:
            return b""

    def keep(self, app: str, key: str, reference: bytes) -> None:
        folder = self._folder(app)
        try:
            with self._lock:
                folder.mkdir(mode=0o750, parents=True, exist_ok=True)
                write_atomic(folder / f"{_plain(key)}.json", reference)
                kept = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
                for old in kept[:-KEPT]:
                    old.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{folder}: {error.strerror or error}") from error

    def unfinished(self, app: str) -> bytes:
        try:
            return _read(self._folder(app) / UNFINISHED, MOST_UNFINISHED)
        except NotFound:
            return b""

    def keep_unfinished(self, app: str, data: bytes) -> None:
        path = self._folder(app) / UNFINISHED
        try:
            if data:
                path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
                write_atomic(path, data)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror or error}") from error

    def _folder(self, app: str) -> Path:
        return self._state / "references" / _plain(app)


def _plain(name: str) -> str:
    if not _PLAIN.fullmatch(name):
        raise PortError(f"{name!r} cannot be the name of a folder, so no reference is kept under it")
    return name


def _read(path: Path, most: int) -> bytes:
    """One byte more than ``most`` at the very most, which whoever reads it refuses. Raises ``PortError``."""
    try:
        with Blob.of_file(path) as blob:
            return blob.read_at(0, most + 1)
    except FileNotFoundError:
        raise NotFound(f"{path} is not there") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}") from error
