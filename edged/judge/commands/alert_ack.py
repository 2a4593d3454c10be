"""``alert.ack``: a person has seen an alert, or all of an incident, and takes care.

It stays on the board until its cause is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from ...vocabulary.events import AlertAcknowledged, Event
from ...vocabulary.facts import CommandReceived
from ...vocabulary.state import Acknowledged, Alert, State
from ..answer import done, rejected
from ..outcome import Judgement, View

HOST, ENGINE = "host", "engine"


class AckArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(max_length=128)] = ""
    subject: Annotated[str, Meta(max_length=1024)] = ""
    """App, dependency, ``host``, ``engine``, or what else the alert is about."""
    incident: Annotated[str, Meta(max_length=64)] = ""
    """Instead of the two: all alerts of it that fire."""
    note: Annotated[str, Meta(max_length=500)] = ""


def acknowledge(args: AckArgs, fact: CommandReceived, view: View) -> Judgement:
    state = view.state
    if bool(args.incident) == bool(args.name) or bool(args.name) != bool(args.subject):
        why = "say which alert: name=NAME subject=SUBJECT; or incident=ID for all of an incident"
        return Judgement(state, events=(rejected(fact, "edged", "bad_arguments", why),))
    if args.incident:
        return _all_of_it(args, fact, view)
    seen = Acknowledged(by=fact.origin, at=view.now, note=args.note)
    new, alert = _marked(state, args.name, args.subject, seen)
    if alert is None or alert.severity is None:
        why = f"{args.name} does not fire for {args.subject}: edged alerts shows what does"
        return Judgement(state, events=(rejected(fact, "edged", "not_firing", why),))
    told = AlertAcknowledged(
        subject=args.subject, name=args.name, severity=alert.severity, by=fact.origin, note=args.note
    )
    answer = done(fact, args.subject, f"{args.name} of {args.subject} is acknowledged until it clears or becomes worse")
    return Judgement(new, events=(told, answer))


def _all_of_it(args: AckArgs, fact: CommandReceived, view: View) -> Judgement:
    """Every alert of the incident that fires."""
    state, incident = view.state, view.state.incidents.open.get(args.incident)
    if incident is None:
        why = f"there is no open incident {args.incident}: edged incidents shows which are"
        return Judgement(state, events=(rejected(fact, "edged", "not_open", why),))
    seen = Acknowledged(by=fact.origin, at=view.now, note=args.note)
    events = list[Event]()
    for one in incident.firing:
        state, alert = _marked(state, one.name, one.subject, seen)
        if alert is not None and alert.severity is not None:
            told = AlertAcknowledged(
                subject=one.subject, name=one.name, severity=alert.severity, by=fact.origin, note=args.note
            )
            events.append(told)
    if not events:
        why = f"all alerts of {args.incident} are clear already; it closes by itself"
        return Judgement(view.state, events=(rejected(fact, "edged", "not_firing", why),))
    until = f"its {len(events)} alerts clear or become" if len(events) > 1 else "its alert clears or becomes"
    answer = done(fact, incident.cause, f"{incident.id} is acknowledged until {until} worse")
    return Judgement(state, events=(*events, answer))


def _marked(state: State, name: str, subject: str, seen: Acknowledged) -> tuple[State, Alert | None]:
    """The state with the alert marked, and the alert as it was; ``None``: it does not fire, and nothing changes."""
    if (app := state.apps.get(subject)) is not None and _fires(app.kept.alerts, name):
        marked = replace(app, kept=replace(app.kept, alerts=_mark(app.kept.alerts, name, seen)))
        return replace(state, apps={**state.apps, subject: marked}), app.kept.alerts[name]
    if (dependency := state.dependencies.get(subject)) is not None and _fires(dependency.alerts, name):
        known = replace(dependency, alerts=_mark(dependency.alerts, name, seen))
        return replace(state, dependencies={**state.dependencies, subject: known}), dependency.alerts[name]
    if subject == ENGINE and _fires(state.engine.alerts, name):
        engine = replace(state.engine, alerts=_mark(state.engine.alerts, name, seen))
        return replace(state, engine=engine), state.engine.alerts[name]
    key = name if subject == HOST else f"{name}/{subject}"
    if _fires(state.host.alerts, key):
        host = replace(state.host, alerts=_mark(state.host.alerts, key, seen))
        return replace(state, host=host), state.host.alerts[key]
    return state, None


def _fires(alerts: Mapping[str, Alert], key: str) -> bool:
    return key in alerts and alerts[key].severity is not None


def _mark(alerts: Mapping[str, Alert], key: str, seen: Acknowledged) -> dict[str, Alert]:
    return {**alerts, key: replace(alerts[key], acknowledged=seen)}
