"""Recorded facts judged under another configuration: which alerts and restarts it would have added or spared.

What was really done shows in the facts that follow, whatever another configuration thinks of it. So a restart that the
other configuration would not have asked for is taken for a person's, by command; and one that only it asks for is taken
to succeed at once. What an earlier or a spared restart would have changed about the app itself nobody can know.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..config import Config
from ..config.diff import changed
from ..judge import judge
from ..vocabulary.actions import Action, CaptureEvidence
from ..vocabulary.events import AlertChanged, AlertCleared, AlertRaised, Event
from ..vocabulary.facts import ActionFinished, CommandReceived, ConfigLoaded, ContainerChanged, Fact
from ..vocabulary.state import State
from .replay import MISTAKES, Count, mistake, stretches, turns
from .segment import Turn

SIMPLE = frozenset(
    {"CaptureEvidence", "StartContainer", "RestartContainer", "StopContainer", "PauseContainer", "UnpauseContainer"}
)
"""What is taken to succeed when only the other configuration asks for it; anything else fails."""
BY_HAND = {"RestartContainer": "restart", "StartContainer": "start"}
TOLD = frozenset({*SIMPLE, "RestartEngine", "PruneDisk", "RestoreData"} - {"CaptureEvidence"})
TAKES = 1.0
"""Seconds that such an action takes."""
NEAR = 900.0
"""Seconds between two moments that may be the same thing, earlier or later."""
ORIGIN = "recording"


class Moment(Struct, frozen=True):
    """An alert, or an action, and when."""

    wall: float
    kind: str
    """Alert's name and severity, or the action's type."""
    subject: str
    why: str = ""


class Change(Struct, frozen=True):
    """The same under both, but not at the same time."""

    then: Moment
    now: Moment

    @property
    def seconds(self) -> float:
        """Below 0: earlier."""
        return self.now.wall - self.then.wall


class Comparison(Struct, frozen=True):
    same: int
    added: tuple[Moment, ...]
    spared: tuple[Moment, ...]
    moved: tuple[Change, ...]


class Outcome(Struct, frozen=True):
    alerts: Comparison
    actions: Comparison


class _Other:
    """The device under the other configuration."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._state = State()
        self._ids: dict[str, str] = {}
        """Of a recorded action -> of the one here that it stands for."""
        self._open: dict[str, Action] = {}
        """Asked for here alone so far."""
        self._ends: list[tuple[float, str]] = []
        self._hand = 0
        self.seen: set[str] = set()
        """Apps that had a container."""
        self.alerts: list[tuple[float, Event]] = []
        self.actions: list[tuple[float, Action]] = []

    def begin(self, state: State, before: Config, digest: str, now: float) -> None:
        """As a reload at this moment would."""
        self._state, self._open, self._ends = state, {}, []
        trusted = state.authority.file
        self._judge(
            ConfigLoaded(at=now, digest=digest, path="", changed=changed(before, self._config), trusted=trusted), now
        )

    def look(self) -> None:
        self.seen |= {name for name, app in self._state.apps.items() if app.container is not None}

    def take(self, turn: Turn) -> None:
        while self._ends and self._ends[0][0] <= turn.now:
            at, identity = self._ends.pop(0)
            self._finish(identity, at)
        fact = turn.fact
        if isinstance(fact, ActionFinished):
            fact = replace(fact, action_id=self._ids.pop(fact.action_id, fact.action_id))
        if isinstance(fact, ConfigLoaded):
            fact = replace(fact, changed=())
        self._judge(fact, turn.now)
        for tree in turn.decided:
            if tree.get("type") in _ACTIONS and "id" in tree:
                self._match(tree, turn.now)

    def _judge(self, fact: Fact, now: float, *, by_hand: bool = False) -> list[Action]:
        judged = judge(self._state, fact, self._config, now)
        self._state = judged.state
        self.alerts += [(now, e) for e in judged.events if isinstance(e, AlertRaised | AlertChanged | AlertCleared)]
        for action in judged.actions:
            self._open[action.id] = action
            self._ends.append((now + TAKES, action.id))
            if type(action).__name__ in TOLD and not by_hand:
                self.actions.append((now, action))
        self._ends.sort()
        return list(judged.actions)

    def _match(self, tree: dict[str, Any], now: float) -> None:
        """A recorded action: the same here, or somebody's who asked for it by hand."""
        kind, subject, identity = tree["type"], tree["subject"], tree["id"]
        for mine, action in self._open.items():
            if type(action).__name__ == kind and action.subject == subject:
                self._stands_for(identity, mine)
                return
        command = BY_HAND.get(kind)
        if command is None or subject not in self._state.apps:
            return
        self._hand += 1
        asked = CommandReceived(at=now, id=f"{ORIGIN}-{self._hand}", type=command, args={"app": subject}, origin=ORIGIN)
        todo = self._judge(asked, now, by_hand=True)
        while todo:
            action = todo.pop(0)
            if isinstance(action, CaptureEvidence):
                todo += self._finish(action.id, now, by_hand=True)
            elif action.subject == subject and type(action).__name__ in BY_HAND:
                self._stands_for(identity, action.id)

    def _stands_for(self, recorded: str, mine: str) -> None:
        """The end of the recorded action will be its end."""
        self._ids[recorded] = mine
        del self._open[mine]
        self._ends = [end for end in self._ends if end[1] != mine]

    def _finish(self, identity: str, now: float, *, by_hand: bool = False) -> list[Action]:
        action = self._open.pop(identity, None)
        self._ends = [end for end in self._ends if end[1] != identity]
        if action is None:
            return []
        kind = type(action).__name__
        if kind in BY_HAND:
            self._seen_to_restart(action, now)
        ok = kind in SIMPLE
        ended = ActionFinished(
            at=now,
            action_id=identity,
            action=kind,
            subject=action.subject,
            ok=ok,
            seconds=TAKES,
            error="" if ok else "it was not carried out when this was recorded",
        )
        return self._judge(ended, now, by_hand=by_hand)

    def _seen_to_restart(self, action: Action, now: float) -> None:
        app = self._state.apps.get(action.subject)
        container = app.container if app is not None else None
        if container is None:
            return
        told = ContainerChanged(at=now, id=container.id, name=container.name, action="die", exit_code=143)
        if container.status == "running":
            self._judge(replace(told, action="kill", exit_code=None, signal=15), now)
            self._judge(told, now)
            self._judge(replace(told, action="stop", exit_code=None), now)
        self._judge(replace(told, action="start", exit_code=None), now)


