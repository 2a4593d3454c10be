"""Rules between the keys of ``incidents``. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ..vocabulary.incidents import LEVELS
from .incidents import BUILT_IN, Incidents, resolve_within, respond_within
from .suggest import closest
from .units import format_duration

KeyPath = tuple[str, ...]
Found = tuple[tuple[KeyPath, ...], str, str]
"""Keys, reason, hint."""


def incident_faults(rules: Incidents) -> Iterator[Found]:
    """Alerts that do not exist, and times that contradict each other."""
    for name in rules.severity:
        if name not in BUILT_IN:
            near = closest(name, list(BUILT_IN))
            hint = f"did you mean {near}?" if near else "docs/alerts.md lists them"
            yield (("incidents", "severity", name),), "there is no alert of this name", hint
    for level in LEVELS:
        respond, resolve = respond_within(rules, level), resolve_within(rules, level)
        if respond > resolve:
            keys = (("incidents", "respond", level), ("incidents", "resolve", level))
            said = f"respond ({format_duration(respond)}) may not be longer than resolve ({format_duration(resolve)})"
            yield keys, said, ""
