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
    return sorted(state.firing(), key=lambda x: (x[2].severity != "critical", x[2].since))
