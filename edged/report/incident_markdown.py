"""The incident report and the update to send out, as Markdown, filled in from the record. Pure.

What only people can know is left open, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..config.units import format_duration

MEANING = {"P0": "critical", "P1": "high", "P2": "medium", "P3": "low"}
OPEN = "_to be filled in_"
_ACTIVE = re.compile(r"([\\`*_\[\]<>|#])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def safe(text: str) -> str:
    """Words from elsewhere (answers of probes, notes) as plain text: no markup, no line of their own."""
    return _ACTIVE.sub(r"\\\1", _CONTROL.sub(" ", text))


def report(i: dict[str, Any]) -> str:
    """The whole report."""
    over = i["restored"] is not None
    return "\n".join(
        [
            f"# Incident {i['id']}: {safe(i['title'])}",
            "",
            *_table(("", ""), _facts(i)),
            "",
            "## Summary",
            "",
            _summary(i),
            "",
            "## Impact",
            "",
            *_impact(i),
            f"- Users or processes that felt it: {OPEN}",
            "",
            "## Detection",
            "",
            f"- First sign: {i['began']}",
            f"- First alert: {i['opened']}, after {_s(i['detect_seconds'])}",
            *(f"- {a['severity']} {safe(a['name'])} of {safe(a['subject'])}: {_span(a)}" for a in i["alerts"]),
            "",
            "## Timeline",
            "",
            *_table(("time", "what", "subject", ""), _timeline(i)),
            "",
            "## Actions taken",
            "",
            *(_actions(i) or ["None."]),
            "",
            "## Changes shortly before",
            "",
            *([f"- {c['at']}: {safe(c['text'])}" for c in i["changes"]] or ["None known to edged."]),
            "",
            "## Root cause",
            "",
            f"- Likely: {safe(i['likely']) if i['likely'] else 'no change came shortly before'}",
            *(f"- Hint: {safe(hint)}" for hint in i["hints"]),
            f"- Root cause: {OPEN}",
            "",
            "## Evidence",
            "",
            *(
                [f"- {safe(e['record'])}, {e['bytes']} bytes, `{e['digest']}`" for e in i["evidence"]]
                or ["None was kept."]
            ),
            "",
            "## Follow-up",
            "",
            f"- [ ] What went well: {OPEN}",
            f"- [ ] What is to be changed, by whom, until when: {OPEN}",
            *([] if over else ["- [ ] It is not over yet: this report is provisional."]),
            "",
        ]
    )


def update(i: dict[str, Any]) -> str:
    """A few lines to send out while it lasts."""
    lasts = "lasted" if i["restored"] else "lasts"
    last = [line for line in i["timeline"] if line["kind"] not in ("sign", "evidence")][-3:]
    return "\n".join(
        [
            f"## Update on {i['id']} ({i['severity']}, {MEANING[i['severity']]}): {_state(i)}",
            "",
            f"- **What**: {safe(i['title'])}",
            f"- **Since**: {i['began']}; {lasts} {_s(i['seconds'])}",
            f"- **Impact**: {_harmed(i)}",
            f"- **Likely cause**: {safe(i['likely']) if i['likely'] else 'not known yet'}",
            f"- **Taken care of by**: {_owner(i)}",
            f"- **To be resolved by**: {i['resolve_by']}"
            if not i["restored"]
            else f"- **Clear since**: {i['restored']}",
            "- **Last**:",
            *(f"  - {line['at']}: {safe(line['subject'])}: {safe(line['text'])}" for line in last),
            f"- **Next update**: {OPEN}",
            "",
        ]
    )


def _facts(i: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        ("Severity", f"{i['severity']} ({MEANING[i['severity']]})" + (", a drill" if i["drill"] else "")),
        ("State", _state(i)),
        ("Cause", f"{i['kind']} {safe(i['cause'])}"),
        ("Began", i["began"]),
        ("Detected", f"{i['opened']} ({_s(i['detect_seconds'])})"),
        ("Responded", f"{i['responded'] or 'not yet'} (by {i['respond_by']})"),
        ("Restored", f"{i['restored'] or 'not yet'} (by {i['resolve_by']})"),
        ("Duration", _s(i["seconds"])),
        ("Taken care of by", _owner(i)),
    ]
    if i["reopened"]:
        rows.append(("Reopened", "once" if i["reopened"] == 1 else f"{i['reopened']} times"))
    if i["merged"]:
        rows.append(("Holds", ", ".join(i["merged"])))
    return rows


def _state(i: dict[str, Any]) -> str:
    return f"merged into {i['merged_into']}" if i["merged_into"] else str(i["state"])


def _owner(i: dict[str, Any]) -> str:
    seen = i["acknowledged"]
    if seen is None:
        return "edged" if i["responded"] else "nobody yet"
    return safe(seen["by"]) + (f": {safe(seen['note'])}" if seen["note"] else "")


def _summary(i: dict[str, Any]) -> str:
    names = ", ".join(dict.fromkeys(f"{safe(a['name'])} of {safe(a['subject'])}" for a in i["alerts"]))
    how = "is not over" if i["restored"] is None else f"was over after {_s(i['seconds'])}"
    number = len(i["actions"]) + i["actions_left_out"]
    acted = {0: "edged took no action", 1: "edged took one action"}.get(number, f"edged took {number} actions")
    late = "; it escalated: " + ", ".join(e["why"] for e in i["escalated"]) if i["escalated"] else ""
    return f"{names}. It {how}; {acted}{late}."


def _impact(i: dict[str, Any]) -> list[str]:
    if not i["impact"]:
        return ["- No app was out of service."]
    return [
        f"- {safe(name)}: {harm['worst']} for {_s(harm['seconds'])}" + (" so far" if harm["since"] else "")
        for name, harm in i["impact"].items()
    ]


def _harmed(i: dict[str, Any]) -> str:
    if not i["impact"]:
        return "no app is out of service"
    return "; ".join(f"{safe(name)} {harm['worst']} for {_s(harm['seconds'])}" for name, harm in i["impact"].items())


def _span(alert: dict[str, Any]) -> str:
    until = f"until {alert['cleared']}" if alert["cleared"] else "still fires"
    times = f", {alert['times']} times" if alert["times"] > 1 else ""
    return f"{alert['raised']} {until}{times}: {safe(alert['summary'])}"


def _timeline(i: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (line["at"], line["kind"], safe(line["subject"]), safe(line["text"])) for line in i["timeline"]
    ]
    if i["timeline_left_out"]:
        rows.insert(i["timeline_left_out_after"], ("…", "", "", f"{i['timeline_left_out']} lines left out"))
    return rows


def _actions(i: dict[str, Any]) -> list[str]:
    found = []
    for deed in i["actions"]:
        how = {True: "done", False: "failed", None: "no outcome seen"}[deed["ok"]]
        why = f" ({safe(deed['reason'])})" if deed["reason"] else ""
        error = f": {safe(deed['error'])}" if deed["error"] else ""
        found.append(
            f"- {deed['at']}: {deed['action']} {safe(deed['subject'])}{why}: {how}{error}, {_s(deed['seconds'])}"
        )
    return found


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    titles = list(head)
    lines = [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def _s(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.1f} s" if seconds < 120.0 else format_duration(round(seconds))
