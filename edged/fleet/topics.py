"""Topics as a console sees them. Pure."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote

from ..report.payloads import PREFIX, topic_prefix

BARRIER = topic_prefix("-") + "/barrier"
"""A topic that nobody publishes."""
EVERY = f"{PREFIX}/+"
"""Every device, in a subscription."""


class Topic(NamedTuple):
    device: str
    kind: str
    """``status``, ``meta``, ``app``, ``alert``, ``res`` …"""
    rest: tuple[str, ...]
    """Further levels, as names: without percent-encoding."""


def parse(topic: str) -> Topic | None:
    """``None`` when it is not about a device."""
    if not topic.startswith(f"{PREFIX}/"):
        return None
    device, _, below = topic[len(PREFIX) + 1 :].partition("/")
    kind, *rest = below.split("/")
    if not device or not kind:
        return None
    return Topic(device, kind, tuple(map(unquote, rest)))


def command(device: str, type_: str, id_: str) -> str:
    return f"{topic_prefix(device)}/cmd/{type_}/{id_}"


def results(device: str = "+", type_: str = "+") -> str:
    """The subscription to the results of commands."""
    return f"{topic_prefix(device)}/res/{type_}/+"


def retained(device: str) -> tuple[str, ...]:
    """Subscriptions to all that is retained of one device and that ``Fleet`` understands."""
    below = topic_prefix(device)
    return f"{below}/status", f"{below}/meta", f"{below}/app/+", f"{below}/alert/+/+"
