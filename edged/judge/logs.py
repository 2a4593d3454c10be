"""What was counted in the apps' logs: LogErrors, AuthFailures, and how much in all."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from ..config import Config, Logs
from ..config.logs import asked
from ..vocabulary.events import Event
from ..vocabulary.facts import LogsCounted
from ..vocabulary.log_facts import LOG_KINDS, LogCount, LogKind
from ..vocabulary.logs import LogBook, LogMark, LogMinute
from ..vocabulary.state import AppState, State
from .alerting import Reading
from .mending import mended
from .outcome import Judgement
from .probes import mend_host
from .resources import level

MINUTE = 60.0
SHOWN = 3
"""Lines in the text of an alert."""
ALERTS: dict[str, tuple[LogKind, str, str]] = {
    "LogErrors": (
        "errors",
        "errors",
        "see what it wrote before and after (docker logs, logs.get), and what was deployed last",
    ),
    "AuthFailures": (
        "auth",
        "refused logins",
        "see who tries, and from where; edged isolate cuts the app off from its networks, and edged keeps evidence",
    ),
}
"""By name: which lines, what they are called, and what to do."""


def counted(state: State, fact: LogsCounted, config: Config, now: float) -> Judgement:
    """Takes in what some apps have written."""
    books = {n: b for n, b in state.logs.items() if n in state.apps or n in state.remembered}
    apps = dict(state.apps)
    events: list[Event] = []
    touched: list[str] = []
    for one in fact.apps:
        app = apps.get(one.app)
        if app is None or rules_of(app) is None:
            continue
        books[one.app] = _booked(books.get(one.app, LogBook()), one)
        app, told = mended(app, "logs", fact.at)
        events.extend(told)
        new = {kind: number for kind, number in _fresh(one).items() if number}
        if new:
            app = replace(app, log=_minute(app.log, new, one, fact.at))
            touched.append(one.app)
        apps[one.app] = app
    healed = mend_host(replace(state, apps=apps, logs=books), "logs")
    return Judgement(healed.state, events=(*healed.events, *events), touched=tuple(touched))


def rules_of(app: AppState) -> Logs | None:
    """What is counted in its log; ``None``: it is not read."""
    return asked(app.config.logs, app.discovered)


def _fresh(one: LogCount) -> dict[LogKind, int]:
    return {kind: number - one.late.get(kind, 0) for kind, number in one.counts.items()}


def _booked(book: LogBook, one: LogCount) -> LogBook:
    totals = dict(book.totals)
    for kind, number in (("lines", one.lines), ("skipped", one.skipped), *one.counts.items()):
        if number:
            totals[kind] = totals.get(kind, 0) + number
    if not one.position:
        return replace(book, totals=totals)
    return LogBook(position=one.position, kept=totals, totals=totals)


def _minute(before: LogMinute, new: dict[LogKind, int], one: LogCount, at: float) -> LogMinute:
    marks = (*_recent(before.marks, at), LogMark(at, new))
    samples = {kind: _newest(before.samples.get(kind, ()), one.samples.get(kind, ())) for kind in LOG_KINDS}
    return LogMinute(marks, {kind: lines for kind, lines in samples.items() if lines})


def _newest(before: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*new, *before)))[:SHOWN]


def _recent(marks: Iterable[LogMark], now: float) -> tuple[LogMark, ...]:
    return tuple(mark for mark in marks if mark.at > now - MINUTE)


def lately(app: AppState, kind: LogKind, now: float) -> int:
    """Lines within the last minute."""
    return sum(mark.counts.get(kind, 0) for mark in app.log.marks if mark.at > now - MINUTE)


def readings(app: AppState, now: float) -> dict[str, Reading]:
    """What the alerts should show now; only where there is something to say."""
    if not app.log.marks and not any(name in app.kept.alerts for name in ALERTS):
        return {}
    rules = rules_of(app)
    if rules is None:
        calm = Reading(level=None, summary="the configuration does not ask for it any more")
        return {name: calm for name in ALERTS if name in app.kept.alerts}
    return {name: _reading(app, rules, name, now) for name in ALERTS}


def _reading(app: AppState, rules: Logs, name: str, now: float) -> Reading:
    kind, what, advice = ALERTS[name]
    number, limit = lately(app, kind, now), float(rules.warn_per_minute)
    reading = level(float(number), limit, None, app.kept.alerts.get(name))
    said = f"{app.name} wrote {number} lines of {what} within a minute"
    if reading.level is not None:
        lines = [f"[{place}] {line}" for place, line in enumerate(app.log.samples.get(kind, ()), 1)]
        said = " ".join([f"{said} ({limit:g} are too many)" + (":" if lines else ""), *lines])
    return replace(reading, clear_for=MINUTE, summary=said, advice=advice)


def due(app: AppState, now: float) -> float | None:
    """When the oldest of what counts is a minute old, while that matters."""
    if not any(name in app.kept.alerts for name in ALERTS):
        return None
    return min((mark.at + MINUTE for mark in app.log.marks if mark.at > now - MINUTE), default=None)
