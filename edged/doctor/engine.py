"""The container engine: whether it answers, to whom, how it is set up, and the containers of configured apps."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..adapters.docker_facts import NEWEST_KNOWN, OLDEST_KNOWN, ask
from ..ports import PortError
from .containers import look as look_at_containers
from .finding import Finding, fail, ok, skip, warn
from .identity import Identity, may
from .patient import Patient

_TIMEOUT = 3.0
"""Seconds for each question; a healthy engine answers in a tenth of one."""
_DAEMON_JSON = "/etc/docker/daemon.json"
_DUAL_LOGGING_SINCE = (20, 10)
_READABLE_LOGS = ("json-file", "local", "journald")


def look(patient: Patient) -> Iterator[Finding]:
    url = patient.config.docker.url
    yield from _access(patient, url)
    try:
        version = ask(url, "/version", _TIMEOUT)
        info = ask(url, "/info", _TIMEOUT)
    except PortError as error:
        yield unreachable(url, str(error), patient.config.docker.restart.unit, patient.daemon)
        return
    yield answering(version, info, OLDEST_KNOWN, NEWEST_KNOWN)
    yield from settings(version, info)
    yield from look_at_containers(patient)


def _access(patient: Patient, url: str) -> Iterator[Finding]:
    """Whether the daemon's user may use the socket. The engine's own answer shows it for whoever asks."""
    path, who = urlsplit(url).path, patient.daemon
    if not url.startswith("unix:") or who.mine or not _is_socket(path):
        return
    yield access(path, who, may(who, "w", path))


def access(path: str, who: Identity, answer: bool | None) -> Finding:
    name = "engine access"
    if answer is None:
        return skip(name, f"whether user {who.name} may use {path} is not known to you")
    if answer:
        return ok(name, f"user {who.name} may use {path}")
    return fail(name, f"user {who.name} may not use {path}: it is not in the group docker", join_docker(who))


def join_docker(who: Identity) -> str:
    fix = f"sudo usermod -aG docker {who.name}"
    return f"{fix} && sudo systemctl restart edged" if who.name == "edged" else f"{fix}, then log in again"


def unreachable(url: str, reason: str, unit: str, who: Identity) -> Finding:
    """``reason`` is an adapter's: it begins with the URL."""
    path = urlsplit(url).path
    if "permission denied" in reason:
        # About whoever asks; what holds for the daemon's user is a finding of its own.
        return (
            fail("engine", f"user {who.name} may not use {path}: it is not in the group docker", join_docker(who))
            if who.mine
            else skip("engine", f"you may not use {path}")
        )
    if "does not answer within" in reason or "hangs" in reason:
        return fail("engine", reason, f"sudo systemctl restart {unit}; journalctl -u {unit} -n 50")
    if "not a container engine" in reason:
        return fail("engine", reason, "correct docker.url in edged.yaml")
    return fail("engine", reason, f"sudo systemctl enable --now {unit}; journalctl -u {unit} -n 50")


def answering(version: dict[str, Any], info: dict[str, Any], oldest: str, newest: str) -> Finding:
    """``oldest`` and ``newest``: the API versions edged speaks."""
    number = str(version.get("Version", "?"))
    api, lowest = str(version.get("ApiVersion", "")), str(version.get("MinAPIVersion", ""))
    told = f"version {number}, API {api or '?'}"
    if not api or _parts(api) < _parts(oldest):
        found = f"{told}: edged needs API {oldest} or later"
        return fail("engine", found, "sudo apt-get install --only-upgrade docker.io docker-ce")
    if lowest and _parts(lowest) > _parts(newest):
        return fail("engine", f"{told}: it speaks nothing older than API {lowest}, edged nothing newer than {newest}",
                    "/opt/edged/bin/pip install --upgrade docker edged")  # fmt: skip
    running, total = info.get("ContainersRunning", 0), info.get("Containers", 0)
    return ok("engine", f"{told}, storage {info.get('Driver', '?')}, cgroup driver {info.get('CgroupDriver', '?')}, "
                        f"{running} of {total} containers run")  # fmt: skip


def settings(version: dict[str, Any], info: dict[str, Any]) -> Iterator[Finding]:
    """What of the engine's set-up will hurt one day."""
    if _has_live_restore(info):
        swarm = _swarm(info)
        if info.get("LiveRestoreEnabled"):
            yield ok("engine live-restore", "containers go on while the engine restarts")
        elif not swarm:
            yield warn("engine live-restore", "off: each restart or update of the engine stops all containers",
                       f'add to {_DAEMON_JSON}: "live-restore": true   then: sudo systemctl reload docker')  # fmt: skip
    driver = str(info.get("LoggingDriver", ""))
    if driver == "none" or (
        driver and driver not in _READABLE_LOGS and _parts(version.get("Version")) < _DUAL_LOGGING_SINCE
    ):
        yield warn("engine logs", f"logging driver {driver}: logs cannot be read back, so evidence will have none",
                   f'add to {_DAEMON_JSON}: "log-driver": "local"   then: sudo systemctl restart docker')  # fmt: skip
    if info.get("MemoryLimit") is False:
        yield warn("engine memory limits", "the kernel enforces no memory limits for containers",
                   "edged doctor --only cgroups")  # fmt: skip


def _has_live_restore(info: dict[str, Any]) -> bool:
    return "LiveRestoreEnabled" in info and "podman" not in str(info.get("ServerVersion", "")).lower()


def _swarm(info: dict[str, Any]) -> bool:
    """Live-restore and swarm mode exclude each other."""
    swarm = info.get("Swarm")
    return isinstance(swarm, dict) and swarm.get("LocalNodeState") == "active"


def _parts(version: object) -> tuple[int, ...]:
    """``20.10.24+dfsg1`` -> (20, 10, 24); as far as it is numbers."""
    numbers: list[int] = []
    for part in str(version).split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(Path(path).stat().st_mode)
    except OSError:
        return False
