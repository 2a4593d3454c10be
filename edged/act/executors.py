"""One function for each action: it does what it says, or raises ``PortError``. None decides anything."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from ..ports import Containers, EvidenceStore, Host, PortError, Services
from ..vocabulary.actions import (
    CaptureEvidence,
    PauseContainer,
    RestartContainer,
    RestartEngine,
    StartContainer,
    StopContainer,
    UnpauseContainer,
)
from .redact import redacted

LOG_BYTES = 256 * 1024


class Tools(Struct, frozen=True):
    """What the executors work with."""

    containers: Containers
    services: Services
    host: Host
    evidence: EvidenceStore


Result = dict[str, Any]


def start(action: StartContainer, tools: Tools) -> Result:
    tools.containers.start(action.container_id, action.timeout)
    return {}


def restart(action: RestartContainer, tools: Tools) -> Result:
    tools.containers.restart(action.container_id, action.stop_timeout, action.timeout)
    return {}


def stop(action: StopContainer, tools: Tools) -> Result:
    tools.containers.stop(action.container_id, action.stop_timeout, action.timeout)
    return {}


def pause(action: PauseContainer, tools: Tools) -> Result:
    tools.containers.pause(action.container_id, action.timeout)
    return {}


def unpause(action: UnpauseContainer, tools: Tools) -> Result:
    tools.containers.unpause(action.container_id, action.timeout)
    return {}


def restart_engine(action: RestartEngine, tools: Tools) -> Result:
    """A unit that a person stopped cleanly is left alone."""
    if tools.services.stopped_on_purpose(action.unit, action.timeout):
        return {"stopped_on_purpose": True}
    tools.services.restart(action.unit, action.timeout)
    return {}


def capture(action: CaptureEvidence, tools: Tools) -> Result:
    """Keeps what can be had; a part that cannot be had is named in the record instead of failing the rest."""
    record: dict[str, Any] = {
        "action": action.id,
        "app": action.subject,
        "reason": action.reason,
        "context": action.context,
    }
    pid: int | None = None
    try:
        container, inspect = tools.containers.inspect(action.container_id)
        record["inspect"], pid = redacted(inspect), container.pid
    except PortError as error:
        record["inspect_error"] = str(error)
    try:
        text = tools.containers.logs(action.container_id, action.log_lines, LOG_BYTES, action.timeout)
        record["logs"] = text.decode("utf-8", "replace")
    except PortError as error:
        record["logs_error"] = str(error)
    if pid:
        try:
            record["usage"] = tools.host.usage(action.container_id, pid)
        except PortError as error:
            record["usage_error"] = str(error)
    path, digest, size = tools.evidence.save(action.id, record)
    return {"path": path, "digest": digest, "bytes": size}


def settle(result: Result, tools: Tools) -> None:
    """The app is down: it is started before the evidence of it has reached the medium, not after."""
    tools.evidence.settle(result["path"])
