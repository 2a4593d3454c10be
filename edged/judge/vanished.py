"""What is not watched any more does not stay on the board: its alerts are cleared, its commands answered."""

from __future__ import annotations

from collections.abc import Mapping

from ..vocabulary.events import Event, RecoveryHeld
from ..vocabulary.state import Alert, State
from .alerting import cleared
from .answer import failed

NOT_WATCHED = "is not watched any more"


def farewell(before: State, after: State, now: float) -> tuple[Event, ...]:
    """What is to be told of the apps and dependencies that are in ``before`` and not in ``after``."""
    events: list[Event] = []
    known = after.apps.keys() | after.remembered.keys()
    for name in before.apps.keys() - known:
        kept = before.apps[name].kept
        events.extend(silenced(name, kept.alerts, now))
        if kept.recovery.announced:
            events.append(RecoveryHeld(subject=name, ailment=kept.recovery.ailment, reason=f"it {NOT_WATCHED}"))
        for command in before.commands.values():
            if command.app == name:
                events.extend(failed(before, command.id, "removed", f"{name} {NOT_WATCHED}"))
    for name in before.remembered.keys() - known:
        events.extend(silenced(name, before.remembered[name].alerts, now))
    for name in before.dependencies.keys() - after.dependencies.keys():
        events.extend(silenced(name, before.dependencies[name].alerts, now))
    return tuple(events)


def silenced(subject: str, alerts: Mapping[str, Alert], now: float) -> list[Event]:
    """The end of all alerts of one subject."""
    why = f"{subject} {NOT_WATCHED}"
    return [cleared(name, subject, a, why, now) for name, a in alerts.items() if a.severity is not None]
