"""What must hold of a round, by the device's own event log and by what its reader got. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from msgspec import Struct

from edged.judge.engine import SHUTDOWN
from edged.report.answers import FINAL
from edged.vocabulary.deployments import ENDS, owner

from .site import BUDGET, PER, RESET_AFTER, RETRY_AFTER

FREE = 3
"""Attempts that an outage of the engine, or a drill, excuses."""
DESTRUCTIVE = ("RestartContainer", "StartContainer", "StopContainer")
TOUCHING = ("PlaceArtifact", "RestoreData")
"""Of what is done to an app beside its container, which is told of at its end: nothing may happen to that meanwhile."""
RESTORING = (("StopContainer", "RestoreData"), ("RestoreData", "RestoreData"), ("RestoreData", "StartContainer"))
"""The steps of a restore, which need evidence once."""
SLOW = 0.8
"""Share of ``retry_after`` that two slow retries are apart at least: jitter, and the time that an attempt takes."""
TOLD_WITHIN = 0.25
"""Seconds after which an end is known."""
INVARIANTS = (
    "budget", "one action at a time", "evidence first", "incidents close", "orders end", "gapless", "healthy",
    "no mistake",
)  # fmt: skip


class Told(Struct, frozen=True):
    """One event."""

    sequence: int
    boot: int
    at: float
    """Seconds into the round: jumps of the wall clock are taken out."""
    type: str
    subject: str
    data: dict[str, Any]


class Broken(Struct, frozen=True):
    invariant: str
    what: str


def check(events: Sequence[Told], arrived: Iterable[int], needy: frozenset[str]) -> Iterator[Broken]:
    """``needy``: apps with a dependency, whose failure excuses attempts."""
    dropped = {n for e in events if e.type == "spool.dropped" for n in range(e.data["first"], e.data["last"] + 1)}
    yield from _gapless(events, set(arrived), dropped)
    holes = _holes(events)
    outages = [e.at for e in events if e.type == "alert.raised" and e.data["name"] == "EngineDown"]
    outages += [e.at for e in events if e.type == "app.changed" and "engine does not answer" in e.data["reason"]]
    for app in sorted({e.subject for e in events if e.type == "app.changed"}):
        own = [e for e in events if e.subject == app or e.type == "edged.started"]
        sides = [
            e for e in events
            if owner(e.subject) == app and e.type == "action.ended" and e.data["action"] in TOUCHING
        ]  # fmt: skip
        yield from _one_at_a_time(app, own, holes)
        yield from _beside(app, own, [e for e in sides if e.data["ok"]], holes)
        yield from _evidence(app, sorted([*own, *sides], key=lambda e: e.sequence), holes)
        yield from _budget(app, own, outages, app in needy)
    yield from _ended(events, _alert, holes)
    yield from _ended(events, _incident, holes)
    yield from _ended(events, _deployment, holes, "orders end")
    yield from _ended(events, _order, holes, "orders end")


def ends(events: Sequence[Told]) -> Counter[str]:
    """How orders ended."""
    finals = [e.data for e in events if e.type == "command.answered" and e.data["status"] in FINAL]
    return Counter(f"{one['command']} {one['status']}" for one in finals)


def _gapless(events: Sequence[Told], arrived: set[int], dropped: set[int]) -> Iterator[Broken]:
    last = max((e.sequence for e in events), default=0)
    missing = sorted(set(range(1, last + 1)) - arrived - dropped)
    if missing:
        yield Broken("gapless", f"the reader never got {_brief(missing)} of {last}, and nobody told of their loss")


def _holes(events: Sequence[Told]) -> tuple[int, ...]:
    """Numbers before which the log itself has lost some, on a full disk: nothing is concluded over those."""
    return tuple(b.sequence for a, b in pairwise(events) if b.sequence > a.sequence + 1)


def _between(holes: tuple[int, ...], first: int, last: int) -> bool:
    return any(first < hole <= last for hole in holes)


def _one_at_a_time(app: str, own: Sequence[Told], holes: tuple[int, ...]) -> Iterator[Broken]:
    under_way: Told | None = None
    for event in own:
        if event.type == "edged.started":
            under_way = None
        elif event.type == "action.started":
            if under_way is not None and not _between(holes, under_way.sequence, event.sequence):
                what = f"{app}: {event.data['action']} ({event.sequence}) began while {under_way.data['action']}"
                yield Broken("one action at a time", f"{what} ({under_way.sequence}) was under way")
            under_way = event
        elif event.type == "action.ended" and under_way is not None and _same(event, under_way):
            under_way = None


def _beside(app: str, own: Sequence[Told], sides: Sequence[Told], holes: tuple[int, ...]) -> Iterator[Broken]:
    """What is done to its files or data, and to its container, does not overlap."""
    begun: dict[str, Told] = {}
    for event in own:
        if event.type == "edged.started":
            begun.clear()
        elif event.type == "action.started":
            begun[event.data["action_id"]] = event
        elif event.type == "action.ended" and (first := begun.pop(event.data["action_id"], None)) is not None:
            for side in sides:
                if _between(holes, first.sequence, max(event.sequence, side.sequence)):
                    continue
                if first.sequence < side.sequence and event.at > side.at - side.data["seconds"] + TOLD_WITHIN:
                    what = f"{first.data['action']} ({first.sequence}) and {side.data['action']} ({side.sequence})"
                    yield Broken("one action at a time", f"{app}: {what} at once")


def _same(one: Told, other: Told) -> bool:
    return bool(one.data["action_id"] == other.data["action_id"])


def _evidence(app: str, own: Sequence[Told], holes: tuple[int, ...]) -> Iterator[Broken]:
    captured, since, last = False, 0, ""
    for event in own:
        action = event.data.get("action", "")
        if event.type == "action.ended" and action == "CaptureEvidence":
            captured = True
        elif action == "RestoreData" or (event.type == "action.started" and action in DESTRUCTIVE):
            if action == "RestartContainer" and event.data["reason"].startswith("deployment "):
                continue  # nothing was wrong with it, or its evidence was kept before the old one was put back
            if not captured and (last, action) not in RESTORING and not _between(holes, since, event.sequence):
                yield Broken("evidence first", f"{app}: {action} ({event.sequence}) without evidence")
            captured, since, last = False, event.sequence, action


def _budget(app: str, own: Sequence[Told], outages: Sequence[float], needy: bool) -> Iterator[Broken]:
    """Attempts of edged's own: within the budget while the circuit is closed, seldom while it is open."""
    attempts: list[float] = []
    given_up: float | None = None
    well_since: float | None = None
    drills: list[float] = []
    for event in own:
        if event.type == "app.changed":
            if given_up is not None and well_since is not None and event.at - well_since >= RESET_AFTER:
                given_up = None
            well_since = event.at if event.data["new"] == "healthy" else None
        elif event.type == "drill.started":
            drills.append(event.at)
        elif event.type == "recovery.gave_up":
            given_up = event.at
        elif event.type == "action.started" and event.data["attempt"]:
            began = event.at - PER
            if given_up is not None:
                before = max([given_up, *attempts[-1:]])
                if event.at - before < SLOW * RETRY_AFTER:
                    yield Broken(
                        "budget", f"{app}: a retry ({event.sequence}) {event.at - before:.1f} s after giving up"
                    )
            elif not needy:
                recent = sum(at > began and not _void(at, event.at, outages) for at in attempts)
                excuses = sum(at > began - PER for at in drills) + _spells([at for at in outages if at > began - PER])
                if recent + 1 > BUDGET + FREE * excuses:
                    yield Broken("budget", f"{app}: attempt {recent + 1} ({event.sequence}) within {PER:g} s")
            attempts.append(event.at)


