"""MQTT discovery for Home Assistant: retained descriptions of what edged publishes anyway. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args
from zlib import crc32

import msgspec

from .. import __version__
from ..config import App, Config
from ..vocabulary.app_state import AppState, Condition
from .payloads import topic_prefix
from .retained import level

PREFIX = "/homeassistant"
"""With a slash in front: not below the device's own topics."""
BAD = ("unhealthy", "down", "missing")
_ID = re.compile(r"[A-Za-z0-9_-]{1,48}")
_encode = msgspec.json.Encoder(order="deterministic").encode


class Discovery:
    """What there is to find now, made anew only when another app or configuration is there; and what to clear."""

    def __init__(self, told: Iterable[str]) -> None:
        """``told``: topics that an earlier run has left at the broker."""
        self._topics = {topic: b"" for topic in told if topic.startswith(f"{PREFIX}/")}
        self._left = list(self._topics)
        self._config: Config | None = None
        self._apps: dict[str, App] = {}

    def topics(self, config: Config, apps: Mapping[str, AppState]) -> dict[str, bytes]:
        """By topic; an empty payload where nothing is to be found any more."""
        if (config.mqtt is None or not config.mqtt.home_assistant) and not self._topics:
            return self._topics
        rules = {name: app.config for name, app in apps.items()}
        if config is not self._config or rules != self._apps:
            self._config, self._apps = config, rules
            self._topics = dict.fromkeys(self._topics, b"") | topics(config, rules)
        return self._topics

    def left(self) -> list[str] | None:
        """What would have to be cleared after this run; ``None``: the same as when it was last asked for."""
        now = [topic for topic, payload in self._topics.items() if payload]
        if now == self._left:
            return None
        self._left = now
        return now


def topics(config: Config, apps: Mapping[str, App]) -> dict[str, bytes]:
    """One topic for each thing that Home Assistant is to show; none when that is turned off."""
    mqtt = config.mqtt
    if mqtt is None or not mqtt.home_assistant:
        return {}
    found = _Device(config.device.id, max(60, round(3 * mqtt.metrics_every)))
    made = dict(found.host(config.host.disk.paths))
    for name, rules in sorted(apps.items()):
        made.update(found.app(name, rules))
    return made


class _Device:
    def __init__(self, device: str, expires: int) -> None:
        self._device, self._base, self._expires = device, topic_prefix(device), expires
        self._about = {
            "availability_topic": f"{self._base}/status",
            "availability_template": "{{ 'online' if value_json.state == 'online' else 'offline' }}",
            "device": {"identifiers": [f"edged_{device}"], "name": device, "manufacturer": "edged",
                       "model": "edge device", "sw_version": __version__},
            "origin": {"name": "edged", "sw_version": __version__},
            "qos": 1,
        }  # fmt: skip

    def host(self, disks: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        yield self._sampled("host_memory", "Memory", "value_json.host.mem", "%", 100)
        yield self._sampled("host_cpu", "CPU", "value_json.host.cpu", "%", 100)
        yield self._sampled("host_temperature", "Temperature", "value_json.host.temp", "°C", 1, kind="temperature")
        yield self._sampled("alerts", "Alerts", "value_json.alerts", "", 1)
        for path in disks:
            value = f"value_json.host.disk.get({_quoted(path)})"
            yield self._sampled(f"host_disk_{_plain(path)}", f"Disk {path}", value, "%", 100)

    def app(self, name: str, rules: App) -> Iterator[tuple[str, bytes]]:
        own, state = _plain(name), f"{self._base}/app/{level(name)}"
        bad = f"value_json.state in {json.dumps(BAD)}"
        yield self._problem(f"app_{own}_problem", f"{name} problem", state, bad)
        yield self._entity(
            "sensor", f"app_{own}_state", f"{name} state", state,
            value_template="{{ value_json.state }}",
            device_class="enum",
            options=list(get_args(Condition)),
            json_attributes_topic=state,
            json_attributes_template="{{ {'reason': value_json.reason, 'since': value_json.since} | tojson }}",
        )  # fmt: skip
        sample = f"value_json.apps.get({_quoted(name)}, {{}})"
        yield self._sampled(f"app_{own}_memory", f"{name} memory", f"{sample}.get('mem')", "MiB", 1, kind="data_size")
        yield self._sampled(f"app_{own}_cpu", f"{name} CPU", f"{sample}.get('cpu')", "%", 100)
        if rules.metrics is not None and rules.metrics.latency is not None:
            value = f"{sample}.get('lat')"
            yield self._sampled(f"app_{own}_latency", f"{name} latency", value, "ms", 1000, kind="duration")
        if rules.model is not None:
            version = "{{ value_json.placed.get('model', {}).get('version') }}"
            yield self._entity("sensor", f"app_{own}_model", f"{name} model", state, value_template=version)
        if rules.drift is not None:
            drift = "(value_json.drift or {}).get('state')"
            known = f"{drift} in ('steady', 'drifted')"
            yield self._problem(f"app_{own}_drift", f"{name} drift", state, f"{drift} == 'drifted'", known)

    def _problem(self, own: str, name: str, topic: str, condition: str, known: str = "true") -> tuple[str, bytes]:
        template = f"{{{{ ('ON' if {condition} else 'OFF') if {known} else None }}}}"
        return self._entity("binary_sensor", own, name, topic, value_template=template, device_class="problem")

    def _sampled(self, own: str, name: str, value: str, unit: str, factor: int, kind: str = "") -> tuple[str, bytes]:
        """A number of the regular sample: not known any more when that stays away."""
        digits = " | round(1)" if unit else ""  # without a unit it is a count
        template = f"{{% set v = {value} %}}{{{{ (v * {factor}){digits} if v is number else None }}}}"
        more: dict[str, Any] = {"unit_of_measurement": unit} if unit else {}
        if kind:
            more["device_class"] = kind
        return self._entity(
            "sensor", own, name, f"{self._base}/metrics",
            value_template=template, expire_after=self._expires, state_class="measurement", **more,
        )  # fmt: skip

    def _entity(self, component: str, own: str, name: str, topic: str, **more: Any) -> tuple[str, bytes]:
        content = self._about | {"name": name, "unique_id": f"edged_{self._device}_{own}", "state_topic": topic} | more
        return f"{PREFIX}/{component}/{self._device}/{own}/config", _encode(content)


def _plain(name: str) -> str:
    """As Home Assistant allows it in a topic: the same for the same name, another one for others."""
    if _ID.fullmatch(name):
        return name
    kept = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:48]
    return f"{kept}-{crc32(name.encode(errors='replace')):08x}"


def _quoted(text: str) -> str:
    """As a string of a template, which knows the same escapes as JSON."""
    return json.dumps(text)
