"""Is an app's memory critical?"""

from __future__ import annotations

from ..vocabulary.state import AppState
from .run import runs


def out_of_memory(app: AppState) -> bool:
    """Its memory is critical and has been for long enough.

    Asked of the samples and not of the alert: that one is held after a restart until it has been calm for a
    while, and for longer when it flaps.
    """
    memory = app.kept.alerts.get("HighMemory")
    if memory is None or memory.critical_since is None or app.usage is None or not runs(app):
        return False
    return bool(app.usage_at >= memory.critical_since + app.config.memory.for_)
