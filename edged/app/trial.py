"""edged's own configuration for the executors: reload, and one on trial that is kept or taken back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from ..config.diff import changed
from ..config.load import Loaded
from ..config.problem import ConfigError
from ..ports import Refused, StorageError, Unreachable
from . import applied, last_good
from .reload import Reloader, faults, lines

if TYPE_CHECKING:
    from .daemon import Daemon


class Candidate(Struct, frozen=True):
    """What was checked, and the file as it was then."""

    loaded: Loaded
    instead: applied.Instead


class OwnConfigTrial:
    """One at a time: the judge sees to that. Every step may be made twice."""

    def __init__(self, reloader: Reloader, env: Mapping[str, str], daemon: Daemon) -> None:
        self._reloader, self._env, self._daemon = reloader, env, daemon
        self._candidate: Candidate | None = None
        self._before: Loaded | None = None

    def reload(self) -> dict[str, Any]:
        before = self._reloader.loaded.config
        errors = self._reloader.reload()
        now = self._reloader.loaded
        return {"errors": list(errors), "path": now.path, "changed": list(changed(before, now.config))}

    def check(self, text: str) -> dict[str, Any]:
        now = self._reloader.loaded
        path = self._reloader.path
        try:
            loaded = applied.read_new(text, path, self._env, Path(now.config.state_dir))
            instead = applied.instead(path)
        except ConfigError as error:
            return {"errors": list(lines(error.errors))}
        if errors := faults(now.config, loaded):
            return {"errors": list(errors)}
        self._candidate = Candidate(loaded, instead)
        return {
            "digest": loaded.digest,
            "changed": list(changed(now.config, loaded.config)),
            "mqtt": loaded.config.mqtt is not None,
        }

    def take(self, digest: str) -> dict[str, Any]:
        with self._reloader.one:
            candidate = self._checked(digest)
            self._before = self._before or self._reloader.loaded
            self._reloader.on_trial = True
            return {"errors": list(self._reloader.swap(candidate.loaded))}

    def keep(self, digest: str) -> None:
        if hung := self._daemon.hung:
            raise Refused(f"edged is not well under it: {hung}")
        candidate = self._checked(digest)
        folder = Path(candidate.loaded.config.state_dir)
        try:
            applied.keep(folder, candidate.loaded, candidate.instead)
        except OSError as error:
            raise StorageError(f"{folder / applied.NAME} cannot be written: {error.strerror}") from error
        last_good.keep(folder, candidate.loaded)
        self._over()

    def undo(self) -> None:
        with self._reloader.one:
            before = self._before
            if before is not None and self._reloader.loaded is not before:
                # An address that somebody else took meanwhile must not keep the rest from coming back.
                errors = self._reloader.swap(before, insist=True)
                if errors:
                    raise Unreachable("; ".join(errors))
            self._over()

    def _over(self) -> None:
        self._candidate = self._before = None
        self._reloader.on_trial = False

    def _checked(self, digest: str) -> Candidate:
        if self._candidate is None or self._candidate.loaded.digest != digest:
            raise Refused("what was checked is not known any more: apply it again")
        return self._candidate
