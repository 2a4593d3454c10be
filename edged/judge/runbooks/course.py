"""Runs from the raising of an alert to its end: which ones there are, and how they go on. Pure.

``fold`` is asked once in each turn, after everything was settled. A turn in which nothing is wrong costs nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ...config import Config
from ...config.runbook_builtin import OCCASION, runbook
from ...config.runbooks import timeout_of
from ...vocabulary.actions import Action, CaptureEvidence, SmokeTest
from ...vocabulary.event import Severity
from ...vocabulary.events import (
    ActionEnded,
    AlertChanged,
    AlertRaised,
    ConfigReloaded,
    EdgedStarted,
    Event,
    RunbookBegun,
)
from ...vocabulary.facts import ActionFinished
from ...vocabulary.runbooks import Past, Run
from ...vocabulary.state import State
from .. import order
from ..outcome import Judgement, earliest
from . import recover_all
from .app_steps import dropped
from .ending import Way, end, evidence
from .host_steps import freed
from .move import put
from .run import LOST_AFTER, advance
from .scene import blind, key, scene
from .steps import LASTING

ATTEMPTS = 3
"""Of a step's own action that edged's end, or another one on the same subject, has cut short."""
RANK: dict[str, int] = {"info": 0, "warning": 1, "critical": 2}
AT_ONCE = 2
"""So many apps, all that edged looks after, are down: that is no failure of one of them."""


def fold(state: State, events: Sequence[Event], config: Config, now: float) -> Judgement:
    """``events``: those of this turn that were not seen yet."""
    turn = _Turn(state, config, now)
    for event in events:
        match event:
            case AlertRaised() | AlertChanged():
                turn.raised(event.name, event.subject, event.severity)
                if event.name == "AppDown" and turn.collapsed():
                    turn.failed_completely()
            case ActionEnded() if event.action == CaptureEvidence.__name__:
                turn.kept(event)
            case EdgedStarted():
                turn.resumed(rebooted=event.host_rebooted)
            case ConfigReloaded():
                turn.reconcile()
    for name in list(turn.state.runs):
        turn.go_on(name)
    return Judgement(turn.state, tuple(turn.actions), tuple(turn.events), tuple(dict.fromkeys(turn.touched)))


def finished(state: State, fact: ActionFinished) -> State:
    """A step's own action came to its end; what that means is seen in the same turn."""
    found = next((name for name, run in state.runs.items() if run.action_id == fact.action_id), None)
    if found is None or not fact.action_id:
        return state
    run, code = state.runs[found], str(fact.result.get("code", ""))
    smoke = fact.action == SmokeTest.__name__
    if not fact.ok and code in ("interrupted", "busy") and run.tries + 1 < ATTEMPTS:
        run = replace(run, action_id="", tries=run.tries + 1, since=run.since if smoke else None)
        run = replace(run, command="" if smoke else run.command)
    elif smoke:
        run = replace(run, action_id="", outcome=recover_all.answered(fact.ok, code, fact.error))
    else:
        why = freed(fact.result) if fact.ok else fact.error
        run = replace(run, action_id="", outcome=Past("", "done" if fact.ok else "failed", why))
    return replace(state, runs={**state.runs, found: run})


def in_place(events: list[Event], news: Sequence[Event]) -> list[Event]:
    """``events`` and what runs add to them: that one begins is told right after the alert that it is for."""
    found = list(events)
    for event in news:
        place = len(found)
        if isinstance(event, RunbookBegun):
            causes = [
                number
                for number, told in enumerate(found)
                if isinstance(told, AlertRaised | AlertChanged)
                and (told.name, told.subject) == (event.alert, event.subject)
            ]
            place = causes[-1] + 1 if causes else place
        found.insert(place, event)
    return found


def wake_at(state: State) -> float | None:
    """When time alone brings a run further."""
    if blind(state):
        return None
    return earliest(*(run.wake_at for run in state.runs.values()))


