"""Backups of apps' data, and a full disk's relief. Evidence of what is about to go is kept first."""

from __future__ import annotations

import re
import time
from typing import Any

from ..ports import PortError
from ..vocabulary.actions import BackUpData, FindBackup, PruneDisk, RestoreData
from ..vocabulary.deployments import owner
from ..vocabulary.times import unix_time
from . import evidence
from .executors import Result, Tools

MOST_REMOVED = 50
"""Containers in one go."""
_LOG_LINES = 30
_EACH = 15.0
_CLOCK_SET = 946_684_800.0
"""Year 2000: whatever was before, was on a host that did not know the time."""
_NAMELESS = re.compile(r"[0-9a-f]{64}")
_COMPOSE = "com.docker.compose.project"
_KEPT_LABELS = ("edged.enable", "edged.app")


def back_up(action: BackUpData, tools: Tools) -> Result:
    return tools.data.back_up(_app(action.subject), action.container_id, action.data, action.timeout)


def find(action: FindBackup, tools: Tools) -> Result:
    return tools.data.find(_app(action.subject), action.data, action.which, action.timeout)


def restore(action: RestoreData, tools: Tools) -> Result:
    app = _app(action.subject)
    seen = evidence.described(action.container_id, 200, _EACH, tools)
    kept = evidence.before(action.id, app, action.reason, action.incident, tools, more=seen)
    return tools.data.restore(app, action.container_id, action.data, action.which, action.timeout) | kept


def prune(action: PruneDisk, tools: Tools) -> Result:
    """Each part by itself: one that fails keeps nothing else from being freed. ``{"freed", "removed", "failed"}``.

    ``freed``: bytes, without those of containers, which nobody knows.
    """
    doomed = _unused(action, tools) if "containers" in action.what else []
    about = {name: evidence.described(identity, _LOG_LINES, _EACH, tools) for identity, name in doomed}
    kept = evidence.before(action.id, action.subject, action.reason, action.incident, tools, more={"removed": about})
    freed, failed, removed = 0, list[str](), list[str]()
    for identity, name in doomed:
        try:
            tools.containers.remove(identity, _EACH)
            removed.append(name)
        except PortError as error:
            failed.append(f"{name}: {error}")
    for what in action.what:
        try:
            freed += _free(what, action, tools)
        except PortError as error:
            failed.append(f"{what}: {error}")
    return {"freed": freed, "removed": removed, "failed": failed} | kept


def _free(what: str, action: PruneDisk, tools: Tools) -> int:
    match what:
        case "images":
            return tools.containers.prune_images(action.timeout)
        case "backups":
            return tools.data.prune()
        case "evidence":
            return tools.evidence.prune()
        case "logs":
            return tools.host.remove_files(action.logs, action.min_age)
        case _:
            return 0


def _unused(action: PruneDisk, tools: Tools) -> list[tuple[str, str]]:
    """(id, name) of containers that ended long ago, that no app of edged needs, and that nobody means to start again:
    without a restart policy, not part of a Compose project, and the only way to no volume. One that was never started
    takes no room, and waits for somebody."""
    found: list[tuple[str, str]] = []
    try:
        listed = tools.containers.list_all()
    except PortError:
        return []
    for container in listed:
        mine = any(label in container.labels for label in _KEPT_LABELS)
        named = container.name in action.keep or any(
            container.id.startswith(known) for known in action.keep if len(known) >= 12
        )
        if container.status not in ("exited", "dead") or mine or named:
            continue
        try:
            _, about = tools.containers.inspect(container.id)
        except PortError:
            continue
        if not _wanted(about) and _ended_for(about) >= action.min_age:
            found.append((container.id, container.name))
    return found[:MOST_REMOVED]


def _wanted(about: dict[str, Any]) -> bool:
    """Whoever made it has plans for it."""
    policy = ((about.get("HostConfig") or {}).get("RestartPolicy") or {}).get("Name") or "no"
    labels = (about.get("Config") or {}).get("Labels") or {}
    # A volume without a name of its own is found by its container alone (``--volumes-from``).
    nameless = any(_NAMELESS.fullmatch(str(mount.get("Name", ""))) for mount in about.get("Mounts") or ())
    return policy != "no" or _COMPOSE in labels or nameless


def _ended_for(about: dict[str, Any]) -> float:
    """Seconds since it ended; 0 when that is not known."""
    state: dict[str, Any] = about.get("State") or {}
    ages = [_age(state.get("FinishedAt")), _age(about.get("Created"))]
    return min((age for age in ages if age is not None), default=0.0)


def _age(stamp: object) -> float | None:
    moment = unix_time(stamp)
    return max(0.0, time.time() - moment) if moment is not None and moment >= _CLOCK_SET else None


def _app(subject: str) -> str:
    return owner(subject)