_ACTIONS = frozenset(cls.__name__ for cls in Action.__subclasses__())


def compare(
    files: Iterable[tuple[str, bytes]], config: Config, digest: str, count: Count, since: float = 0.0
) -> Outcome:
    """What the recorded configuration led to then, and what ``config`` leads to."""
    then_alerts: list[Moment] = []
    then_actions: list[Moment] = []
    now_alerts: list[Moment] = []
    now_actions: list[Moment] = []
    other = _Other(config)
    going = False
    for stretch in stretches(files, count.notes):
        head = stretch.segment.head
        offset = head.wall - head.now
        if not (going and stretch.follows):
            other.begin(stretch.segment.state, stretch.segment.config, digest, head.now)
            other.alerts.clear()
            other.actions.clear()
        other.look()
        broken, last = len(count.notes), head.now
        count.device = stretch.segment.config.device.id or count.device
        for turn in turns(stretch, count.notes):
            last = turn.now
            wall = turn.now + offset
            try:
                other.take(turn)
            except MISTAKES as error:
                count.notes.append(f"{stretch.name}: {mistake(error, turn, wall)}")
                break
            if wall >= since:
                count.begin = count.begin or wall
                count.end = wall
                count.facts += 1
            for tree in turn.decided:
                _note(tree, wall, then_alerts, then_actions)
        other.look()
        now_alerts += [moment for at, event in other.alerts if (moment := _alert(event, at + offset)) is not None]
        now_actions += [_action(action, at + offset) for at, action in other.actions]
        other.alerts.clear()
        other.actions.clear()
        count.seconds += last - head.now
        going = len(count.notes) == broken
    for name in sorted(config.apps.keys() - other.seen if count.facts else ()):
        count.notes.append(f"{name}: its container was not there, under the name that this configuration gives it")
    return Outcome(
        _compared([m for m in then_alerts if m.wall >= since], [m for m in now_alerts if m.wall >= since]),
        _compared([m for m in then_actions if m.wall >= since], [m for m in now_actions if m.wall >= since]),
    )


def _note(tree: dict[str, Any], wall: float, alerts: list[Moment], actions: list[Moment]) -> None:
    kind = tree.get("type")
    if kind == "AlertRaised" or (kind == "AlertChanged" and tree["severity"] == "critical"):
        alerts.append(Moment(wall, f"{tree['name']} {tree['severity']}", tree["subject"], tree["summary"]))
    elif kind in TOLD:
        actions.append(Moment(wall, str(kind), tree["subject"], tree.get("reason", "")))


def _alert(event: Event, wall: float) -> Moment | None:
    if isinstance(event, AlertRaised) or (isinstance(event, AlertChanged) and event.severity == "critical"):
        return Moment(wall, f"{event.name} {event.severity}", event.subject, event.summary)
    return None


def _action(action: Action, wall: float) -> Moment:
    return Moment(wall, type(action).__name__, action.subject, action.reason)


def _compared(then: list[Moment], now: list[Moment]) -> Comparison:
    """Each then with the nearest one now of its kind, the nearest pairs first."""
    alike: dict[tuple[str, str], list[int]] = {}
    for j, moment in enumerate(now):
        alike.setdefault((moment.kind, moment.subject), []).append(j)
    pairs = sorted(
        (abs(now[j].wall - a.wall), i, j)
        for i, a in enumerate(then)
        for j in alike.get((a.kind, a.subject), ())
        if abs(now[j].wall - a.wall) <= NEAR
    )
    used_then: set[int] = set()
    used_now: set[int] = set()
    moved: list[Change] = []
    same = 0
    for distance, i, j in pairs:
        if i in used_then or j in used_now:
            continue
        used_then.add(i)
        used_now.add(j)
        if distance < TAKES:
            same += 1
        else:
            moved.append(Change(then[i], now[j]))
    return Comparison(
        same=same,
        added=tuple(m for j, m in enumerate(now) if j not in used_now),
        spared=tuple(m for i, m in enumerate(then) if i not in used_then),
        moved=tuple(sorted(moved, key=lambda change: change.then.wall)),
    )
