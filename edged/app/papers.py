"""Who this device is, for the broker: the retained ``status`` and ``meta``, and what Home Assistant asks for."""

from __future__ import annotations

import os
from typing import Any

from ..config import Config
from ..judge.commands.describe import schemas
from ..report.home_assistant import Discovery
from ..report.payloads import status_payload
from ..report.retained import meta_payload
from ..report.snapshot import Snapshot

DISCOVERY = "discovery"
"""Key of the state that is kept: which topics outside of the device's own are at the broker."""


class Papers:
    """Made anew only when something in them is another one: it is asked after each turn of the loop."""

    def __init__(self, boot: int, since: float, digest: str, found: bytes = b"") -> None:
        """``found``: what the run before kept as ``DISCOVERY``."""
        self._discovery = Discovery(found.decode().split())
        self._boot, self._since = boot, since
        self.digest = digest
        """Of the configuration in force."""
        system = os.uname()
        self._host: dict[str, Any] = {"kernel": system.release, "machine": system.machine, "hostname": system.nodename}
        self._basis: tuple[Any, ...] = ()
        self._config: Config | None = None
        self._made: dict[str, bytes] = {}

    def retained(self, shot: Snapshot) -> dict[str, bytes]:
        """Both topics, and what Home Assistant is to find; empty before the first configuration is in force."""
        state = shot.state
        if not state.config.digest:
            return {}
        basis = (
            state.config.digest,
            state.stopping,
            state.boot,
            state.engine.version,
            bool(state.authority.keys),
            state.apps.keys(),
            state.dependencies.keys(),
        )
        if basis != self._basis or shot.config is not self._config:
            self.digest = state.config.digest
            self._made = {
                "status": self.status("stopping" if state.stopping else "online"),
                "meta": meta_payload(shot, self._host, schemas() if state.authority.keys else {}),
            }
            self._basis, self._config = (*basis[:5], set(state.apps), set(state.dependencies)), shot.config
        found = self._discovery.topics(shot.config, state.apps)
        return self._made | found if found else self._made

    def kept(self) -> dict[str, bytes]:
        """What the next run has to know, when it is something else than before."""
        left = self._discovery.left()
        return {} if left is None else {DISCOVERY: " ".join(left).encode()}

    def status(self, state: str) -> bytes:
        """``online``, ``stopping`` or, as last will, ``offline``."""
        return status_payload(state, self._boot, self._since, self.digest)
