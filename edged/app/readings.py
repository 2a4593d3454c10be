"""``ports.Readings``: what edged knows, for whoever asks by a command."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from .. import __version__
from ..adapters.processes import TimedOut, run
from ..audit import Head
from ..ports import NotFound, Unreachable
from ..report.payloads import rfc3339
from ..report.snapshot import Snapshot, alerts
from ..report.status import alert, app, dependency, host, status
from .moments import Moments

REPORT_TIMEOUT = 15.0
encode = msgspec.json.Encoder(order="deterministic").encode


class OwnReadings:
    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        outbox: Callable[[], dict[str, Any]],
        audit: Callable[[], Head],
        socket: Path,
        moments: Moments,
    ) -> None:
        self._snapshot, self._outbox, self._audit = snapshot, outbox, audit
        self._socket, self._moments = socket, moments

    def status(self, name: str) -> bytes:
        """All, or one app. Raises ``NotFound``."""
        shot = self._snapshot()
        if not name:
            return encode(status(shot, self._outbox(), self._audit()))
        if name not in shot.state.apps:
            raise NotFound(f"there is no app {name} any more")
        return encode(app(shot, shot.state.apps[name]))

    def moment(self, subject: str) -> dict[str, Any]:
        shot = self._snapshot()
        state, config = shot.state, shot.config
        found = state.apps.get(subject)
        known: dict[str, Any] = {
            "time": rfc3339(shot.wall),
            "edged": {
                "version": __version__,
                "device": config.device.id,
                "boot": state.boot,
                "since": rfc3339(shot.unix(state.started_at)),
                "config": state.config.digest,
                "broker": state.broker,
                "storage_error": state.storage_error,
            },
            "engine": {"up": state.engine.up, "version": state.engine.version, "error": state.engine.error},
            "host": host(state.host),
            "apps": {name: f"{a.condition}: {a.reason}" for name, a in state.apps.items()},
            "dependencies": {name: dependency(d) for name, d in state.dependencies.items()},
            "alerts": [alert(shot, name, about, a) for name, about, a in alerts(state)],
            "recent": self._moments.recent(subject, shot.wall),
        }
        if found is not None:
            deaths = [rfc3339(shot.unix(at)) for at in found.kept.deaths]
            known["app"] = app(shot, found) | {"deaths": deaths, "restarts_by_edged": found.kept.restarts}
        return known

    def report(self, since: float) -> bytes:
        """What ``edged report`` makes of the last ``since`` seconds, by a child: a week takes more memory than edged
        itself has. Raises ``Unreachable``."""
        command = [sys.executable, "-m", "edged", "report", "--format", "json", "--since", f"{round(since)}s"]
        try:
            code, out, err = run([*command, "--socket", str(self._socket)], REPORT_TIMEOUT)
        except (OSError, TimedOut) as error:
            raise Unreachable(f"the report could not be made: {error}") from error
        if code not in (0, 1):
            raise Unreachable(f"the report could not be made: {err.strip()[-300:]}")
        return out.encode()
