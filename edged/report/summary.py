"""What happened in a stretch of time, counted from the event history. Pure: the same rows give the same summary."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from ..ports import StoredEvent
from .payloads import rfc3339
from .time_in_state import Times

FINAL = ("succeeded", "failed", "rejected", "expired")
ENDED = ("committed", "rolled_back", "refused", "failed")
STARTS = ("StartContainer", "RestartContainer")
MOST_NOTES = 100


class _Told(Struct):
    type: str
    subject: str = ""
    data: msgspec.Raw = msgspec.Raw(b"{}")


_decode = msgspec.json.Decoder(_Told).decode


def summary(
    rows: Iterable[StoredEvent], since: float, until: float, states: Mapping[str, str], *, complete: bool = True
) -> dict[str, Any]:
    """``since`` and ``until``: Unix time. ``states``: the condition of each app at the end of it. Rows from before
    ``since`` only tell how things stood then.

    ``complete``: no older rows within that time had to be left out.
    """
    within, tally = 0, _Tally(since, until)
    for row in rows:
        within += row.wall >= since
        tally.take(row)
    return tally.result(states) | {
        "from": rfc3339(since),
        "to": rfc3339(until),
        "seconds": round(until - since),
        "complete": complete,
        "events": within,
    }


class _Tally:
    def __init__(self, since: float, until: float) -> None:
        self._since, self._times = since, Times(since, until)
        self._apps: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._alerts: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._firing: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._recovered: defaultdict[str, list[float]] = defaultdict(list)
        self._deployments: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._commands: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._refused: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._ends: Counter[str] = Counter()
        self._config: Counter[str] = Counter()
        self._notes: list[dict[str, Any]] = []

    def take(self, row: StoredEvent) -> None:
        """One event. What cannot be read (of another version) is left out."""
        try:
            told = _decode(row.payload)
            data: dict[str, Any] = msgspec.json.decode(told.data)
            kind = told.type.removeprefix("dev.edged.")
            self._time(kind, told.subject, data, row.wall)
            if row.wall >= self._since:
                self._count(kind, told.subject, data, row.wall)
        except (msgspec.MsgspecError, KeyError, TypeError):
            self._config["unreadable"] += 1

    def _time(self, kind: str, subject: str, data: dict[str, Any], wall: float) -> None:
        match kind:
            case "app.changed":
                self._times.changed(subject, data["old"], data["new"], wall)
            case "edged.started":
                self._times.started(wall)
            case "edged.stopping":
                self._times.stopped(wall)
        self._times.seen(wall)

    def _count(self, kind: str, subject: str, data: dict[str, Any], wall: float) -> None:
        match kind:
            case "alert.raised":
                self._alerts[data["name"], subject]["raised"] += 1
            case "alert.cleared":
                self._firing[data["name"], subject] += float(data["seconds"])
            case "alert.acknowledged":
                self._alerts[data["name"], subject]["acknowledged"] += 1
            case "action.ended" if data["action"] in STARTS:
                self._apps[subject]["restarts" if data["ok"] else "failed_restarts"] += 1
            case "recovery.succeeded":
                self._apps[subject]["recoveries"] += 1
                self._recovered[subject].append(float(data["seconds"]))
            case "recovery.failed":
                self._apps[subject]["failed_attempts"] += 1
            case "recovery.gave_up":
                self._apps[subject]["gave_up"] += 1
            case "maintenance.changed" if data["on"]:
                self._apps[subject]["maintenances"] += 1
            case "isolation.changed" if data["state"] == "isolated":
                self._apps[subject]["isolations"] += 1
            case "deployment.changed" if data["new"] in ENDED:
                self._deployments[subject][data["new"]] += 1
            case "note.taken":
                self._notes.append({"time": rfc3339(wall), "subject": subject, "by": data["by"], "text": data["text"]})
            case "command.answered" if data["status"] in FINAL:
                self._commands[data["command"]][data["status"]] += 1
            case "commands.refused":
                self._refused[data["code"]] += int(data["count"])
            case "config.reloaded" | "config.refused":
                self._config[kind.partition(".")[2]] += 1
            case "spool.dropped":
                self._dropped[data["reason"]] += int(data["count"])
            case "edged.started":
                self._ends[data["previous_end"]] += 1

    def result(self, states: Mapping[str, str]) -> dict[str, Any]:
        times = self._times.result(states)
        named = {*states, *times, *self._apps, *self._deployments}
        return {
            "apps": {name: self._app(name, times.get(name, {})) for name in sorted(named)},
            "alerts": [
                {"name": name, "subject": subject, **counts, "seconds": round(self._firing[name, subject], 1)}
                for (name, subject), counts in sorted(self._alerts.items())
            ],
            "engine": {
                "outages": self._alerts["EngineDown", "engine"]["raised"],
                "seconds": round(self._firing["EngineDown", "engine"], 1),
            },
            "commands": {name: dict(counts) for name, counts in sorted(self._commands.items())},
            "refused": dict(self._refused),
            "dropped": dict(self._dropped),
            "edged": {"starts": self._ends.total(), "ends": dict(self._ends), "config": dict(self._config)},
            "notes": self._notes[-MOST_NOTES:],
        }

    def _app(self, name: str, seconds: dict[str, float]) -> dict[str, Any]:
        recovered = sorted(self._recovered[name])
        return {
            "seconds_in": seconds,
            "counts": dict(self._apps[name]),
            "recovery_seconds": {"median": recovered[len(recovered) // 2], "longest": recovered[-1]}
            if recovered
            else None,
            "deployments": dict(self._deployments[name]),
            "alerts": {
                alert: counts["raised"]
                for (alert, subject), counts in sorted(self._alerts.items())
                if subject == name and counts["raised"]
            },
        }
