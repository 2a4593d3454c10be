"""Incidents for those who ask: over the socket, on retained topics, in the metrics. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from ..config.incidents import BUILT_IN, OTHER, resolve_within, respond_within, severity_rule
from ..ports import StoredEvent
from ..vocabulary.incident_picture import card, picture
from ..vocabulary.incidents import LEVELS, Incident
from ..vocabulary.times import rfc3339
from .snapshot import Snapshot

CLOSED = "incident.closed"
"""The event that carries the whole record."""
LIMIT = 500
"""Of these events that are read for one answer."""
PARTS = (
    "timeline",
    "timeline_left_out",
    "timeline_left_out_after",
    "actions",
    "actions_left_out",
    "evidence",
    "changes",
)
"""What is left out of a list of incidents."""
encode = msgspec.json.Encoder(order="deterministic").encode


class _Told(msgspec.Struct):
    data: dict[str, Any]


_decode = msgspec.json.Decoder(_Told).decode


def cards(shot: Snapshot) -> list[dict[str, Any]]:
    """The open ones, the worst first."""
    return [card(i, shot.unix, shot.now) for i in worst_first(shot.state.incidents.open.values())]


def worst_first(incidents: Iterable[Incident]) -> list[Incident]:
    return sorted(incidents, key=lambda i: (i.severity, i.opened_at))


def topics(old: Snapshot, new: Snapshot) -> dict[str, bytes]:
    """Retained topics that are different now; an empty payload clears."""
    before, after = old.state.incidents.open, new.state.incidents.open
    if before is after:
        return {}
    found: dict[str, bytes] = {}
    for identity, incident in after.items():
        was = before.get(identity)
        if was is not incident and (was is None or _shown(was) != _shown(incident)):
            found[_topic(identity)] = encode(card(incident, new.unix, new.now))
    for identity in before.keys() - after.keys():
        found[_topic(identity)] = b""
    return found


def _topic(identity: str) -> str:
    return f"incident/{quote(identity, safe='')}"


def _shown(i: Incident) -> tuple[Any, ...]:
    """Without what only grows longer: each line of the timeline is an event, too."""
    return (
        i.severity,
        i.title,
        i.cause,
        i.alerts,
        i.acknowledged,
        i.responded_at,
        i.restored_at,
        i.reopened,
        i.merged,
        i.likely,
        i.escalated,
        i.respond_by,
        i.resolve_by,
        tuple((name, harm.worst, harm.since is None) for name, harm in i.impact.items()),
    )


def families(shot: Snapshot) -> Iterator[Any]:
    """For Prometheus."""
    from prometheus_client.core import GaugeMetricFamily

    counted = Counter(i.severity for i in shot.state.incidents.open.values())
    family = GaugeMetricFamily("edged_incidents_open", "Incidents that are open", labels=["severity"])
    for level in LEVELS:
        family.add_metric([level], float(counted[level]))
    yield family


def known(shot: Snapshot, rows: Sequence[StoredEvent]) -> dict[str, dict[str, Any]]:
    """All by id, the oldest first, as far as ``rows`` (events ``incident.closed``) and the state tell.

    The state knows better: a note may have been taken, or the incident opened again, after that event.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        try:
            told = _decode(row.payload).data
            identity, record = told["incident"], told["record"]
        except (msgspec.MsgspecError, KeyError):
            continue  # of another version
        if isinstance(record, dict) and record.get("id") == identity:
            found[identity] = record
    book = shot.state.incidents
    for incident in (*book.closed.values(), *book.open.values()):
        found[incident.id] = picture(incident, shot.unix, shot.now)
    return dict(sorted(found.items(), key=lambda pair: str(pair[1].get("opened", ""))))


def listed(shot: Snapshot, rows: Sequence[StoredEvent], since: str) -> dict[str, Any]:
    """Those that are open, and those that were at any time since ``since`` (RFC 3339), with what they add up to."""
    of_then = [i for i in known(shot, rows).values() if i["closed"] is None or i["closed"] >= since]
    bare = [{key: value for key, value in i.items() if key not in PARTS} for i in of_then]
    return {"open": cards(shot), "past": [i for i in bare if i["closed"] is not None], "counts": counts(of_then)}


def answer(
    shot: Snapshot,
    query: Mapping[str, Sequence[str]],
    history: Callable[[float, tuple[str, ...], int], list[StoredEvent]],
) -> tuple[dict[str, Any], int]:
    """Open and past ones: ``since`` (Unix time); one with all that is known: ``id``; ``rules``: those in force.

    Content and HTTP status. Raises ``StorageError``.
    """
    if "rules" in query:
        return rules(shot), 200
    wanted = query.get("id", [""])[0]
    try:
        since = 0.0 if wanted else float(query.get("since", ["0"])[0])
    except ValueError:
        return {"error": "since must be a Unix time"}, 400
    rows = history(since, (CLOSED,), LIMIT)
    if not wanted:
        return listed(shot, rows, rfc3339(since)), 200
    found = find(known(shot, rows), wanted)
    if len(found) == 1:
        return found[0], 200
    many = "is no incident" if not found else f"are {len(found)} incidents"
    return {"error": f"there {many} {wanted}: edged incidents --since 30d lists them"}, 404


def find(incidents: Mapping[str, dict[str, Any]], wanted: str) -> list[dict[str, Any]]:
    """By its id, or by the end of it: ``001``, ``21-001``."""
    exact = incidents.get(wanted)
    if exact is not None:
        return [exact]
    return [i for identity, i in incidents.items() if wanted and identity.endswith(f"-{wanted}")]


def counts(incidents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How many of which kind, and how fast. Drills, and those that became a part of another, do not count."""
    counted = [i for i in incidents if not i["merged_into"] and not i.get("drill")]
    over = [i for i in counted if i["resolve_seconds"] is not None]
    return {
        "incidents": len(counted),
        "open": sum(i["closed"] is None for i in counted),
        "by_severity": {level: sum(i["severity"] == level for i in counted) for level in LEVELS},
        "by_kind": dict(Counter(str(i["kind"]) for i in counted)),
        "by_cause": dict(Counter(str(i["cause"]) for i in counted).most_common(20)),
        "by_alert": dict(Counter(a["name"] for i in counted for a in i["alerts"]).most_common(20)),
        "escalated": sum(bool(i["escalated"]) for i in counted),
        "reopened": sum(i["reopened"] > 0 for i in counted),
        "drills": sum(bool(i.get("drill")) for i in incidents),
        "mttd_seconds": _mean([float(i["detect_seconds"]) for i in counted]),
        "mttr_seconds": _mean([float(i["resolve_seconds"]) for i in over]),
    }


def _mean(values: list[float]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None


def rules(shot: Snapshot) -> dict[str, Any]:
    """What is in force."""
    said = shot.config.incidents
    named = [*BUILT_IN, *(name for name in said.severity if name not in BUILT_IN)]
    rows = {name: severity_rule(said, name) for name in named} | {"any other": OTHER}
    return {
        "severity": {name: {"warning": r.warning, "critical": r.critical, "why": r.why} for name, r in rows.items()},
        "essential": said.essential,
        "respond_seconds": {level: respond_within(said, level) for level in LEVELS},
        "resolve_seconds": {level: resolve_within(said, level) for level in LEVELS},
        "hold_seconds": said.hold,
        "reopen_seconds": said.reopen,
    }
