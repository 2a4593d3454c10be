"""What is examined: this host, through roots and tools that tests replace."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from ..adapters.systemd import SystemdServices
from ..app import applied
from ..config import Config
from ..config.load import Loaded, load_default
from ..config.problem import ConfigError, Problem
from ..ports import PortError
from .identity import Identity, current, of_user

UNIT = "edged.service"
_SYSTEMCTL_TIMEOUT = 3.0


class Patient(Struct, frozen=True, kw_only=True):
    """Facts that several examinations need, gathered once."""

    loaded: Loaded
    """The defaults, when the file cannot be used."""
    path: Path | None
    """The configuration's file; ``None``: there is none, and none was named."""
    errors: tuple[Problem, ...] = ()
    daemon: Identity
    """Whom the daemon runs as."""
    unit: Mapping[str, str] = {}
    """Properties of edged's systemd unit; empty where systemd does not run."""
    ask: Callable[[Path], dict[str, Any]]
    """Asks the daemon that listens at this socket for its status; raises ``PortError``."""
    credstore: Path | None = None
    """Stands for ``${CREDENTIALS_DIRECTORY}``, which only the service itself has: root's, and systemd hands it on."""
    services: SystemdServices = SystemdServices()
    wall: Callable[[], float] = time.time
    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    run: Path = Path("/run")
    etc: Path = Path("/etc")

    @property
    def config(self) -> Config:
        return self.loaded.config

    @property
    def state(self) -> Path:
        return Path(self.config.state_dir)

    @property
    def has_systemd(self) -> bool:
        """As ``sd_booted(3)`` decides it."""
        return (self.run / "systemd/system").is_dir()


def admit(
    path: Path | None,
    ask: Callable[[Path], dict[str, Any]],
    *,
    services: SystemdServices | None = None,
    proc: Path = Path("/proc"),
    sys: Path = Path("/sys"),
    run: Path = Path("/run"),
    etc: Path = Path("/etc"),
) -> Patient:
    """Everything that examinations share. Never raises for what is wrong with the host; takes a few seconds at most."""
    services = services or SystemdServices()
    unit: Mapping[str, str] = {}
    if (run / "systemd/system").is_dir():
        try:
            unit = services.show(UNIT, UNIT_PROPERTIES, _SYSTEMCTL_TIMEOUT)
        except PortError:
            unit = {}
    errors: tuple[Problem, ...] = ()
    env = environment(unit, proc)
    credstore = None if "CREDENTIALS_DIRECTORY" in env else etc / "credstore"
    if credstore is not None:
        env = {**env, "CREDENTIALS_DIRECTORY": str(credstore)}
    try:
        loaded = applied.current(path, env)
    except ConfigError as error:
        errors, loaded = error.errors, load_default(env)
    return Patient(
        loaded=loaded, path=path, errors=errors, daemon=_daemon(unit), unit=unit, ask=ask, credstore=credstore,
        services=services, proc=proc, sys=sys, run=run, etc=etc,
    )  # fmt: skip


UNIT_PROPERTIES = (
    "LoadState", "UnitFileState", "ActiveState", "SubState", "Result", "NRestarts", "MainPID", "WatchdogUSec", "Type",
    "User", "SupplementaryGroups", "DropInPaths", "FragmentPath", "NeedDaemonReload",
)  # fmt: skip


def environment(unit: Mapping[str, str], proc: Path) -> Mapping[str, str]:
    """The daemon's own, while systemd runs it and we may look: credentials and ``${VAR}`` are found as it does."""
    pid = unit.get("MainPID", "0")
    if pid == "0":
        return os.environ
    try:
        data = (proc / pid / "environ").read_bytes()
    except OSError:
        return os.environ
    pairs = (entry.partition("=") for entry in data.decode("utf-8", "surrogateescape").split("\0") if "=" in entry)
    return {key: value for key, _, value in pairs}


def _daemon(unit: Mapping[str, str]) -> Identity:
    """The unit's user, else the user ``edged``, else whoever asks."""
    loaded = unit.get("LoadState") == "loaded"
    extra = tuple(unit.get("SupplementaryGroups", "").split()) if loaded else ()
    user = unit.get("User", "") or ("root" if loaded else "edged")
    return of_user(user, extra) or current()
