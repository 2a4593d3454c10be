"""The one thread that owns state: take facts, judge, hand out actions, publish, then feed the watchdog."""

from __future__ import annotations

import logging
import queue
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from .config import Config
from .durable import Differ
from .judge import judge, next_wake
from .observe.jobs import Job, hurried, model_of, plan, quiet, tried
from .ports import Clock
from .report.recorder import Output
from .report.retained import changes
from .report.snapshot import Snapshot
from .vocabulary.actions import Action
from .vocabulary.events import Event
from .vocabulary.facts import ActionFinished, ConfigLoaded, Fact, OrderReceived, Tick
from .vocabulary.state import AppState, State
from .witness import Turn, Witness

log = logging.getLogger(__name__)

BOUND = 20_000
CROWD = 10_000
LONGEST_WAIT = 1.0
"""Seconds between two turns when nothing happens."""


class NewConfig(Struct, frozen=True):
    """A configuration whose every fallible part is already built; taking it over cannot fail."""

    fact: ConfigLoaded
    config: Config
    take_over: Callable[[], None]


class Inbox:
    """Where every other thread puts what it saw. Putting never waits and may be done in a signal handler."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Fact | NewConfig] = queue.SimpleQueue()
        self.lost = 0

    def post(self, item: Fact | NewConfig) -> None:
        if self._queue.qsize() >= BOUND:
            self.lost += 1
            return
        self._queue.put(item)

    def crowded(self) -> bool:
        """So much waits that what could as well come later should."""
        return self._queue.qsize() >= CROWD

    def take(self, timeout: float) -> list[Fact | NewConfig]:
        """Everything that is there, after waiting up to ``timeout`` seconds for the first."""
        items: list[Fact | NewConfig] = []
        try:
            items.append(self._queue.get(timeout=timeout) if timeout > 0.0 else self._queue.get_nowait())
            while len(items) < 500:
                items.append(self._queue.get_nowait())
        except queue.Empty:
            return items
        return items


class Hands(Struct, frozen=True):
    """What the loop reaches the other stages with."""

    act: Callable[[Action], None]
    """Begins an action that needs no journal."""
    record: Callable[[Output], None]
    observe: Callable[[Mapping[tuple[str, str], Job]], None]
    publish: Callable[[Snapshot], None]
    """Shows a new snapshot to the readers."""
    metrics: Callable[[Snapshot], None]
    """Sends the regular sample."""
    alive: Callable[[], str]
    """Supervises all workers: empty when all is well, else what hangs."""
    patience: Callable[[], float]
    """Seconds until ``alive`` should be asked again."""
    feed: Callable[[], None]
    """The service manager's watchdog."""
    give_up: Callable[[str], None]
    """Something hangs: a new run is wanted, for this reason."""
    witness: Witness


