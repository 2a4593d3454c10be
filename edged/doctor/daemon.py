"""The running daemon, asked what it thinks of itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from ..ports import PortError
from .finding import Finding, fail, ok, skip, warn
from .patient import Patient
from .state import holder, sockets

RESTART = "sudo systemctl restart edged; journalctl -u edged -n 50 --no-pager"
_JOURNAL = "journalctl -u edged -n 50 --no-pager"


def look(patient: Patient) -> Iterator[Finding]:
    pid = holder(patient.state / "edged.lock", str(patient.proc))
    places = sockets(patient)
    if pid is None and not places:
        yield ok("daemon", "none is using the state folder: nothing to ask")
        return
    if not places:
        yield unheard(pid or 0)
        return
    if not os.access(places[0], os.W_OK):
        yield skip("daemon", f"you may not use {places[0]}: it is for the group edged")
        return
    try:
        picture = patient.ask(places[0])
    except PortError as error:
        yield fail("daemon", str(error), RESTART)
        return
    yield ok("daemon", f"pid {pid or '?'}, answers at {places[0]}: {picture['state']}, run {picture['boot']}")
    yield from judge(picture)


def unheard(pid: int) -> Finding:
    fix = f"sudo kill -TERM {pid}   (systemd starts it again; without systemd: edged run)"
    return fail("daemon", f"edged runs with pid {pid}, but its socket is gone: `edged status` cannot work", fix)


def judge(picture: dict[str, Any]) -> Iterator[Finding]:
    """``picture``: as ``edged status --json`` shows it."""
    for error in picture["config"]["errors"]:
        fix = "edged check   and when the file is mended: sudo systemctl reload edged"
        yield fail("daemon config", f"the configuration in force is an older one: {error}", fix)
    if trouble := picture["storage_error"]:
        yield fail("daemon storage", str(trouble), "edged doctor --only disk,state")
    yield from _broker(picture["broker"])


def _broker(broker: dict[str, Any]) -> Iterator[Finding]:
    name = "daemon broker"
    if not broker["configured"]:
        return
    waiting, refused = broker.get("spool_messages", 0), broker.get("refused", 0)
    if not broker["connected"]:
        found = f"not connected: {broker['detail'] or 'no reason yet'}; {waiting} messages wait"
        yield fail(name, found, f"edged doctor --only broker; {_JOURNAL}")
    elif refused:
        yield warn(name, f"connected, but the broker has refused {refused} messages", f"{_JOURNAL}   names the topics")
    else:
        yield ok(name, f"connected; {broker.get('sent', 0)} messages sent, none refused, {waiting} wait")
