"""The review as sections of words, tables and charts, whatever they are shown on. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from ..config.units import format_duration

MOST_ROWS = 30
"""Of one table, the worst first; the JSON has all."""
MOST_CHARTS = 12
WELL = ("healthy", "stopped", "paused", "gone")
DAY = 86400.0


class Table(Struct, frozen=True):
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0


class Chart(Struct, frozen=True):
    """A line over time."""

    title: str
    unit: str
    """``share`` or ``seconds`` …"""
    points: tuple[tuple[float, float, float], ...]
    """(Unix time, mean, highest)."""
    limit: float | None = None


class Section(Struct, frozen=True):
    title: str
    parts: tuple[str | Table | Chart, ...]


class Document(Struct, frozen=True):
    title: str
    verdict: str
    """``ok`` or ``attention``."""
    lead: str
    sections: tuple[Section, ...]


def document(r: dict[str, Any]) -> Document:
    count = sum(one["level"] == "attention" for one in r["findings"])
    lead = "nothing needs attention" if not count else f"{count} thing{'s' if count > 1 else ''} to look at"
    oldest = r["events"]["oldest"]
    if oldest is not None and oldest["time"] > r["from"]:
        since = oldest["time"][:16].replace("T", " ")
        lead += f" (edged has been here since {since} only)" if oldest["sequence"] == 1 else f" (known from {since} on)"
    sections = (
        Section("Findings", _findings(r)),
        Section("Apps", _apps(r)),
        Section("Resources and forecast", _resources(r)),
        Section("Latency, errors and logs", _traffic(r)),
        Section("Endpoints", _endpoints(r)),
        Section("Incidents", _incidents(r)),
        Section("Alerts", _alerts(r)),
        Section("Deployments and drills", _changes(r)),
        Section("edged itself", _edged(r)),
    )
    title = f"{r['device']}: {format_duration(float(r['seconds']))} up to {r['to'][:16].replace('T', ' ')} UTC"
    return Document(title, r["verdict"], lead, tuple(section for section in sections if section.parts))


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> tuple[Table, ...]:
    if not rows:
        return ()
    return (Table(head, tuple(rows[:MOST_ROWS]), max(0, len(rows) - MOST_ROWS)),)


def _findings(r: dict[str, Any]) -> tuple[str | Table | Chart, ...]:
    rows = [(one["level"], one["subject"], one["text"], one["do"]) for one in r["findings"]]
    return _table(("level", "about", "what", "what to do"), rows) or ("Nothing.",)


def _apps(r: dict[str, Any]) -> tuple[str | Table | Chart, ...]:
    rows = []
    worst = sorted(r["apps"].items(), key=lambda named: (named[1]["state"] in WELL, _share(named[1]), named[0]))
    for name, app in worst:
        recovered = app.get("recovery_seconds")
        rows.append(
            (
                name,
                app["state"],
                percent(app["availability"], 3),
                str(app["restarts"]),
                span(recovered["median"]) if recovered else "-",
                ", ".join(f"{n} {alert}" for alert, n in app.get("alerts", {}).items()) or "-",
                app["model"] or "-",
            )
        )
    return _table(("app", "now", "available", "restarts", "median recovery", "alerts", "model"), rows)


def _share(app: dict[str, Any]) -> float:
    return 1.0 if app["availability"] is None else float(app["availability"])


def _resources(r: dict[str, Any]) -> tuple[str | Table | Chart, ...]:
    every = {**{name: app["resources"] for name, app in r["apps"].items()}, "host": r["host"]["resources"]}
    tightest = sorted(
        ((name, metric, seen) for name, resources in every.items() for metric, seen in resources.items()),
        key=lambda row: (row[2]["trend"] is None, -row[2]["max"] / row[2]["limit"]),
    )
    rows = []
    for name, metric, seen in tightest:
        trend = seen["trend"]
        going = "steady"
        if trend is not None:
            going = f"{trend['per_day']:+.1%} a day"
            if trend["seconds"] is not None:
                going += f", {seen['limit']:.0%} in {trend['seconds'] / DAY:.0f} days"
        rows.append((name, metric, percent(seen["mean"]), percent(seen["max"]), percent(seen["last"]), going))
    order = {(name, metric): at for at, (name, metric, _) in enumerate(tightest)}
    drawn = [one for one in r["charts"] if (one["subject"], one["metric"]) in order]
    drawn.sort(key=lambda one: order[one["subject"], one["metric"]])
    charts = [
        Chart(
            f"{one['subject']}: {one['metric']}",
            "share",
            tuple((float(begin), mean, high) for begin, mean, high in one["points"]),
            every.get(one["subject"], {}).get(one["metric"], {}).get("limit"),
        )
        for one in drawn[:MOST_CHARTS]
    ]
    return (*_table(("of", "what", "mean", "highest", "last", "trend"), rows), *charts)


def _traffic(r: dict[str, Any]) -> tuple[str | Table | Chart, ...]:
    rows = []
    for name, app in r["apps"].items():
        seen, logs = app["traffic"], app["logs"]
        if seen is None and logs is None:
            continue
        latency = (seen or {}).get("latency_seconds")
        rows.append(
            (
                name,
                str(seen["requests"]) if seen and seen["requests"] is not None else "-",
                percent(seen["error_ratio"], 3) if seen else "-",
                f"{span(latency['mean'])} / {span(latency['max'])}{_going(seen, 'latency', ' s')}" if latency else "-",
                f"{seen['quality']['mean']:.3g}{_going(seen, 'quality', '')}" if seen and seen["quality"] else "-",
                str(logs["errors"]) if logs else "-",
                str(logs["slow"]) if logs else "-",
                str(logs["auth"]) if logs else "-",
                ", ".join(app["drifted"]) or ("no" if app["drift"] is not None else "-"),
            )
        )
    head = ("app", "requests", "failed", "latency mean / worst", "quality", "log errors", "slow", "auth", "drifted")
    charts = [
        Chart(
            f"{one['subject']}: latency",
            "seconds",
            tuple((float(begin), mean, high) for begin, mean, high in one["points"]),
            (r["apps"].get(one["subject"], {}).get("traffic") or {}).get("latency_warn_seconds"),
        )
        for one in r["charts"]
        if one["metric"] == "latency"
    ]
    return (*_table(head, rows), *charts)


def _going(seen: dict[str, Any], key: str, unit: str) -> str:
    trend = seen[f"{key}_trend"]
    return f", {trend['per_day']:+.2g}{unit} a day" if trend is not None else ""


def _endpoints(r: dict[str, Any]) -> tuple[str | Table | Chart, ...]:
    rows = []
    for name, seen in r["endpoints"].items():
        took = seen["seconds"]
        how = f"{span(took['mean'])} / {span(took['max'])}" if took else "-"
        rows.append((name, str(seen["answered"]), str(seen["failed"]), percent(seen["failed_ratio"], 3), how))
    return _table(("endpoint", "answered", "failed", "failed share", "mean / worst"), rows)


def _incidents(r: dict[str, Any]) -> tuple[str | Table | Chart, ...]:
    counts, past = r["incidents"]["counts"], r["incidents"]["past"]
    if not counts["incidents"] and not past:
        return ("None.",)
    split = ", ".join(f"{n} {level}" for level, n in counts["by_severity"].items() if n) or "none"
    words = f"{counts['incidents']} incident{'' if counts['incidents'] == 1 else 's'}: {split}."
    if counts["mttr_seconds"] is not None:
        words += f" MTTD {span(counts['mttd_seconds'])}, MTTR {span(counts['mttr_seconds'])}."
    if counts["escalated"] or counts["reopened"]:
        words += f" {counts['escalated']} escalated, {counts['reopened']} reopened."
    rows = [
        (one["id"], one["severity"], one["opened"][:16].replace("T", " "), span(one["seconds"]), one["cause"],
         one["title"] + (" (drill)" if one["drill"] else ""))
        for one in (*r["incidents"]["open"], *past)
    ]  # fmt: skip
    return (words, *_table(("id", "severity", "opened", "lasted", "cause", "what"), rows))


def _alerts(r: dict[str, Any]) -> tuple[str | Table | Chart, ...]:
    rows = [
        (one["name"], one["subject"], str(one["raised"]), str(one["critical"]), f"{one['mattered']} of {one['raised']}",
         span(one["median_seconds"]))
        for one in r["alert_quality"]
    ]  # fmt: skip
    told = [f"{one['text']}." for one in r["advice"]]
    if not rows:
        return ("None was raised.",)
    return (*_table(("alert", "about", "raised", "critical", "mattered", "median"), rows), *told)


def _changes(r: dict[str, Any]) -> tuple[str | Table | Chart, ...]:
    deployed = [
        (one["time"][:16].replace("T", " "), one["app"], f"{one['kind']} {one['name']} {one['version']}".strip(),
         one["new"].replace("_", " "), one["reason"] or "-")
        for one in r["deployments"]
    ]  # fmt: skip
    drilled = [
        (one["time"][:16].replace("T", " "), one["app"], one["kind"], "passed" if one["passed"] else "failed",
         span(one["data"].get("detection_seconds")), span(one["data"].get("recovery_seconds")))
        for one in r["drills"]
    ]  # fmt: skip
    return (
        *_table(("when", "app", "what", "how it ended", "why"), deployed),
        *_table(("when", "app", "drill", "result", "detected after", "recovered after"), drilled),
    )


def _edged(r: dict[str, Any]) -> tuple[str | Table | Chart, ...]:
    events, audit, own = r["events"], r["audit"], r["edged"]
    lost = ", ".join(f"{a} to {b}" for a, b in events["missing"])
    proof = f"Events {events['first']} to {events['last']}: {events['count']} of them are here, "
    proof += f"MISSING and not told of: {lost}." if lost else "each number is accounted for."
    chain = "whole" if audit.get("ok") else "BROKEN"
    ends = ", ".join("the first" if end == "first" else f"{n} after {end}" for end, n in sorted(own["ends"].items()))
    return (
        proof,
        f"Audit: {audit['records']} records, the chain is {chain}, head {audit['head']}." if audit else "Audit: none.",
        f"Starts: {own['starts']} ({ends or 'none'}). Version {r['version']}, run {r['boot']}.",
    )


def percent(value: float | None, digits: int = 1) -> str:
    """Never rounded up to all of it."""
    if value is None:
        return "-"
    text = f"{value:.{digits}%}"
    return text if value >= 1.0 or not text.startswith("100.") else f">{1 - 10 ** -(digits + 2):.{digits}%}"


def span(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 1.0:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 120.0 else format_duration(float(round(seconds)))
