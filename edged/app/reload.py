"""SIGHUP and ``edged.reload``: validate, build what can fail, swap last. A bad file changes nothing."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import Config
from ..config.diff import changed
from ..config.load import Loaded, check_files
from ..config.problem import ConfigError, Problem, render
from ..loop import NewConfig
from ..ports import PortError
from ..vocabulary.facts import ConfigLoaded, ConfigRejected
from . import applied, authority, last_good

if TYPE_CHECKING:
    from .daemon import Daemon

log = logging.getLogger(__name__)

TAKEN_WITHIN = 10.0
BEAT = 5.0
"""Seconds between two signs of life of a thread that has nothing to do."""
FIXED = ("device.id", "state_dir", "docker.url", "docker.timeout", "docker.poll")
"""What a run keeps to its end."""


class Reloader:
    """Works off the loop's thread. Several signals while one is under way become one more reload."""

    def __init__(self, path: Path | None, env: Mapping[str, str], loaded: Loaded, daemon: Daemon) -> None:
        self.path, self._env, self.loaded, self._daemon = path, env, loaded, daemon
        self.on_trial = False
        """A command's configuration is in force, and it is not known yet whether it stays."""
        self._asked: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.one = threading.RLock()
        """One change at a time."""
        self.last_beat = time.monotonic()
        threading.Thread(target=self._work, name="edged-reload", daemon=True).start()

    def ask(self) -> None:
        """From the signal handler, which another signal may interrupt: so nothing here may take a lock of Python's."""
        self._asked.put(None)

    def _work(self) -> None:
        while True:
            self.last_beat = time.monotonic()
            if self._called():
                self.reload()

    def _called(self) -> bool:
        try:
            self._asked.get(timeout=BEAT)
            while not self._asked.empty():
                self._asked.get_nowait()
        except queue.Empty:
            return False
        return True

    def reload(self) -> tuple[str, ...]:
        """Puts the file in force, or says what is wrong with it: to whoever reads events, and as the answer."""
        with self.one:
            self._daemon.notifier.reloading()
            try:
                errors = self._reload()
            except Exception as bug:
                log.exception("a reload failed by a mistake in edged")
                errors = (f"internal error: {bug!r}",)
            if errors:
                self._daemon.inbox.post(
                    ConfigRejected(at=self._daemon.clock.now(), path=str(self.path or ""), errors=errors)
                )
            self._daemon.notifier.ready(self._daemon.said(errors))
        return errors

    def _reload(self) -> tuple[str, ...]:
        if self.on_trial:
            return ("a configuration that a command gave is on trial (edged status): reload again when that is over",)
        try:
            loaded = applied.current(self.path, self._env)
        except ConfigError as error:
            return lines(error.errors)
        if errors := faults(self.loaded.config, loaded):
            return errors
        errors = self.swap(loaded)
        if not errors:
            folder = Path(loaded.config.state_dir)
            last_good.keep(folder, loaded)
            applied.settle(folder, self.path, loaded)
        return errors

    def swap(self, loaded: Loaded, *, insist: bool = False) -> tuple[str, ...]:
        """Puts one that has no faults in force, when all it needs can be had.

        ``insist``: also without its address, the present one is then served on.
        """
        old, new = self.loaded.config, loaded.config
        trusted, unreadable = authority.read(new)
        if unreadable and not insist:
            return unreadable
        web = None
        if new.http.listen != old.http.listen:
            try:
                web = self._daemon.bind(new.http)
            except PortError as error:
                if not insist:
                    return (f"http.listen: {error}",)
                log.error("http.listen: %s; %s is served until edged is restarted", error, old.http.listen)
        fact = ConfigLoaded(
            at=self._daemon.clock.now(),
            digest=loaded.digest,
            path=loaded.path,
            instead_of=loaded.instead_of,
            changed=changed(old, new),
            trusted=trusted,
        )
        self.loaded = loaded
        taken = threading.Event()

        def take_over() -> None:
            self._daemon.take_over(loaded, web)
            taken.set()

        self._daemon.inbox.post(NewConfig(fact, new, take_over))
        # systemctl reload returns when the new configuration is in force, not before.
        if not taken.wait(TAKEN_WITHIN):
            return (f"edged's loop did not take it over within {TAKEN_WITHIN:g} s",)
        if web is None:
            self._daemon.web.renew(new.http)
        return ()


def lines(problems: Iterable[Problem]) -> tuple[str, ...]:
    """One for each problem."""
    return tuple(render((problem,)) for problem in problems)


def faults(old: Config, loaded: Loaded) -> tuple[str, ...]:
    """Why ``loaded``, in order by itself, cannot follow ``old``."""
    return (*lines(check_files(loaded)), *refused(old, loaded.config))


def refused(old: Config, new: Config) -> tuple[str, ...]:
    """Changes that a reload cannot make, each with the reason."""
    return tuple(
        f"{key} cannot be changed by a reload, since everything remembered hangs on it: systemctl restart edged"
        for key in changed(old, new)
        if key in FIXED
    )
