"""Which events are audited, and as what: who wanted what of this device, what came of it, and when edged could not see.
Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..vocabulary import events as ev
from ..vocabulary.trust import REMOTE

LONGEST = 300
"""Characters of a text."""
MOST = 20
"""Items of a list."""
UNSEEN = ("disk", "lost", "damaged")
"""Why events were given up that perhaps nothing else has told of."""
READS = frozenset({"status.get", "report.get", "logs.get", "evidence.get", "data.list"})
"""Commands that change nothing. A console may send them every minute: one record of each, and counted when many."""


def record(event: ev.Event) -> dict[str, Any] | None:
    """What the audit says of it; none: nothing. ``what`` names the kind; ``refused`` has a ``code`` and a ``count``."""
    match event:
        case ev.CommandAnswered():
            return _answer(event)
        case ev.CommandsRefused():
            return _filled(
                what="refused",
                code=event.code,
                count=event.count,
                key=event.key,
                topic=event.topic,
                message=event.message,
            )
        case ev.KeysChanged():
            return _filled(what="keys", change=event.change, keys=_list(event.keys), origin=event.origin)
        case ev.ConfigReloaded():
            return _filled(what="config", digest=event.digest, path=event.path, changed=_list(event.changed))
        case ev.EdgedStarted():
            return _filled(
                what="started", version=event.version, before=event.previous_end, host_rebooted=event.host_rebooted
            )
        case ev.EdgedStopping():
            return _filled(what="stopping", reason=event.reason)
        case ev.EventsDropped(reason=reason) if reason in UNSEEN:
            return _filled(what="gap", first=event.first, last=event.last, count=event.count, reason=reason)
        case _:
            return None


def _answer(event: ev.CommandAnswered) -> dict[str, Any] | None:
    if event.status == "running" or unsigned(event):
        return None  # what nobody signed is told by ``CommandsRefused``
    told = {
        "id": event.id,
        "command": event.command,
        "subject": event.subject,
        "origin": event.origin,
        "message": event.message,
    }
    if event.request.get("repeated"):
        return _filled(what="refused", code="repeated", count=1, status=event.status, **told)
    if event.status in ("rejected", "expired"):
        return _filled(what="refused", code=event.reason, count=1, status=event.status, request=event.request, **told)
    if event.command in READS and event.status == "accepted":
        return _filled(what="read", code=event.command, count=1, request=event.request, **told)
    if event.command in READS and event.status == "succeeded":
        return None
    return _filled(what="command", status=event.status, code=event.reason, request=event.request, **told)


def unsigned(event: ev.CommandAnswered) -> bool:
    """An answer to what nobody signed who is trusted. (A key may be called ``?``, but its orders have a request.)"""
    return event.origin == REMOTE + "?" and event.status == "rejected" and not event.request


def _filled(**parts: Any) -> dict[str, Any]:
    """Without what is empty; texts are cut."""
    return {name: _short(part) for name, part in parts.items() if part not in ("", (), {}, [])}


def _short(part: Any) -> Any:
    if isinstance(part, str) and len(part) > LONGEST:
        return part[: LONGEST - 1] + "…"
    return part


def _list(items: Sequence[str]) -> list[str]:
    shown = [_short(item) for item in items[:MOST]]
    return [*shown, f"and {len(items) - MOST} more"] if len(items) > MOST else shown
