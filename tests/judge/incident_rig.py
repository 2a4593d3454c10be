"""The fold alone: alerts are raised and cleared as a test says, on a device with two apps, a dependency and a host."""

from __future__ import annotations

from typing import Any, Self, TypeVar

from msgspec.structs import replace

from edged.config import App, Config, Dependency
from edged.durable import encode, restore, sections
from edged.judge.incidents import fold
from edged.judge.incidents.desk import alerts, kind_of
from edged.vocabulary.events import AlertChanged, AlertCleared, AlertRaised, EdgedStarted, Event, Severity
from edged.vocabulary.incidents import Incident
from edged.vocabulary.state import Alert, AppState, DependencyState, State

E = TypeVar("E", bound=Event)
WALL = 1_795_248_000.0
"""2026-11-21T08:00Z"""
APPS = {"detector": App(priority=10, needs=("base", "broker")), "base": App(priority=20), "other": App()}


class Rig:
    def __init__(self, **rules: Any) -> None:
        config = Config(apps=APPS, dependencies={"broker": Dependency(tcp="127.0.0.1:1")})
        self.config = replace(config, incidents=replace(config.incidents, **rules))
        self.now = 1000.0
        self.told: list[Event] = []
        self.state = State(
            apps={name: AppState(name=name, config=app, condition="healthy") for name, app in APPS.items()},
            dependencies={"broker": DependencyState("broker")},
            started_at=self.now,
            started_wall=WALL,
        )

    # What happens

    def wait(self, seconds: float) -> Self:
        """Time goes by, and the judge is woken when it asked for it."""
        end = self.now + seconds
        while (due := self.state.incidents.due) is not None and due <= end:
            self.now = max(self.now, due)
            before = self.state.incidents
            self.feed()
            assert self.state.incidents is not before, f"woken for nothing at {self.now}"
        self.now = end
        return self

    def feed(self, *events: Event) -> Self:
        folded = fold(self.state, events, self.config, self.now)
        assert folded == fold(self.state, events, self.config, self.now), "the same events, another answer"
        self.state = folded.state
        self.told.extend(folded.events)
        return self

    def up(self, name: str, subject: str, severity: Severity = "critical", **more: Any) -> Self:
        self.put(name, subject, Alert(severity=severity, since=self.now, **more))
        return self.feed(AlertRaised(name=name, subject=subject, severity=severity, summary=f"{name} of {subject}"))

    def change(self, name: str, subject: str, severity: Severity) -> Self:
        old = alerts(self.state)[name, subject]
        self.put(name, subject, replace(old, severity=severity))
        assert old.severity is not None
        return self.feed(AlertChanged(name=name, subject=subject, old=old.severity, severity=severity, summary="worse"))

    def down(self, name: str, subject: str) -> Self:
        severity = alerts(self.state)[name, subject].severity
        self.put(name, subject, None)
        assert severity is not None
        return self.feed(AlertCleared(name=name, subject=subject, severity=severity, seconds=1.0, summary="well again"))

    def restart(self) -> Self:
        """edged ends and begins anew with what is on disk."""
        stored = {key: encode(part) for key, part in sections(self.state).items()}
        restored = restore(stored, self.config)
        self.state = replace(restored, started_at=self.now, started_wall=WALL + self.now - 1000.0)
        told = EdgedStarted(subject="edged", boot=2, version="1", previous_end="crash", host_rebooted=False)
        return self.feed(told)

    def put(self, name: str, subject: str, alert: Alert | None) -> None:
        """Changes the alert itself, and tells nobody."""
        state = self.state

        def new(found: dict[str, Alert], key: str) -> dict[str, Alert]:
            kept = {k: a for k, a in found.items() if k != key}
            return kept if alert is None else {**kept, key: alert}

        match kind_of(state, subject):
            case "app":
                app = state.apps[subject]
                changed = replace(app, kept=replace(app.kept, alerts=new(app.kept.alerts, name)))
                self.state = replace(state, apps={**state.apps, subject: changed})
            case "dependency":
                one = state.dependencies[subject]
                known = {**state.dependencies, subject: replace(one, alerts=new(one.alerts, name))}
                self.state = replace(state, dependencies=known)
            case "engine":
                self.state = replace(state, engine=replace(state.engine, alerts=new(state.engine.alerts, name)))
            case "host":
                key = name if subject == "host" else f"{name}/{subject}"
                self.state = replace(state, host=replace(state.host, alerts=new(state.host.alerts, key)))

    # What came of it

    @property
    def open(self) -> list[Incident]:
        return [*self.state.incidents.open.values()]

    @property
    def one(self) -> Incident:
        """The only one that is open."""
        (found,) = self.open
        return found

    def closed(self, identity: str) -> Incident:
        return self.state.incidents.closed[identity]

    def events(self, kind: type[E], **fields: Any) -> list[E]:
        return [e for e in self.told if isinstance(e, kind) and all(getattr(e, k) == v for k, v in fields.items())]

    def holds(self) -> None:
        """What holds at any time."""
        book = self.state.incidents
        firing = [(a.name, a.subject) for i in book.open.values() for a in i.firing]
        assert len(firing) == len(set(firing)), "one alert in two open incidents"
        assert set(firing) == set(alerts(self.state)), "the book and the alerts disagree"
        every = [(a.name, a.subject) for i in book.open.values() for a in i.alerts]
        assert len(every) == len(set(every)), "one alert in two open incidents, if only as one that was"
        for incident in book.open.values():
            assert (incident.restored_at is None) == bool(incident.firing)
            assert not {*incident.merged} & {*book.open}
