"""SIGHUP: validate, build what can fail, swap last. A bad file changes nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import Config
from ..config.diff import changed
from ..config.load import Loaded, check_files, load, load_default
from ..config.problem import ConfigError, Problem, render
from ..loop import NewConfig
from ..ports import PortError
from ..vocabulary.facts import ConfigLoaded, ConfigRejected
from . import last_good

if TYPE_CHECKING:
    from .daemon import Daemon

log = logging.getLogger(__name__)

TAKEN_WITHIN = 10.0
FIXED = ("device.id", "state_dir", "docker.url", "docker.timeout", "docker.poll")
"""What a run keeps to its end."""


class Reloader:
    """Works off the loop's thread. Several requests while one is under way become one more."""

    def __init__(self, path: Path | None, env: Mapping[str, str], loaded: Loaded, daemon: Daemon) -> None:
        self.path, self._env, self._loaded, self._daemon = path, env, loaded, daemon
        self._asked = threading.Event()
        threading.Thread(target=self._work, name="edged-reload", daemon=True).start()

    def ask(self) -> None:
        """From the signal handler."""
        self._asked.set()

    def _work(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            self._daemon.notifier.reloading()
            try:
                self._reload()
            except Exception as bug:
                log.exception("a reload failed by a mistake in edged")
                self._reject((f"internal error: {bug!r}",))
            self._daemon.notifier.ready("watching")

    def _reload(self) -> None:
        try:
            loaded = load(self.path, self._env) if self.path is not None else load_default(self._env)
        except ConfigError as error:
            self._reject(tuple(_line(problem) for problem in error.errors))
            return
        problems = tuple(_line(problem) for problem in check_files(loaded))
        fixed = refused(self._loaded.config, loaded.config)
        if problems or fixed:
            self._reject((*problems, *fixed))
            return
        old, new = self._loaded.config, loaded.config
        web = None
        if new.http.listen != old.http.listen:
            try:
                web = self._daemon.bind(new.http.listen)
            except PortError as error:
                self._reject((f"http.listen: {error}",))
                return
        self._loaded = loaded
        fact = ConfigLoaded(
            at=self._daemon.clock.now(), digest=loaded.digest, path=loaded.path, changed=changed(old, new)
        )
        taken = threading.Event()

        def take_over() -> None:
            self._daemon.take_over(loaded, web)
            taken.set()

        self._daemon.inbox.post(NewConfig(fact, new, take_over))
        # systemctl reload returns when the new configuration is in force, not before.
        if taken.wait(TAKEN_WITHIN):
            last_good.keep(Path(new.state_dir), loaded)

    def _reject(self, errors: tuple[str, ...]) -> None:
        self._daemon.inbox.post(ConfigRejected(at=self._daemon.clock.now(), path=str(self.path or ""), errors=errors))


def _line(problem: Problem) -> str:
    return render((problem,))


def refused(old: Config, new: Config) -> tuple[str, ...]:
    """Changes that a reload cannot make, each with the reason."""
    return tuple(
        f"{key} cannot be changed by a reload, since everything remembered hangs on it: systemctl restart edged"
        for key in changed(old, new)
        if key in FIXED
    )
