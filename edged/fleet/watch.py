"""What happened, as one line for people or one object for programs. Pure."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from .answers import Answer
from .answers import Told as Event
from .console import News, NotTaken, Told
from .devices import Change, Device
from .link import Connected, Lost

_event = msgspec.json.Decoder(Event)
_RANK = {"offline": 0, "unknown": 1, "stopping": 2, "online": 3}


def urgent(device: Device) -> tuple[int, int, str]:
    """The order in which people want to see devices: trouble first."""
    critical = any(alert.severity == "critical" for alert in device.alerts.values())
    return (0 if critical else 1 if device.alerts else 2, _RANK.get(device.state, 1), device.id)


def row(news: News) -> dict[str, Any]:
    match news:
        case Change():
            return {"kind": news.kind, "device": news.device, "name": news.name, "new": _plain(news.new)}
        case Answer():
            return {"kind": "answer", **{name: getattr(news, name) for name in news.__struct_fields__}}
        case Told():
            return {"kind": "event", "device": news.device, "event": json.loads(news.payload)}
        case NotTaken():
            return {"kind": "not_taken", "device": news.command.device, "id": news.command.id, "reason": news.reason}
        case Lost():
            return {"kind": "lost", "reason": news.reason}
        case Connected():
            return {"kind": "connected"}


def line(news: News) -> str:
    match news:
        case Change():
            return f"{news.device}  {_change(news)}"
        case Answer():
            what = " ".join(part for part in (news.type, news.state, news.phase, news.reason, news.message) if part)
            return f"{news.device}  {what}"
        case Told():
            event = _event.decode(news.payload)
            return f"{news.device}  {event.type.removeprefix('dev.edged.')} {event.subject}"
        case NotTaken():
            return f"{news.command.device}  {news.reason}"
        case Lost():
            return f"the connection to the broker is lost: {news.reason}"
        case Connected():
            return "connected to the broker"


def _change(news: Change) -> str:
    new = news.new
    if new is None:
        return f"{news.kind} {news.name} is gone".replace("  ", " ")
    if news.kind == "status":
        return f"is {new.state} (boot {new.boot})"
    if news.kind == "alert":
        return f"{new.severity} {news.name}: {new.summary}"
    if news.kind == "app":
        going_on = f", deployment {new.deployment.phase}" if new.deployment is not None else ""
        return f"{news.name} is {new.state}{going_on}" + (f": {new.reason}" if new.reason else "")
    return f"edged {new.edged}, boot {new.boot}, apps: {', '.join(new.apps) or 'none'}"


def _plain(value: Any) -> Any:
    """Without the raw parts of a birth message, which are large and the same for everybody."""
    if value is None:
        return None
    fields = msgspec.structs.asdict(value)
    return msgspec.to_builtins({key: one for key, one in fields.items() if not isinstance(one, msgspec.Raw)})
