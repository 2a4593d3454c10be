"""What needs attention: rules that anybody can read. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from msgspec import Struct

from ..config.units import format_duration

SOON = 14 * 86400.0
"""Seconds: a limit that is reached within that time needs attention now."""
LEAST_AVAILABLE = 0.99
LONG_ENOUGH = 60.0
"""Seconds below which an app that was not available is no finding: every app has to start once."""
CALM = ("healthy", "stopped", "starting", "paused")
DAY = 86400.0


class Finding(Struct, frozen=True):
    level: Literal["attention", "note"]
    """``attention`` decides the verdict."""
    subject: str
    text: str
    do: str = ""
    """What to do next."""


def findings(review: dict[str, Any]) -> list[Finding]:
    """The worst first."""
    found = [*_edged(review), *_incidents(review)]
    for name, app in review["apps"].items():
        found += _app(name, app, _since(review))
    found += [*_host(review["host"]), *_changes(review), *_drills(review)]
    found += [
        Finding("note", one["subject"], one["text"], "edged check, then edged reload") for one in review["advice"]
    ]
    return sorted(found, key=lambda one: one.level)


def _edged(review: dict[str, Any]) -> Iterator[Finding]:
    proof, audit = review["events"], review["audit"]
    if proof["missing"]:
        ranges = ", ".join(f"{first} to {last}" for first, last in proof["missing"][:5])
        yield Finding("attention", "edged", f"events {ranges} are missing, and nothing tells why", "edged doctor")
    if audit and not audit["ok"]:
        yield Finding("attention", "edged", f"the audit's chain is broken: {audit['faults'][0]}", "edged audit verify")
    if proof["told_lost"]:
        text = f"{proof['told_lost']} events were given up before the broker took them"
        yield Finding("note", "edged", text, "mqtt.spool: a larger max_size, or a broker that is there more often")
    if review["storage_error"]:
        yield Finding("attention", "edged", f"it cannot write: {review['storage_error']}", "edged doctor")
    if review["config_errors"]:
        text = "the last configuration was refused, and the one before is in force"
        yield Finding("attention", "edged", text, "edged check")
    crashes = {end: n for end, n in review["edged"]["ends"].items() if end not in ("first", "clean", "power")}
    if crashes:
        told = ", ".join(f"{n} x {end}" for end, n in sorted(crashes.items()))
        yield Finding("attention", "edged", f"edged itself did not end in order: {told}", "journalctl -u edged")


def _incidents(review: dict[str, Any]) -> Iterator[Finding]:
    for one in review["incidents"]["open"]:
        clear = ", all its alerts are clear" if one.get("state") == "restored" else ""
        text = f"{one['id']} ({one['severity']}) is open{clear}: {one['title']}"
        yield Finding("attention", str(one["cause"]), text, f"edged incidents {one['id']}")
    counts = review["incidents"]["counts"]
    if counts["escalated"]:
        text = f"{counts['escalated']} of {counts['incidents']} incidents escalated"
        yield Finding("attention", "edged", text, f"edged incidents --since {_since(review)}")


def _since(review: dict[str, Any]) -> str:
    return format_duration(float(review["seconds"]))


def _look(app: dict[str, Any]) -> str:
    return "edged status; " + ("docker ps -a" if app["state"] == "missing" else f"docker logs {app['container']}")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 60.0 else f"{seconds:.0f} s"


def _app(name: str, app: dict[str, Any], since: str) -> Iterator[Finding]:
    if app["state"] not in CALM and app["state"] != "gone":
        yield Finding("attention", name, f"it is {app['state']}: {app['reason']}", _look(app))
    share = app["availability"]
    if share is not None and share < LEAST_AVAILABLE and sum(app["ill_seconds"].values()) >= LONG_ENOUGH:
        down = ", ".join(f"{_minutes(value)} {state}" for state, value in app["ill_seconds"].items() if value >= 1.0)
        yield Finding("attention", name, f"available {share:.2%} ({down})", f"edged incidents --since {since}")
    if app["counts"].get("gave_up"):
        times = app["counts"]["gave_up"]
        text = f"its restart budget was spent {'once' if times == 1 else f'{times} times'}"
        yield Finding("attention", name, text, f"edged incidents --since {since}")
    yield from _going("app", name, app["resources"])
    seen = app["traffic"]
    if seen is not None and seen["hours_over_budget"]:
        text = (
            f"its latency was over {seen['latency_warn_seconds']:g} s on average in {seen['hours_over_budget']:g} hours"
        )
        yield Finding("attention", name, text, "edged status")
    yield from _degrading(name, seen)
    if app["drifted"]:
        text = f"its inputs have drifted: {', '.join(app['drifted'][:5])}"
        yield Finding("attention", name, text, f"edged drift {name}")
    backups = app["backups"]
    if backups is not None and not backups["last_ok"]:
        yield Finding("attention", name, f"its last backup failed: {backups['last']}", f"edged data {name} backup")
    if app["problems"]:
        yield Finding("attention", name, app["problems"][0], "edged check")


def _going(kind: str, name: str, resources: dict[str, Any]) -> Iterator[Finding]:
    for metric, seen in resources.items():
        trend = seen["trend"]
        if trend is None or trend["seconds"] is None:
            continue
        days = trend["seconds"] / DAY
        text = f"{metric} grows {trend['per_day']:.1%} a day: {seen['limit']:.0%} is reached in {days:.0f} days"
        level: Literal["attention", "note"] = "attention" if trend["seconds"] < SOON else "note"
        yield Finding(level, name, text, "free or add room before then" if kind == "host" else "look for a leak")


def _degrading(name: str, seen: dict[str, Any] | None) -> Iterator[Finding]:
    """A model that answers more and more slowly, or worse and worse, while no alert fires yet."""
    if seen is None:
        return
    found = []
    for key, unit, limit in (("latency", " s", "latency_warn_seconds"), ("quality", "", "quality_min")):
        trend = seen[f"{key}_trend"]
        if trend is not None and trend["seconds"]:  # 0: it is there, and other findings tell
            goes = f"its {key} {'grows' if trend['per_day'] > 0.0 else 'falls'} by {abs(trend['per_day']):.2g}{unit}"
            found.append((f"{goes} a day: {seen[limit]:g}{unit}", trend["seconds"]))
    for text, seconds in found:
        level: Literal["attention", "note"] = "attention" if seconds < SOON else "note"
        what = f"edged drift {name}; the inputs, a newer model, or the one before: edged rollback {name}"
        yield Finding(level, name, f"{text} is reached in {seconds / DAY:.0f} days", what)


def _host(host: dict[str, Any]) -> Iterator[Finding]:
    yield from _going("host", "host", host["resources"])
    if host["clock_synced"] is False:
        yield Finding("attention", "host", "its clock is not synchronised", "edged doctor")


def _changes(review: dict[str, Any]) -> Iterator[Finding]:
    for one in review["deployments"]:
        if one["new"] == "failed":
            text = f"{one['kind']} {one['name']} {one['version']} could neither be finished nor undone: {one['reason']}"
            yield Finding("attention", one["app"], text, f"edged deployments {one['id']}")
        elif one["new"] != "committed":
            text = f"{one['kind']} {one['name']} {one['version']} ended {one['new'].replace('_', ' ')}: {one['reason']}"
            yield Finding("note", one["app"], text, f"edged deployments {one['id']}")


def _drills(review: dict[str, Any]) -> Iterator[Finding]:
    for one in review["drills"]:
        if not one["passed"]:
            yield Finding(
                "attention", one["app"], f"the drill {one['kind']} of {one['time'][:10]} failed", "edged drill --help"
            )