class _Turn:
    """What the runs have led to so far in this turn."""

    def __init__(self, state: State, config: Config, now: float) -> None:
        self.state, self._config, self._now = state, config, now
        self.actions: list[Action] = []
        self.events: list[Event] = []
        self.touched: list[str] = []

    def raised(self, alert: str, subject: str, severity: Severity) -> None:
        """A new alert, or one that became worse."""
        run = self.state.runs.get(key(alert, subject))
        if run is None:
            self._begin(alert, subject, severity)
            return
        known = replace(run, severity=severity)
        book = scene(self.state, self._config, self._now, alert, subject).book
        under_way = run.since is not None and run.cursor < len(book.steps)
        lasts = under_way and (bool(run.action_id) or book.steps[run.cursor].do in LASTING)
        if lasts and book.steps[run.cursor].do != "recover_all":
            known = replace(known, aftermath=False)
        elif run.aftermath or RANK[severity] > RANK[run.severity]:
            self._ended(run, told=not run.over)
            self._begin(alert, subject, severity)
            return
        self.state = replace(self.state, runs={**self.state.runs, key(alert, subject): known})

    def _begin(self, alert: str, subject: str, severity: Severity) -> None:
        book = runbook(self._config.runbooks, alert, subject)
        if not book.steps:
            return
        run = Run(alert=alert, subject=subject, severity=severity, book=book.digest, began=self._now)
        if book.does[0] == "recover_all":
            run = replace(run, phase=order.PHASE)  # whom to wait for counts from the first moment on
        self.state = replace(self.state, runs={**self.state.runs, key(alert, subject): run})
        self.events.append(
            RunbookBegun(subject=subject, alert=alert, runbook=book.name, severity=severity, steps=book.does)
        )

    def _ended(self, run: Run, *, told: bool) -> None:
        way = Way(self.state, run, self._config, self._now, [], [], [])
        end(way, "superseded" if told else None)
        self._take(way)

    def _take(self, way: Way) -> None:
        self.state = way.state
        self.actions.extend(way.actions)
        self.events.extend(way.events)
        self.touched.extend(way.touched)

    def kept(self, event: ActionEnded) -> None:
        """Evidence of an app was kept, or could not be."""
        for run in list(self.state.runs.values()):
            if run.subject == event.subject and not run.over and self._wants(run):
                self._take(evidence(self.state, self._config, self._now, run, event.ok, event.error))

    def _wants(self, run: Run) -> bool:
        steps = runbook(self._config.runbooks, run.alert, run.subject).steps
        asking = run.since is not None and run.cursor < len(steps) and steps[run.cursor].do == "capture"
        return asking or run.evidence is not None

    def go_on(self, name: str) -> None:
        run = self.state.runs[name]
        if run.subject in self.state.remembered and run.subject not in self.state.apps:
            return  # it is only known again when the engine has listed its containers
        seen = scene(self.state, self._config, self._now, run.alert, run.subject)
        if run.book != seen.book.digest and run.action_id and self._now < run.deadline + LOST_AFTER:
            # What is under way comes to its end first: the other runbook may ask for the same.
            waiting = replace(run, wake_at=run.deadline + LOST_AFTER)
            self.state = replace(self.state, runs={**self.state.runs, name: waiting})
            return
        if run.book != seen.book.digest:
            self._ended(run, told=not run.over)
            if seen.fires is not None and seen.fires.severity is not None:
                self._begin(run.alert, run.subject, seen.fires.severity)
            if name not in self.state.runs:
                return
            run = self.state.runs[name]
        if run.over and seen.fires is not None:
            return
        self._take(advance(self.state, run, self._config, self._now))

    def resumed(self, *, rebooted: bool) -> None:
        """A new run of edged: nobody looked meanwhile, so every step under way has its whole time again."""
        runs = dict[str, Run]()
        for name, run in self.state.runs.items():
            steps = runbook(self._config.runbooks, run.alert, run.subject).steps
            seconds = timeout_of(steps[run.cursor]) if run.cursor < len(steps) else 0.0
            later = max(run.deadline, self._now + seconds) if run.deadline else 0.0
            runs[name] = replace(run, deadline=later, held="", wake_at=None)
        self.state = replace(self.state, runs=runs)
        self.reconcile()
        if rebooted and len(self.state.apps) + len(self.state.remembered) >= AT_ONCE:
            self.failed_completely()

    def failed_completely(self) -> None:
        """Everything is to be brought up in order, unless that is being done already."""
        if key(OCCASION, "host") not in self.state.runs and order.recovering(self.state) is None:
            self._begin(OCCASION, "host", "critical")

    def collapsed(self) -> bool:
        """All apps that edged looks after are down."""
        mine = [app for app in self.state.apps.values() if not order.left_alone(app, self._config)]
        return len(mine) >= AT_ONCE and all(app.condition == "down" for app in mine)

    def reconcile(self) -> None:
        """Alerts that fire and have no run (they are older than it), and wishes whose run is gone."""
        for name, subject, alert in self.state.firing():
            if alert.severity is not None and key(name, subject) not in self.state.runs:
                self._begin(name, subject, alert.severity)
        for app in list(self.state.apps.values()):
            wanted = app.kept.wanted
            if wanted is not None and key(wanted.alert, app.name) not in self.state.runs:
                self.state = put(self.state, dropped(app, wanted.alert))
                self.touched.append(app.name)
