"""Which alerts have one cause. Pure: what is known of the device in, incidents out."""

from __future__ import annotations

from msgspec import Struct

from ...vocabulary.incidents import Incident, Joined
from ...vocabulary.state import State
from .beginning import first_sign
from .desk import Desk, Key, kind_of

TOGETHER = 300.0
"""Seconds within which a cause that is found later still takes over what it led to: an app is seen to fail at once, the
dependency behind it after some failed checks."""

AFTERMATH = 30.0
"""Seconds after the end of a cause in which what it led to may still begin. It is seen later still: while the engine is
away, nobody sees that its containers have ended."""
CARRIED = frozenset(
    {
        "AppDown", "Unhealthy", "CrashLoop", "RecoveryExhausted", "HighErrorRate", "HighInferenceLatency",
        "NoInference", "SmokeProbeFailed", "LogErrors",
    }
)  # fmt: skip
"""What an app may have because something that it needs fails."""
STANDING = frozenset({"DataDrift", "DataQuality", "ModelQuality", "AppIsolated", "BackupFailed"})
"""What may last for days and says nothing of whether the app runs: an incident of its own."""
DOWN = frozenset({"AppDown", "Unhealthy", "CrashLoop", "RecoveryExhausted", "NoInference", "HighErrorRate"})
"""What makes an app a cause for those that need it."""
MOMENTS = frozenset({"OomKilled"})
"""Over at once, though shown for a while: what began long before or after has another cause."""
_STARVED = frozenset({"AppDown", "Unhealthy", "CrashLoop", "OomKilled", "HighMemory", "RecoveryExhausted"})
_SLOWED = frozenset({"Unhealthy", "HighInferenceLatency", "HighErrorRate", "NoInference", "HighCpu", "CpuThrottled"})
_BLOCKED = frozenset(
    {"AppDown", "Unhealthy", "CrashLoop", "RecoveryExhausted", "HighErrorRate", "NoInference", "LogErrors"}
)
HOST: dict[str, frozenset[str]] = {
    "HighMemory": _STARVED | _SLOWED,
    "OomKilled": _STARVED,
    "HighCpu": _SLOWED,
    "HostHot": _SLOWED,
    "DiskFull": _BLOCKED,
    "ReadOnlyFs": _BLOCKED,
    "StorageFailing": frozenset(),
    "ClockSkew": frozenset(),
}
"""What an app may have because of an alert of the host."""
HOST_FAMILIES = (
    frozenset({"DiskFull", "ReadOnlyFs", "StorageFailing"}),
    frozenset({"HighMemory", "OomKilled"}),
    frozenset({"HighCpu", "HostHot"}),
)


class Place(Struct, frozen=True):
    """Where a new alert goes."""

    into: Incident | None
    """``None``: an incident of its own."""
    merge: tuple[Incident, ...] = ()
    """Those that turn out to have the same cause."""


def place(desk: Desk, key: Key) -> Place:
    """For an alert that was raised just now."""
    mine = desk.holder(key)
    near = [mine] if mine is not None and (not mine.firing or _takes_more(desk, mine)) else []
    others = [i for i in desk.newest_first if i is not mine]
    near += [i for i in others if _takes_more(desk, i) and _leads_to(desk, i, key)]
    ids = {i.id for i in near}
    near += [i for i in others if i.id not in ids and _fresh(desk, i) and _led_by(desk, i, key)]
    if not near:
        return Place(None)
    fresh = [i for i in near if _fresh(desk, i)]
    into = near[0] if not _fresh(desk, near[0]) else min(fresh, key=lambda i: (i.opened_at, i.id))
    return Place(into, tuple(i for i in fresh if i is not into))


def _takes_more(desk: Desk, incident: Incident) -> bool:
    """What has not moved for long and is not critical must not swallow all that happens to an app for weeks."""
    if desk.now - incident.stirred_at <= desk.rules.reopen:
        return True
    return any(a.severity == "critical" for a in incident.firing)


def _fresh(desk: Desk, incident: Incident) -> bool:
    return desk.now - incident.opened_at <= TOGETHER


def _leads_to(desk: Desk, incident: Incident, key: Key) -> bool:
    """Whether the new alert is one more sign of what the incident is about."""
    if any(_same(desk.state, (a.name, a.subject), key) for a in incident.alerts):
        return True
    roots = [a for a in incident.alerts if causes(desk.state, (a.name, a.subject), key)]
    if not roots:
        return False
    began_at = first_sign(desk.state, key, desk.now)
    ends = [_over_at(a) for a in roots]
    return any(end is None or (desk.now - end <= TOGETHER and began_at <= end + AFTERMATH) for end in ends)


def _over_at(alert: Joined) -> float | None:
    return alert.raised_at if alert.name in MOMENTS and alert.times == 1 else alert.cleared_at


def _led_by(desk: Desk, incident: Incident, key: Key) -> bool:
    """Whether the new alert is what the incident came from."""
    return any(
        causes(desk.state, key, (a.name, a.subject)) and not (key[0] in MOMENTS and a.raised_at < desk.now - AFTERMATH)
        for a in incident.firing
    )


def _same(state: State, one: Key, other: Key) -> bool:
    """Two alerts of one thing."""
    if one[1] == other[1] and kind_of(state, one[1]) == "app":
        return (one[0] in STANDING) == (other[0] in STANDING)
    if kind_of(state, one[1]) == kind_of(state, other[1]) == "host":
        return any(one[0] in family and other[0] in family for family in HOST_FAMILIES)
    return one[1] == other[1]


def causes(state: State, root: Key, sign: Key) -> bool:
    """Whether an alert of something explains an alert of an app."""
    name, subject = root
    if sign[1] not in state.apps or subject == sign[1]:
        return False
    match kind_of(state, subject):
        case "engine":
            return sign[0] in CARRIED | {"OomKilled"}
        case "host":
            return sign[0] in HOST.get(name, frozenset())
        case "dependency":
            return sign[0] in CARRIED and subject in needed(state, sign[1])
        case "app":
            return name in DOWN and sign[0] in CARRIED and subject in needed(state, sign[1])


def needed(state: State, app: str) -> frozenset[str]:
    """All that an app needs, and what that needs."""
    found: set[str] = set()
    ahead = [app]
    while ahead:
        known = state.apps.get(ahead.pop())
        fresh = [need for need in known.config.needs if need not in found] if known is not None else []
        found.update(fresh)
        ahead.extend(fresh)
    return frozenset(found)


def needing(state: State, subject: str) -> tuple[str, ...]:
    """The apps that cannot work without it."""
    if kind_of(state, subject) not in ("app", "dependency"):
        return ()
    return tuple(
        sorted(name for name, app in state.apps.items() if app.config.needs and subject in needed(state, name))
    )
