"""One record of the audit as a line for people."""

from __future__ import annotations

from typing import Any

from .render import plain


def row(record: dict[str, Any]) -> list[str]:
    """Number, time, what, who, and the rest in words."""
    what = str(record.get("what", "UNREADABLE"))
    who = str(record.get("origin") or record.get("key") or "")
    return [
        str(record["number"]),
        plain(f"{record['time']}"[:19]) + "Z" if record.get("time") else "",
        what,
        plain(who),
        plain(_about(what, record)),
    ]


def _about(what: str, record: dict[str, Any]) -> str:
    if "cut" in record:
        short = " ".join(f"{name}={record[name]}" for name in ("command", "status", "code", "count") if name in record)
        return f"{short} (it had {record['cut']} bytes: the rest is only in the event log)".strip()
    match what:
        case "command" | "refused" | "read" if "command" in record:
            result = f"{record.get('status', '')} {record.get('code', '')}".strip()
            return _joined(f"{record['command']} {_args(record)}".strip(), result, record.get("message"))
        case "refused" if "counts" in record:
            counts = ", ".join(f"{count} x {code}" for code, count in sorted(record["counts"].items()))
            return f"in a flood, not told one by one: {counts}"
        case "read":
            counts = ", ".join(f"{count} x {code}" for code, count in sorted(record.get("counts", {}).items()))
            return f"too many to be told one by one: {counts}"
        case "refused":
            return _joined(f"{record.get('count')} x {record.get('code')}", record.get("topic"), record.get("message"))
        case "keys":
            return f"{record.get('change')}: {', '.join(map(str, record.get('keys', [])))}"
        case "config":
            return _joined(record.get("path"), f"{record.get('digest')}"[:19], ", ".join(record.get("changed", [])))
        case "started":
            return (
                f"edged {record.get('version')}, run {record.get('boot')}; the run before ended: {record.get('before')}"
            )
        case "gap":
            return (
                f"events {record.get('first')} to {record.get('last')} were given up ({record.get('reason')}): "
                "what they told of has no record"
            )
        case "damaged":
            return (
                f"the database was damaged and is kept as {record.get('kept')}; {record.get('lost')} records were lost"
            )
        case _:
            return str(record.get("reason", ""))


def _args(record: dict[str, Any]) -> str:
    args = record.get("request", {}).get("args", {})
    return " ".join(f"{name}={value}" for name, value in args.items()) or str(record.get("subject", ""))


def _joined(*parts: Any) -> str:
    return ": ".join(str(part) for part in parts if part)