class Loop:
    def __init__(
        self,
        state: State,
        config: Config,
        inbox: Inbox,
        clock: Clock,
        hands: Hands,
        differ: Differ,
        meta: Callable[[Snapshot], dict[str, bytes]],
    ) -> None:
        self._state, self._config = state, config
        self._inbox, self._clock, self._hands, self._differ, self._meta = inbox, clock, hands, differ, meta
        self._shot = Snapshot(State(), config, clock.now(), clock.wall())
        self._told_meta: dict[str, bytes] = {}
        self._lags: deque[tuple[float, float]] = deque(maxlen=600)
        self._metrics_at = 0.0
        self._hung = ""
        self._planned: dict[str, tuple[Any, Any, Any]] = {}
        self._planned_config: Config | None = None

    @property
    def state(self) -> State:
        return self._state

    @property
    def hung(self) -> str:
        """What hangs, as the last turn saw it; empty: nothing."""
        return self._hung

    def lag(self) -> float:
        """Longest wait of a fact for its turn within the last minute, seconds."""
        since = time.monotonic() - 60.0
        return max((lag for at, lag in tuple(self._lags) if at >= since), default=0.0)

    def turn(self) -> None:
        """One completed turn. Whatever it raises is a bug: the process should end and be started anew."""
        items = self._inbox.take(self._wait())
        if not items:
            items = [Tick(at=self._clock.now())]
        elif not isinstance(items[0], NewConfig):
            self._lags.append((time.monotonic(), max(0.0, self._clock.now() - items[0].at)))
        for item in items:
            self._take(item)
        self._after()

    def _wait(self) -> float:
        due = next_wake(self._state, self._config)
        longest = min(LONGEST_WAIT, self._hands.patience())
        return longest if due is None else min(longest, max(0.0, due - self._clock.now()))

    def _take(self, item: Fact | NewConfig) -> None:
        if isinstance(item, NewConfig):
            item.take_over()
            self._config = item.config
            item = item.fact
        now = self._clock.now()
        before = self._state
        try:
            judged = judge(before, item, self._config, now)
        except Exception:
            # The very fact that is wanted: `edged replay` then shows where the mistake is.
            self._hands.witness.saw(Turn(now, item, self._config, before, before, (), ()))
            raise
        self._state = judged.state
        for action in judged.actions:
            if not action.journalled:
                self._hands.act(action)
        journalled = tuple(a for a in judged.actions if a.journalled)
        outcomes = ((item.action_id, _outcome(item)),) if isinstance(item, ActionFinished) and _kept(item) else ()
        receipts = (item.receipt,) if isinstance(item, OrderReceived) and not self._state.stopping else ()
        self._publish(judged.events, journalled, outcomes, receipts, now)
        turn = Turn(now, item, self._config, before, judged.state, judged.actions, judged.events)
        self._hands.witness.saw(turn)

    def _publish(
        self,
        events: tuple[Event, ...],
        actions: tuple[Action, ...],
        outcomes: tuple[tuple[str, bytes], ...],
        receipts: tuple[int, ...],
        now: float,
    ) -> None:
        shot = Snapshot(self._state, self._config, now, self._clock.wall())
        retained = changes(self._shot, shot)
        meta = self._meta(shot)
        if meta != self._told_meta:
            retained.update({k: v for k, v in meta.items() if self._told_meta.get(k) != v})
            self._told_meta = meta
        self._shot = shot
        state = self._differ.changes(self._state)
        if not (events or actions or outcomes or retained or state or receipts):
            return
        self._hands.record(
            Output(
                wall=shot.wall,
                now=now,
                events=events,
                state=state,
                retained=retained,
                actions=actions,
                outcomes=outcomes,
                receipts=receipts,
                intents=tuple((a.id, msgspec.json.encode(a)) for a in actions),
            )
        )

    def _after(self) -> None:
        self._hands.publish(self._shot)
        self._replan()
        now = time.monotonic()
        if self._config.mqtt is not None and now >= self._metrics_at and self._state.engine.listed:
            self._metrics_at = now + self._config.mqtt.metrics_every
            self._hands.metrics(self._shot)
        hung = self._hands.alive()
        if self._hung and not hung:
            log.warning("all workers go on again")
        if hung and not self._hung:
            log.error("%s: the watchdog is not fed until it goes on", hung)
            self._hands.give_up(hung)
        elif not hung:
            self._hands.feed()
        self._hung = hung

    def _replan(self) -> None:
        """Jobs follow from configuration and containers: nothing to do while none of these objects is a new one."""
        basis = {name: (app.container, app.config, self._asked(app)) for name, app in self._state.apps.items()}
        same = (
            self._planned_config is self._config
            and basis.keys() == self._planned.keys()
            and all(_same(now, self._planned[name]) for name, now in basis.items())
        )
        if not same:
            self._planned, self._planned_config = basis, self._config
            state = self._state
            self._hands.observe(plan(self._config, state.apps.values(), state.inputs, state.logs))

    def _asked(self, app: AppState) -> tuple[Any, ...]:
        """What else jobs of an app follow from."""
        if app.config.drift is None:
            return hurried(app), tried(app)
        inputs = self._state.inputs.get(app.name)
        generations = inputs.generations if inputs is not None else None
        return hurried(app), tried(app), app.condition == "unknown", model_of(app), quiet(app), generations


def _same(now: tuple[Any, Any, Any], before: tuple[Any, Any, Any]) -> bool:
    return now[0] is before[0] and now[1] is before[1] and now[2] == before[2]


def _kept(fact: ActionFinished) -> bool:
    return fact.action not in ("CaptureEvidence", "ReadOut", "FindNetworks")


def _outcome(fact: ActionFinished) -> bytes:
    outcome: dict[str, Any] = {"ok": fact.ok, "seconds": round(fact.seconds, 3), "error": fact.error}
    return msgspec.json.encode(outcome)