def _void(attempt: float, now: float, outages: Sequence[float]) -> bool:
    """The engine went away shortly after it: that was in vain, and is given back."""
    return any(attempt <= outage <= min(now, attempt + SHUTDOWN) for outage in outages)


def _spells(times: Sequence[float]) -> int:
    """Outages that were told of within two seconds are one."""
    ordered = sorted(times)
    return sum(1 for index, at in enumerate(ordered) if index == 0 or at > ordered[index - 1] + 2.0)


def _alert(event: Told) -> tuple[str, bool] | None:
    """What it is about, and whether it begins or ends; ``None``: something else."""
    if event.type not in ("alert.raised", "alert.cleared"):
        return None
    return f"the alert {event.data['name']} {event.subject}", event.type == "alert.raised"


def _incident(event: Told) -> tuple[str, bool] | None:
    if event.type not in ("incident.opened", "incident.reopened", "incident.closed"):
        return None
    return f"the incident {event.data['incident']}", event.type != "incident.closed"


def _deployment(event: Told) -> tuple[str, bool] | None:
    if event.type != "deployment.changed":
        return None
    return f"the deployment {event.data['id']} to {event.subject}", event.data["new"] not in ENDS


def _order(event: Told) -> tuple[str, bool] | None:
    if event.type != "command.answered":
        return None
    return f"{event.data['command']} of {event.subject} ({event.data['id']})", event.data["status"] not in FINAL


def _ended(
    events: Sequence[Told],
    read: Callable[[Told], tuple[str, bool] | None],
    holes: tuple[int, ...],
    invariant: str = "incidents close",
) -> Iterator[Broken]:
    """What begins comes to its end, unless that was told in a part of the log that is lost."""
    open_: dict[str, int] = {}
    for event in events:
        if (found := read(event)) is not None:
            name, begins = found
            if begins:
                open_[name] = event.sequence
            else:
                open_.pop(name, None)
    for name, sequence in open_.items():
        if not _between(holes, sequence, events[-1].sequence):
            yield Broken(invariant, f"{name} ({sequence}) never ended")


def _brief(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:8])) + ("" if len(numbers) <= 8 else f" and {len(numbers) - 8} more")
