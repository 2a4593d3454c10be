"""What is known of a cause at the moment its incident is opened. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from ...config.incidents import Incidents, resolve_within, respond_within, severity_rule
from ...vocabulary.event import Severity
from ...vocabulary.incidents import LEVELS, Book, Change, Incident, Level
from ...vocabulary.state import State
from ...vocabulary.times import rfc3339
from ..hints import hints as unusual
from . import record
from .beginning import first_sign
from .desk import Desk, Key, alert_of, kind_of, wall
from .grouping import DOWN, MOMENTS, causes, needing

LOOKBACK = 3600.0
"""Seconds before the first sign in which a change is worth a line."""
BLAMED = 600.0
"""Seconds within which it is the most likely cause."""
AFTER = 30.0
"""A change may be seen a little after what it led to."""
OFTEN = 7 * 86400.0
SUSPECTS = ("drill", "deployment", "image", "config", "isolation", "reboot", "edged")
"""Whom to blame first."""
EACH_RUN = 100
"""Numbers that stay free for each run before, where these are forgotten."""
DAYS = 64
"""Days whose numbers are remembered: a clock that jumps back must not give a number twice."""
MOST_HINTS = 8
DRILL, SEEN = 60.0, 5.0
"""Seconds after its end for which what a drill did may still be seen; the same where the first sign has a time."""


def numbered(book: Book, state: State, now: float) -> tuple[str, Book]:
    """An id that was never given before on this device, and the book that knows it."""
    day = rfc3339(wall(state, now))[:10]
    # A later run that remembers none has lost its memory: what was given on that day before is not known.
    lost = state.previous_end == "first" and state.boot > 1 and day == rfc3339(state.started_wall)[:10]
    number = book.numbers.get(day, EACH_RUN * (state.boot - 1) if lost else 0) + 1
    others = [(d, n) for d, n in book.numbers.items() if d != day]
    return f"INC-{day}-{number:03d}", replace(book, numbers=dict([*others, (day, number)][-DAYS:]))


def level(state: State, rules: Incidents, key: Key, severity: Severity) -> Level:
    """How bad this alert is."""
    rule = severity_rule(rules, key[0])
    if severity == "info":
        return "P3"
    if severity == "warning":
        return rule.warning
    app = state.apps.get(key[1])
    if app is not None and app.config.priority <= rules.essential:
        return LEVELS[max(0, LEVELS.index(rule.critical) - 1)]
    return rule.critical


def worse(one: Level, other: Level) -> Level:
    """``P0`` is the worst."""
    return min(one, other)


def promised(incident: Incident, rules: Incidents, now: float) -> Incident:
    """With the times that its severity demands, counted from now: earlier ones that were promised before stay."""
    return replace(
        incident,
        respond_by=min(incident.respond_by, now + respond_within(rules, incident.severity)),
        resolve_by=min(incident.resolve_by, now + resolve_within(rules, incident.severity)),
    )


def relevant(desk: Desk, subject: str, began_at: float) -> tuple[Change, ...]:
    """What was changed shortly before, on this app or on all. The host feels what is changed on any app."""
    near = [c for c in desk.book.changes if began_at - c.at <= LOOKBACK and c.at <= began_at + AFTER]
    if kind_of(desk.state, subject) != "host":
        near = [c for c in near if c.subject in (subject, "edged", "host")]
    return tuple(near[-10:])


def likely(changes: tuple[Change, ...], began_at: float) -> str:
    """The change that is most likely to blame, as a sentence; empty: none."""
    recent = [c for c in changes if began_at - c.at <= BLAMED and c.kind in SUSPECTS]
    if not recent:
        return ""
    first = min(recent, key=lambda c: (SUSPECTS.index(c.kind), -c.at))
    before = began_at - first.at
    when = f"{before:.0f} s before" if 0.0 < before < 120.0 else f"{before / 60.0:.0f} min before"
    return record.cut(f"{first.text} ({when if before > 0.0 else 'at the same time'})")


def of_drill(desk: Desk, key: Key, *others: str) -> bool:
    """Whether this alert is what a drill brought about, on its own app or on one of ``others``."""
    now, apps = desk.now, (key[1], *others)
    last = next((c for c in reversed(desk.book.changes) if c.kind == "drill" and c.subject in apps), None)
    if last is None or now - last.at > LOOKBACK:
        return False
    began_at = first_sign(desk.state, key, now)
    return not last.over or began_at <= last.at + (SEEN if key[0] in DOWN | MOMENTS else DRILL)


def in_maintenance(state: State, subject: str, now: float) -> str | None:
    """Who is at work on the app, as a sentence: that is a response, too."""
    app = state.apps.get(subject)
    maintenance = app.kept.maintenance if app is not None else None
    if maintenance is None or now >= maintenance.until:
        return None
    return record.cut(f"{subject} is in maintenance by {maintenance.owner}: {maintenance.why}")


def hinted(desk: Desk, incident: Incident, key: Key, *, first: bool = False) -> tuple[str, ...]:
    """With what this alert tells of the root of it."""
    found = list(dict.fromkeys((*incident.hints, *_hints(desk, incident, key))))
    app = desk.state.apps.get(key[1])
    if first and app is not None:
        found.extend(unusual(app, desk.state, desk.now))
    return tuple(found[:MOST_HINTS])


def _hints(desk: Desk, incident: Incident, key: Key) -> Iterator[str]:
    state = desk.state
    for other in incident.firing:
        root = (other.name, other.subject)
        if causes(state, root, key):
            yield f"{other.name} of {other.subject} explains {key[0]} of {key[1]}"
        elif causes(state, key, root):
            yield f"{key[0]} of {key[1]} explains {other.name} of {other.subject}"
    needs_it = needing(state, key[1])
    if needs_it:
        yield f"needed by {', '.join(needs_it[:10])}"
    alert = alert_of(state, *key)
    if alert is not None and alert.advice:
        yield alert.advice
    before = [
        i.id
        for i in desk.book.closed.values()
        if desk.now - (i.closed_at or 0.0) <= OFTEN and any((a.name, a.subject) == key for a in i.alerts)
    ]
    if before:
        times = "once" if len(before) == 1 else f"{len(before)} times"
        yield f"it was here before, {times} within 7 days: {', '.join(before[-3:])}"
