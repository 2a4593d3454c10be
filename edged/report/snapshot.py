"""What readers on other threads get to see: one frozen picture, replaced as a whole after each turn."""

from __future__ import annotations

from msgspec import Struct

from ..config import Config
from ..vocabulary.state import Alert, State


class Snapshot(Struct, frozen=True):
    state: State
    config: Config
    now: float
    """Seconds on edged's clock when the turn ended."""
    wall: float
    """Unix time of the same moment."""

    def unix(self, at: float) -> float:
        """Unix time of a moment on edged's clock, as the wall clock stands today."""
        return self.wall - (self.now - at)


def alerts(state: State) -> list[tuple[str, str, Alert]]:
    """(name, subject, alert) of all that fire, most severe first."""
    found: list[tuple[str, str, Alert]] = []
    for app in state.apps.values():
        found.extend((name, app.name, a) for name, a in app.kept.alerts.items())
    for dependency in state.dependencies.values():
        found.extend((name, dependency.name, a) for name, a in dependency.alerts.items())
    for key, a in state.host.alerts.items():
        name, _, subject = key.partition("/")
        found.append((name, f"{subject}" if subject else "host", a))
    found.extend((name, "engine", a) for name, a in state.engine.alerts.items())
    firing = [(name, subject, a) for name, subject, a in found if a.severity is not None]
    return sorted(firing, key=lambda x: (x[2].severity != "critical", x[2].since))
