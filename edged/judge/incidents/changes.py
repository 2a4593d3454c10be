"""What was changed on this device of late, whether or not anything came of it. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from ...vocabulary import events as ev
from ...vocabulary.deployments import ENDS
from ...vocabulary.incidents import Book, Change
from . import record

MOST, LONGEST = 40, 86400.0
MOST_IMAGES = 500


def noted(book: Book, event: ev.Event, now: float) -> tuple[Book, Change | None]:
    """The book with the change that this event tells of, and that change."""
    change = _change(book, event, now)
    if isinstance(event, ev.AppChanged) and event.image and book.images.get(event.subject) != event.image:
        images = [(app, image) for app, image in book.images.items() if app != event.subject]
        book = replace(book, images=dict([*images, (event.subject, event.image)][-MOST_IMAGES:]))
    if change is None:
        return book, None
    kept = [c for c in book.changes if now - c.at <= LONGEST and not (c.ref and c.ref == change.ref)]
    return replace(book, changes=tuple([*kept, change][-MOST:])), change


def _change(book: Book, event: ev.Event, now: float) -> Change | None:
    who = event.subject
    match event:
        case ev.DeploymentChanged():
            what = " ".join(part for part in ("deployment of", event.kind, event.name, event.version) if part)
            why = f": {event.reason}" if event.reason and event.new in ENDS else ""
            text = record.cut(f"{what} to {who}: {event.new.replace('_', ' ')}{why}")
            return Change(now, "deployment", who, text, event.new in ENDS, event.id)
        case ev.AppChanged() if event.image and book.images.get(who, event.image) != event.image:
            return Change(now, "image", who, record.cut(f"{who} has another image: {book.images[who]} → {event.image}"))
        case ev.ConfigReloaded() if event.changed:
            return Change(
                now, "config", _about(event.changed), record.cut(f"configuration: {', '.join(event.changed)}")
            )
        case ev.ConfigTrial(state="undone"):
            return Change(now, "config", "edged", record.cut(f"configuration put back: {event.reason}"))
        case ev.EdgedStarted(host_rebooted=True):
            return Change(now, "reboot", "host", "the host was booted")
        case ev.EdgedStarted() if event.previous_end != "first":
            return Change(
                now, "edged", "edged", record.cut(f"edged {event.version} started; before: {event.previous_end}")
            )
        case ev.IsolationChanged(state="isolated" | "rejoined"):
            return Change(now, "isolation", who, f"{who} {event.state} by {event.by}")
        case ev.MaintenanceChanged():
            return Change(
                now, "maintenance", who, f"maintenance of {who} by {event.owner}: {'on' if event.on else 'off'}"
            )
        case ev.DrillStarted():
            return Change(now, "drill", who, f"drill {event.kind} on {who} by {event.origin}", False, event.id)
        case ev.DrillEnded():
            text = f"drill {event.kind} on {who}: {'passed' if event.ok else 'failed'}"
            return Change(now, "drill", who, text, True, event.id)
    return None


def _about(changed: tuple[str, ...]) -> str:
    """The one app that a change of the configuration is about; else all."""
    apps = {path.split(".")[1] for path in changed if path.startswith("apps.") and path.count(".") >= 1}
    only = apps.pop() if len(apps) == 1 and all(path.startswith("apps.") for path in changed) else ""
    return only or "edged"
