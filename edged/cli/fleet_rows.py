"""Devices and answers as rows for people, and as objects for programs."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .render import ago, plain

if TYPE_CHECKING:
    from rich.console import Console as Screen
    from rich.table import Table
    from rich.text import Text

    from ..fleet import Answer, Device

COLOUR = {
    "online": "green",
    "healthy": "green",
    "succeeded": "green",
    "done": "green",
    "stopping": "yellow",
    "starting": "yellow",
    "restarting": "yellow",
    "warning": "yellow",
    "skipped": "yellow",
    "expired": "yellow",
    "offline": "red",
    "unhealthy": "red",
    "down": "red",
    "missing": "red",
    "critical": "red",
    "failed": "red",
    "rejected": "red",
    "silent": "red",
    "halted": "red",
}


def screen(*, stderr: bool = False) -> Screen:
    """Colours and the terminal's width only when somebody looks; NO_COLOR is respected."""
    from rich.console import Console as Screen

    stream = sys.stderr if stderr else sys.stdout
    seen = stream.isatty() and os.environ.get("TERM") != "dumb"
    return Screen(
        file=stream, width=None if seen else 1000, highlight=False, markup=False, no_color=None if seen else True
    )


def table(head: Iterable[str], rows: Iterable[Iterable[Text | str]]) -> Table:
    from rich.table import Table

    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        made.add_column(name, overflow="fold")
    for row in rows:
        made.add_row(*(painted(cell) if isinstance(cell, str) else cell for cell in row))
    return made


def painted(text: str, colour: str | None = None) -> Text:
    """Text from devices must steer neither the terminal nor rich."""
    from rich.text import Text

    return Text(plain(text), COLOUR.get(text, "") if colour is None else colour)


HEAD = ("DEVICE", "STATE", "SINCE", "APPS", "ALERTS", "EDGED", "LABELS")


def device_row(device: Device, now: str) -> list[Text | str]:
    from rich.text import Text

    apps, status, meta = Text(), device.status, device.meta
    for name, app in sorted(device.apps.items()):
        placed = app.placed.get("model")
        version = f" {placed.version}" if placed is not None and placed.version else ""
        going_on = f" ({app.deployment.phase})" if app.deployment is not None else ""
        apps.append("; " if apps else "").append(plain(f"{name} ")).append(painted(app.state))
        apps.append(plain(version + going_on))
    names = Counter(name for name, _ in device.alerts)
    worst = "critical" if any(a.severity == "critical" for a in device.alerts.values()) else "warning"
    alerts = ", ".join(f"{name}×{count}" if count > 1 else name for name, count in sorted(names.items()))
    return [
        device.id,
        device.state + (" (old will)" if device.stale else ""),
        since(status.since, now) if status is not None else "",
        apps,
        painted(alerts, COLOUR[worst] if names else ""),
        meta.edged if meta is not None else "",
        ", ".join(f"{key}={value}" for key, value in sorted(device.labels.items())),
    ]


def since(stamp: str, now: str) -> str:
    try:
        return ago(stamp, now)
    except ValueError:
        return "?"


def device_json(device: Device) -> dict[str, Any]:
    status, meta = device.status, device.meta
    return {
        "device": device.id,
        "state": device.state,
        "stale_will": device.stale,
        "boot": max(status.boot if status else 0, meta.boot if meta else 0),
        "since": status.since if status else None,
        "config": status.config if status else None,
        "edged": meta.edged if meta else None,
        "engine": meta.engine if meta else None,
        "labels": device.labels,
        "apps": {
            name: {
                "state": app.state,
                "reason": app.reason,
                "since": app.since,
                "placed": {kind: {"digest": p.digest, "version": p.version} for kind, p in app.placed.items()},
                "deployment": app.deployment.phase if app.deployment else None,
            }
            for name, app in sorted(device.apps.items())
        },
        "alerts": [
            {"name": name, "subject": subject, "severity": a.severity, "since": a.since, "summary": a.summary}
            for (name, subject), a in sorted(device.alerts.items())
        ],
    }


def answer_json(answer: Answer) -> dict[str, Any]:
    return {name: getattr(answer, name) for name in answer.__struct_fields__}


def answer_line(answer: Answer) -> str:
    phase = f" {answer.phase}" if answer.phase else ""
    progress = f" {answer.progress:.0%}" if answer.progress is not None else ""
    code = f" [{answer.reason}]" if answer.reason else ""
    message = f": {answer.message}" if answer.message else ""
    again = "; trying again soon" if answer.passing else ""
    return plain(f"{answer.state}{phase}{progress}{code}{message}{again}")
