"""The fleet as its retained messages tell it. Pure: messages in, a model of each device out.

What arrives comes from machines in the field through a broker: what cannot be read is counted and left out, and
everything is bounded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from . import topics

MOST_DEVICES = 100_000
MOST_PARTS = 1_000
"""Apps, or alerts, of one device."""


class Status(Struct, frozen=True):
    state: str
    boot: int = 0
    since: str = ""
    config: str = ""


class Meta(Struct, frozen=True):
    edged: str = ""
    labels: dict[str, str] = {}
    boot: int = 0
    engine: str | None = None
    apps: tuple[str, ...] = ()
    commands: msgspec.Raw = msgspec.Raw(b"{}")
    """JSON: type -> JSON Schema of its arguments. Devices of one version share one copy."""
    host: msgspec.Raw = msgspec.Raw(b"{}")


class Placed(Struct, frozen=True):
    digest: str = ""
    name: str = ""
    version: str = ""


class Deployment(Struct, frozen=True):
    id: str = ""
    kind: str = ""
    phase: str = ""
    version: str = ""


class App(Struct, frozen=True):
    state: str = "unknown"
    reason: str = ""
    since: str = ""
    placed: dict[str, Placed] = {}
    deployment: Deployment | None = None


class Alert(Struct, frozen=True):
    severity: str = "warning"
    since: str = ""
    summary: str = ""


class Change(NamedTuple):
    """What one message changed."""

    device: str
    kind: str
    """``status``, ``meta``, ``app`` or ``alert``."""
    name: str
    """Of the app or alert; an alert's is ``name/subject``."""
    old: Any
    new: Any
    """``None``: it is gone."""


class Device:
    __slots__ = ("alerts", "apps", "id", "meta", "status")

    def __init__(self, id_: str) -> None:
        self.id = id_
        self.status: Status | None = None
        self.meta: Meta | None = None
        self.apps: dict[str, App] = {}
        self.alerts: dict[tuple[str, str], Alert] = {}
        """(name, subject) -> alert."""

    @property
    def state(self) -> str:
        """``online``, ``stopping``, ``offline`` or ``unknown``.

        A broker may publish the last will of a connection long after the device started anew: one that carries an
        earlier boot than the device's birth message says nothing about now.
        """
        if self.status is None:
            return "unknown"
        if self.stale:
            return "online"
        return self.status.state

    @property
    def stale(self) -> bool:
        """The status is of a boot before the present one, and another than what a living device says of itself."""
        status, meta = self.status, self.meta
        return status is not None and meta is not None and status.state != "online" and status.boot < meta.boot

    @property
    def labels(self) -> dict[str, str]:
        return self.meta.labels if self.meta is not None else {}

    @property
    def schemas(self) -> dict[str, Any]:
        """Command type -> JSON Schema of its arguments."""
        try:
            found = msgspec.json.decode(self.meta.commands) if self.meta is not None else {}
        except (msgspec.MsgspecError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


class Fleet:
    """Not thread-safe."""

    def __init__(self) -> None:
        self.devices: dict[str, Device] = {}
        self.unreadable = 0
        """Messages left out because they made no sense, or because there were too many."""
        self._shared: dict[bytes, msgspec.Raw] = {}

    def __iter__(self) -> Iterator[Device]:
        """By id."""
        return iter(sorted(self.devices.values(), key=lambda device: device.id))

    def take(self, topic: str, payload: bytes) -> Change | None:
        """``None``: it changed nothing here. An empty payload clears."""
        where = topics.parse(topic)
        if where is None or len(where.rest) != _LEVELS.get(where.kind):
            return None
        device = self.devices.get(where.device)
        if device is None and (not payload or len(self.devices) >= MOST_DEVICES):
            self.unreadable += bool(payload)
            return None
        if device is None:
            device = Device(where.device)
        try:
            change = self._put(device, where, payload)
        except (msgspec.MsgspecError, RecursionError):
            self.unreadable += 1
            return None
        self.devices[device.id] = device
        if not (device.status or device.meta or device.apps or device.alerts):
            del self.devices[device.id]  # somebody cleared all that was retained: decommissioned
        return change if change.old != change.new else None

    def _put(self, device: Device, where: topics.Topic, payload: bytes) -> Change:
        if where.kind == "status":
            old_status = device.status
            device.status = _status.decode(payload) if payload else None
            return Change(device.id, "status", "", old_status, device.status)
        if where.kind == "meta":
            old_meta = device.meta
            device.meta = self._meta(payload) if payload else None
            return Change(device.id, "meta", "", old_meta, device.meta)
        if where.kind == "app":
            name = sys.intern(where.rest[0])
            old_app = device.apps.pop(name, None)
            new_app = _app.decode(payload) if payload else None
            if new_app is not None and self._room(device.apps):
                device.apps[name] = new_app
            return Change(device.id, "app", name, old_app, new_app)
        subject = (sys.intern(where.rest[0]), sys.intern(where.rest[1]))
        old_alert = device.alerts.pop(subject, None)
        new_alert = _alert.decode(payload) if payload else None
        if new_alert is not None and self._room(device.alerts):
            device.alerts[subject] = new_alert
        return Change(device.id, "alert", "/".join(subject), old_alert, new_alert)

    def _room(self, parts: dict[Any, Any]) -> bool:
        full = len(parts) >= MOST_PARTS
        self.unreadable += full
        return not full

    def _meta(self, payload: bytes) -> Meta:
        meta = _meta.decode(payload)
        return msgspec.structs.replace(meta, commands=self._one(meta.commands), host=self._one(meta.host))

    def _one(self, raw: msgspec.Raw) -> msgspec.Raw:
        """The same for equal content. A ``Raw`` would otherwise keep the whole message alive."""
        key = bytes(raw)
        if len(self._shared) > MOST_DEVICES:
            self._shared.clear()
        return self._shared.setdefault(key, msgspec.Raw(key))


_LEVELS = {"status": 0, "meta": 0, "app": 1, "alert": 2}
_status = msgspec.json.Decoder(Status)
_meta = msgspec.json.Decoder(Meta)
_app = msgspec.json.Decoder(App)
_alert = msgspec.json.Decoder(Alert)
