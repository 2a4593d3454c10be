"""A rollout as data: waves, what every device said, when it stops itself. Pure; the driver asks and sends.

Its clock counts the seconds during which a console was watching, so it survives the console's end: what nobody
watched is neither soak nor time-out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Literal
from uuid import UUID, uuid5

from msgspec import Struct
from msgspec.structs import replace

from .answers import Answer
from .commands import Command
from .devices import Device
from .tracker import NUDGE, RETRY
from .waves import order, split

State = Literal[
    "pending", "sent", "accepted", "running",
    "succeeded", "failed", "rejected", "expired", "refused", "silent", "sick", "skipped",
]  # fmt: skip
"""``refused``: by the broker; ``silent``: no result in time; ``sick``: not well after it succeeded; ``skipped``: was
offline for too long."""
OPEN = frozenset({"sent", "accepted", "running"})
FAILURES = frozenset({"failed", "rejected", "expired", "refused", "silent", "sick"})
Stage = Literal["rolling", "soaking", "halting", "halted", "done"]
OVER = frozenset({"halted", "done"})


class Terms(Struct, frozen=True, kw_only=True):
    """What the operator asked for; times in seconds."""

    type: str
    app: str
    bundle: str
    labels: dict[str, str] = {}
    waves: tuple[str, ...] = ("1", "10%", "50%", "100%")
    max_failures: int = 0
    soak: float = 600.0
    timeout: float = 1800.0
    """Within which a device has to come to an end."""
    offline: Literal["wait", "skip"] = "wait"
    offline_for: float = 1800.0
    """How long a wave waits for devices that are offline."""
    at_once: int = 100
    """Devices that are under way at the same time."""
    grace: float = 30.0
    """How long a device may be offline, or its app not healthy, before that counts as a failure."""


class Entry(Struct, frozen=True, kw_only=True):
    """One device."""

    device: str
    wave: int
    command: str
    """Id of its command: known, and on disk, before anything is sent."""
    state: State = "pending"
    phase: str = ""
    reason: str = ""
    message: str = ""
    sent: float = 0.0
    heard: float = 0.0
    alerts: tuple[str, ...] = ()
    """Critical ones that were there before."""
    sick_since: float | None = None


class Rollout(Struct, frozen=True, kw_only=True):
    id: str
    terms: Terms
    entries: dict[str, Entry]
    """In the order in which they get it."""
    waves: int
    wave: int = 0
    stage: Stage = "rolling"
    since: float = 0.0
    """When the stage began."""
    clock: float = 0.0
    reason: str = ""
    """Why it was halted."""
    told: bool = False
    """Somebody was told how it ended: a console may be killed in between."""
    format: int = 1

    @property
    def failures(self) -> int:
        return sum(entry.state in FAILURES for entry in self.entries.values())

    @property
    def counts(self) -> Counter[str]:
        return Counter(entry.state for entry in self.entries.values())


class Seen(Struct, frozen=True):
    """What matters of a device now."""

    online: bool = False
    trouble: str = ""
    """Why it is not well; empty: it is."""
    alerts: tuple[str, ...] = ()
    """Critical ones."""


def look(device: Device | None, app: str) -> Seen:
    if device is None:
        return Seen(trouble="is not known to the broker any more")
    online, state = device.state == "online", device.apps[app].state if app in device.apps else "unknown"
    trouble = f"is {device.state}" if not online else f"{app} is {state}" if state != "healthy" else ""
    alerts = tuple(sorted("/".join(key) for key, alert in device.alerts.items() if alert.severity == "critical"))
    return Seen(online, trouble, alerts)


def plan(id_: str, terms: Terms, devices: Iterable[str]) -> Rollout:
    """``id_``: a UUID; with it everything else is determined."""
    groups = split(order(devices, terms.bundle), terms.waves)
    entries = {
        device: Entry(device=device, wave=number, command=str(uuid5(UUID(id_), device)))
        for number, group in enumerate(groups)
        for device in group
    }
    return Rollout(id=id_, terms=terms, entries=entries, waves=len(groups), stage="rolling" if entries else "done")


def command(rollout: Rollout, device: str) -> Command:
    terms = rollout.terms
    return Command(rollout.entries[device].command, terms.type, device, {"app": terms.app, "bundle": terms.bundle})


def patience(rollout: Rollout, device: str) -> float:
    """Seconds for which its command is good: nobody gets it any more who was given up, or whose rollout has halted."""
    return max(1.0, rollout.terms.timeout - (rollout.clock - rollout.entries[device].sent))


def answered(rollout: Rollout, answer: Answer) -> Rollout:
    entry = rollout.entries.get(answer.device)
    if entry is None or entry.command != answer.id or entry.state not in OPEN:
        return rollout
    if answer.passing:
        return _put(rollout, replace(entry, heard=rollout.clock - NUDGE + RETRY))
    if answer.state == "accepted" and entry.state == "running":
        return _put(rollout, replace(entry, heard=rollout.clock))  # a repeated command is "under way already"
    told = replace(
        entry,
        state=answer.state,
        phase=answer.phase or entry.phase,
        reason=answer.reason,
        message=answer.message,
        heard=rollout.clock,
    )
    return _put(rollout, told)


def refused(rollout: Rollout, device: str, reason: str) -> Rollout:
    """The broker does not take its command."""
    entry = rollout.entries.get(device)
    if entry is None or entry.state not in OPEN:
        return rollout
    return _put(rollout, replace(entry, state="refused", message=reason))


def resumed(rollout: Rollout, *devices: str) -> Rollout:
    """After a break of the console, of its connection, or of ``devices``: who has not ended is asked again at once."""
    entries = dict(rollout.entries)
    for device in devices or rollout.entries:
        entry = entries.get(device)
        if entry is not None and entry.state in OPEN:
            entries[device] = replace(entry, heard=rollout.clock - NUDGE)
    return replace(rollout, entries=entries)


def step(rollout: Rollout, seen: Callable[[str], Seen], elapsed: float) -> tuple[Rollout, list[str]]:
    """``elapsed`` watched seconds later. Also returns the devices whose command is to be sent now, or sent again."""
    if rollout.stage in OVER:
        return rollout, []
    rollout = replace(rollout, clock=rollout.clock + elapsed)
    entries, ask = dict(rollout.entries), list[str]()
    for entry in rollout.entries.values():
        if entry.state in OPEN:
            new, again = _waited(entry, rollout, seen(entry.device))
            ask += [entry.device] * again
        elif entry.state == "succeeded":
            new = _watched(entry, rollout, seen(entry.device))
        else:
            continue
        entries[entry.device] = new
    rollout = replace(rollout, entries=entries)
    if rollout.stage != "halting" and rollout.failures > rollout.terms.max_failures:
        why = f"devices that failed: {rollout.failures}; at most {rollout.terms.max_failures} may"
        rollout = replace(rollout, stage="halting", since=rollout.clock, reason=why)
    rollout, send = _advance(rollout, seen)
    return rollout, ask + send


def _waited(entry: Entry, rollout: Rollout, now: Seen) -> tuple[Entry, bool]:
    if rollout.clock - entry.sent >= rollout.terms.timeout:
        return replace(entry, state="silent", message=f"no result within {rollout.terms.timeout:.0f} s"), False
    if now.online and rollout.clock - entry.heard >= NUDGE:
        return replace(entry, heard=rollout.clock), True
    return entry, False


def _watched(entry: Entry, rollout: Rollout, now: Seen) -> Entry:
    """Is it still well?"""
    fresh = [alert for alert in now.alerts if alert not in entry.alerts]
    if fresh:
        return replace(entry, state="sick", message=f"the alert {fresh[0]} fires since it has it")
    if not now.trouble:
        return replace(entry, sick_since=None) if entry.sick_since is not None else entry
    since = rollout.clock if entry.sick_since is None else entry.sick_since
    if rollout.clock - since >= rollout.terms.grace:
        return replace(entry, state="sick", message=f"since it has it, it {now.trouble}")
    return replace(entry, sick_since=since)


def _advance(rollout: Rollout, seen: Callable[[str], Seen]) -> tuple[Rollout, list[str]]:
    terms, send = rollout.terms, list[str]()
    if rollout.stage == "rolling":
        rollout, send = _send(rollout, seen)
        if not any(
            e.wave <= rollout.wave and (e.state == "pending" or e.state in OPEN) for e in rollout.entries.values()
        ):
            rollout = replace(rollout, stage="soaking", since=rollout.clock)
    if rollout.stage == "soaking":
        unsure = any(e.state == "succeeded" and e.sick_since is not None for e in rollout.entries.values())
        if rollout.clock - rollout.since >= terms.soak and not unsure:
            last = rollout.wave + 1 == rollout.waves
            rollout = replace(
                rollout, stage="done" if last else "rolling", wave=rollout.wave + (not last), since=rollout.clock
            )
    if rollout.stage == "halting" and not any(entry.state in OPEN for entry in rollout.entries.values()):
        rollout = replace(rollout, stage="halted", since=rollout.clock)
    return rollout, send


def _send(rollout: Rollout, seen: Callable[[str], Seen]) -> tuple[Rollout, list[str]]:
    terms, entries, send = rollout.terms, dict(rollout.entries), list[str]()
    under_way = sum(entry.state in OPEN for entry in entries.values())
    patience = 0.0 if terms.offline == "skip" else terms.offline_for
    for entry in rollout.entries.values():
        if entry.wave != rollout.wave or entry.state != "pending":
            continue
        now = seen(entry.device)
        if now.online and under_way < terms.at_once:
            under_way += 1
            send.append(entry.device)
            clock = rollout.clock
            entries[entry.device] = replace(entry, state="sent", sent=clock, heard=clock, alerts=now.alerts)
        elif not now.online and rollout.clock - rollout.since >= patience:
            entries[entry.device] = replace(entry, state="skipped", message=now.trouble or "is offline")
    return replace(rollout, entries=entries), send


def _put(rollout: Rollout, entry: Entry) -> Rollout:
    return replace(rollout, entries={**rollout.entries, entry.device: entry})
