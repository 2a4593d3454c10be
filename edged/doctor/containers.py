"""The containers of configured apps: there, limited, checked, and with logs that do not fill the disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from ..adapters.docker_engine import DockerEngine
from ..config import App
from ..judge.identity import configured, pick
from ..ports import PortError
from .finding import Finding, fail, ok, warn
from .patient import Patient

_TIMEOUT = 2.0
_LONGEST = 4.0
"""Seconds for all containers together: 20 ms each are usual, but not on a box in trouble."""
_SHOWN = 5
_GROWING = ("json-file",)


class Seen(Struct, frozen=True, kw_only=True):
    """An app of the file with its container, as inspected."""

    app: str
    config: App
    container: str
    inspected: dict[str, Any]

    @property
    def host_config(self) -> dict[str, Any]:
        return _dict(self.inspected.get("HostConfig"))


def look(patient: Patient) -> Iterator[Finding]:
    config = patient.config
    if not config.apps:
        return
    engine = DockerEngine(config.docker.url, _TIMEOUT)
    until = time.monotonic() + _LONGEST
    seen: list[Seen] = []
    missing: list[str] = []
    try:
        all_of_them = engine.list_all()
        for name, app in config.apps.items():
            container = pick(name, app, "", all_of_them)
            if container is None:
                missing.append(name)
            elif time.monotonic() < until:
                effective, _ = configured(config, name, container)
                _, inspected = engine.inspect(container.id)
                seen.append(Seen(app=name, config=effective, container=container.name, inspected=inspected))
    except PortError as error:
        yield fail("engine containers", str(error), "docker ps -a; journalctl -u docker -n 50")
    finally:
        engine.close()
    yield from judge(seen, missing)


def judge(seen: list[Seen], missing: list[str]) -> Iterator[Finding]:
    if seen:
        policies = sorted({_policy(one) for one in seen})
        yield ok(
            "engine apps",
            f"{len(seen)} found: {_names([one.app for one in seen])}; restart policy {', '.join(policies)}",
        )
    if missing:
        yield warn("engine apps missing", f"no container for {_names(missing)}",
                   "docker ps -a --format '{{.Names}}'   then set apps.NAME.container in edged.yaml")  # fmt: skip
    if unchecked := [one for one in seen if not _is_checked(one)]:
        found = f"no health check for {_names([one.app for one in unchecked])}: a hang goes unnoticed"
        fix = f'add to edged.yaml: apps.{unchecked[0].app}.health: {{http: "http://127.0.0.1:PORT/health"}}'
        yield warn("engine apps health", found, fix)
    if unlimited := [one for one in seen if not one.host_config.get("Memory")]:
        found = f"no memory limit for {_names([one.app for one in unlimited])}: a leak takes the whole box"
        fix = f"docker update --memory 512m --memory-swap 512m {unlimited[0].container}"
        yield warn("engine apps memory", found, fix)
    if growing := [one for one in seen if _grows(one)]:
        found = f"the logs of {_names([one.app for one in growing])} grow until the disk is full"
        fix = 'add to /etc/docker/daemon.json: "log-opts": {"max-size": "10m", "max-file": "3"}   then restart docker'
        yield warn("engine apps logs", found, f"{fix} and create the containers anew")


def _is_checked(one: Seen) -> bool:
    health = one.config.health
    test = _dict(_dict(one.inspected.get("Config")).get("Healthcheck")).get("Test") or ["NONE"]
    return bool(health.http or health.tcp or (health.docker and test[0] != "NONE"))


def _grows(one: Seen) -> bool:
    log = _dict(one.host_config.get("LogConfig"))
    return log.get("Type") in _GROWING and not _dict(log.get("Config")).get("max-size")


def _policy(one: Seen) -> str:
    return str(_dict(one.host_config.get("RestartPolicy")).get("Name") or "no")


def _names(names: list[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
