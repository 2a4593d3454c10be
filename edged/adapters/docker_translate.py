"""From the engine's JSON to our nouns. Pure, and tolerant: a missing or odd field is left out, never an error.

Shapes seen: Docker 20.10 (API 1.41, cgroup v1) to 28 (API 1.50, cgroup v2), as documented by the Engine API.
"""

from __future__ import annotations

import re
import signal
from typing import Any, get_args

from ..vocabulary.facts import ContainerChanged
from ..vocabulary.times import unix_time
from ..vocabulary.world import Container, ContainerAction, ContainerStatus, DockerHealth, Usage

EVENT_ACTIONS: dict[str, ContainerAction] = {word: word for word in get_args(ContainerAction)}
"""What ``ContainerChanged`` knows; ``exec_*``, ``attach``, ``top`` and the like are noise."""

_STATUSES: dict[str, ContainerStatus] = {word: word for word in get_args(ContainerStatus)}
_HEALTHS: dict[str, DockerHealth] = {word: word for word in get_args(DockerHealth)}
_ENDED = frozenset({"exited", "dead", "restarting"})
_EXIT_CODE = re.compile(r"^(?:Exited|Restarting) \((-?\d{1,6})\)")
_SERVER = re.compile(r"^(?:Docker|Libpod)/(\S+)", re.IGNORECASE)
# What the engine adds to a container's labels in an event's attributes.
_NOT_LABELS = frozenset({"image", "name", "exitCode", "signal", "execDuration", "execID", "oldName"})
_DEFAULT_CPU_PERIOD = 100_000


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _int(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    return number if -(2**63) <= number < 2**63 else None  # what can be written down again


def _labels(value: object, without: frozenset[str] = frozenset()) -> dict[str, str]:
    return {key: _text(text) for key, text in _dict(value).items() if key not in without}


def engine_version(headers: dict[str, str]) -> str:
    """The engine's version from the headers of a ping (keys in lower case)."""
    found = _SERVER.match(headers.get("server", ""))
    return found[1] if found else f"API {headers.get('api-version', 'unknown')}"


def choose_version(offered: str, known: str) -> str:
    """The API version to speak: the engine's newest, but none newer than what this program was written for.

    Raises ``ValueError`` when ``offered`` is no version.
    """
    return min(offered, known, key=lambda version: tuple(int(part) for part in version.split(".")))


def _status(state: object, text: str) -> ContainerStatus:
    """Unknown states (other engines, later versions) become the nearest one of ours."""
    told = _text(state).lower()
    if told in _STATUSES:
        return _STATUSES[told]
    if told == "stopped" or text.startswith("Exited"):
        return "exited"
    if text.startswith("Restarting"):
        return "restarting"
    if told == "stopping" or text.startswith("Up"):
        return "paused" if "(Paused)" in text else "running"
    return "created"


def _health(told: object) -> DockerHealth:
    return _HEALTHS.get(_text(told).strip().lower(), "none")


def _health_in(text: str) -> DockerHealth:
    """From ``Up 2 minutes (healthy)``, as the list tells it."""
    if "(healthy)" in text:
        return "healthy"
    if "(unhealthy)" in text:
        return "unhealthy"
    return "starting" if "(health: starting)" in text else "none"


def from_list(entry: object) -> Container | None:
    """One entry of the container list; ``None`` when it names no container."""
    told = _dict(entry)
    container_id, text = _text(told.get("Id")), _text(told.get("Status"))
    if not container_id:
        return None
    names = told.get("Names")
    plain = [_text(name).lstrip("/") for name in names] if isinstance(names, list) else []
    # Old-style links give a container further names of the form /other/alias.
    name = next((name for name in plain if name and "/" not in name), container_id[:12])
    status = _status(told.get("State"), text)
    code = _EXIT_CODE.match(text)
    created = _int(told.get("Created"))
    return Container(
        id=container_id,
        name=name,
        status=status,
        image=_text(told.get("Image")),
        image_id=_text(told.get("ImageID")),
        health=_health(_dict(told["Health"]).get("Status")) if "Health" in told else _health_in(text),
        exit_code=int(code[1]) if code and status in _ENDED else None,
        labels=_labels(told.get("Labels")),
        created_at=None if created is None else float(created),
    )


def from_inspect(answer: object) -> Container | None:
    """A container in full; ``None`` when the answer is not a container."""
    told = _dict(answer)
    state, config = _dict(told.get("State")), _dict(told.get("Config"))
    container_id = _text(told.get("Id"))
    if not container_id:
        return None
    status = _status(state.get("Status"), "Up" if state.get("Running") is True else "")
    code = _int(state.get("ExitCode"))
    # A container whose start failed stays "created" and keeps the code of the failure.
    has_code = status in _ENDED or (status == "created" and code != 0)
    policy = _dict(_dict(told.get("HostConfig")).get("RestartPolicy")).get("Name")
    return Container(
        id=container_id,
        name=_text(told.get("Name")).lstrip("/") or container_id[:12],
        status=status,
        image=_text(config.get("Image")),
        image_id=_text(told.get("Image")),
        health=_health(_dict(state.get("Health")).get("Status")),
        exit_code=code if has_code else None,
        oom_killed=state.get("OOMKilled") is True,
        labels=_labels(config.get("Labels")),
        restart_policy=None if policy is None else _text(policy) or "no",
        pid=_int(state.get("Pid")) or None,
        created_at=unix_time(told.get("Created")),
        started_at=unix_time(state.get("StartedAt")),
    )


def is_tty(inspected: dict[str, Any]) -> bool:
    return _dict(inspected.get("Config")).get("Tty") is True


def _signal(value: object) -> int | None:
    """``9``, ``KILL`` or ``SIGKILL``."""
    if (number := _int(value)) is not None:
        return number
    text = _text(value).upper()
    name = text if text.startswith("SIG") else f"SIG{text}"
    return int(signal.Signals[name]) if name in signal.Signals.__members__ else None


def to_change(message: object, at: float) -> ContainerChanged | None:
    """A message of the event stream, seen at ``at`` on our clock; ``None`` when it is not for us."""
    told = _dict(message)
    actor = _dict(told.get("Actor"))
    attributes = _dict(actor.get("Attributes"))
    action, _, detail = _text(told.get("Action") or told.get("status")).partition(":")
    container_id = _text(actor.get("ID")) or _text(told.get("id"))
    if told.get("Type", "container") != "container" or action not in EVENT_ACTIONS or not container_id:
        return None
    nanoseconds, seconds = _int(told.get("timeNano")), _int(told.get("time"))
    return ContainerChanged(
        at=at,
        id=container_id,
        name=_text(attributes.get("name")).lstrip("/") or container_id[:12],
        action=EVENT_ACTIONS[action],
        image=_text(attributes.get("image")) or _text(told.get("from")),
        labels=_labels(attributes, _NOT_LABELS),
        exit_code=_int(attributes.get("exitCode")) if action == "die" else None,
        signal=_signal(attributes.get("signal")) if action == "kill" else None,
        health=_health(detail) if action == "health_status" else "none",
        time=(nanoseconds or 0) / 1e9 or float(seconds or 0),
    )


def to_usage(container_id: str, stats: object, inspected: object) -> Usage:
    """One-shot stats, with the limits from inspect: stats tell the host's memory when there is no limit."""
    told, host = _dict(stats), _dict(_dict(inspected).get("HostConfig"))
    memory, cpu = _dict(told.get("memory_stats")), _dict(told.get("cpu_stats"))
    parts, throttling = _dict(memory.get("stats")), _dict(cpu.get("throttling_data"))
    # cgroup v1 tells total_inactive_file (with children), v2 inactive_file.
    cache = _int(parts.get("total_inactive_file", parts.get("inactive_file"))) or 0
    used = _int(memory.get("usage")) or 0
    nano_cpus, quota = _int(host.get("NanoCpus")) or 0, _int(host.get("CpuQuota")) or 0
    limit: float | None = None
    if nano_cpus > 0:
        limit = nano_cpus / 1e9
    elif quota > 0:
        limit = quota / (_int(host.get("CpuPeriod")) or _DEFAULT_CPU_PERIOD)
    memory_limit = _int(host.get("Memory")) or 0
    return Usage(
        container_id=container_id,
        memory=max(0, used - cache),
        memory_limit=memory_limit if memory_limit > 0 else None,
        cpu_seconds=(_int(_dict(cpu.get("cpu_usage")).get("total_usage")) or 0) / 1e9,
        cpu_limit=limit,
        periods=_int(throttling.get("periods")) or 0,
        throttled_periods=_int(throttling.get("throttled_periods")) or 0,
        throttled_seconds=(_int(throttling.get("throttled_time")) or 0) / 1e9,
        pids=_int(_dict(told.get("pids_stats")).get("current")),
    )
