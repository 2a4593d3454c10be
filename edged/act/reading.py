"""``ReadOut``: gets what a command asks for, and packs it."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from ..ports import Refused
from ..vocabulary.actions import ReadOut
from .executors import Tools
from .parcel import MOST_PACKED, TooLarge, pack

MOST_LOGS = 2**20
"""Bytes of log lines, before compression."""
_BEYOND = 64 * 1024
"""More than one line: so much more is asked for, to see whether something had to be left out."""
JSON = "application/json"


def read_out(action: ReadOut, tools: Tools) -> dict[str, Any]:
    """``act.parcel.pack``'s result. Raises ``PortError``."""
    if action.what == "logs":
        return _logs(action, tools)
    if action.what == "evidence" and action.incident:
        whole = tools.evidence.read_incident(action.incident, action.paths, MOST_PACKED - MOST_PACKED // 4)
        return _packed(whole) | {"name": action.incident}
    if action.what == "evidence":
        name, content = tools.evidence.read(action.app, action.which)
        return _packed(content) | {"name": name}
    if action.what == "backups":
        return _packed(msgspec.json.encode(tools.data.listing(action.app)))
    if action.what == "report":
        return _packed(tools.readings.report(action.since))
    return _packed(tools.readings.status(action.app))


def _packed(content: bytes) -> dict[str, Any]:
    try:
        return pack(content, JSON)
    except TooLarge as error:
        raise Refused(f"it is too large to be sent: {error}") from None


def _logs(action: ReadOut, tools: Tools) -> dict[str, Any]:
    """The last lines. What came until the time was over, if that was not enough."""
    began = time.monotonic()
    most = MOST_LOGS + _BEYOND
    text = tools.containers.logs(action.container_id, action.lines, most, action.timeout, action.since)
    truncated = time.monotonic() - began >= action.timeout
    if len(text) > MOST_LOGS:
        text, truncated = text[-MOST_LOGS:], True
        text = text[text.find(b"\n") + 1 :]
    return pack(text, "text/plain; charset=utf-8", cut=True, truncated=truncated)
