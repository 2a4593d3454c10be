"""Evidence: what a destructive step would destroy, and what else was so at that moment. Kept first, always."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..ports import PortError
from ..redact import HIDDEN, redacted, without_secrets
from ..vocabulary.actions import CaptureEvidence, PlaceArtifact, RestartEngine
from ..vocabulary.deployments import SIDE
from . import executors
from .executors import Result, Tools

LOG_BYTES = 256 * 1024
_EACH = 15.0
_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----")
_KEY_ENDS = re.compile(r"-----END [A-Z ]{0,30}PRIVATE KEY-----")


def capture(action: CaptureEvidence, tools: Tools) -> Result:
    """Keeps what can be had; a part that cannot be had is named in the record instead of failing the rest."""
    record: dict[str, Any] = {
        "action": action.id,
        "app": action.subject,
        "reason": action.reason,
        "context": redacted(action.context),
    }
    if action.container_id:
        _container(record, action.container_id, action.log_lines, action.timeout, tools)
    return _keep(record, action.id, action.incident, action.subject, tools)


def settle(result: Result, tools: Tools) -> None:
    """The app is down: it is started before the evidence of it has reached the medium, not after."""
    tools.evidence.settle(result["path"])


def before(
    action_id: str, subject: str, reason: str, incident: str, tools: Tools, *, more: dict[str, Any] | None = None
) -> Result:
    """For an action that has no capture of its own in front of it. Evidence that cannot be kept holds up no remedy.

    ``{"evidence": {"path", "digest", "bytes"}}``, or ``{"evidence_error"}``.
    """
    record: dict[str, Any] = {"action": action_id, "app": subject, "reason": reason, **(more or {})}
    try:
        kept = _keep(record, action_id, incident, subject, tools)
        tools.evidence.settle(kept["path"])
    except PortError as error:
        return {"evidence_error": str(error)}
    return {"evidence": kept}


def restart_engine(action: RestartEngine, tools: Tools) -> Result:
    """A unit that a person stopped cleanly is left alone."""
    if tools.services.stopped_on_purpose(action.unit, action.timeout):
        return {"stopped_on_purpose": True}
    kept = before(action.id, action.subject, action.reason, action.incident, tools)
    tools.services.restart(action.unit, action.timeout)
    return kept


def place(action: PlaceArtifact, tools: Tools) -> Result:
    """A rollback takes away what failed."""
    if not action.evidence:
        return executors.place(action, tools)
    app = action.subject.removesuffix(SIDE)
    seen = described(action.container_id, 200, _EACH, tools) if action.container_id else {}
    kept = before(action.id, app, action.reason, action.incident, tools, more=seen)
    return executors.place(action, tools) | kept


def described(container_id: str, log_lines: int, timeout: float, tools: Tools) -> dict[str, Any]:
    """What the engine knows of one container, and its last log lines."""
    found: dict[str, Any] = {}
    _container(found, container_id, log_lines, timeout, tools)
    return found


def _container(record: dict[str, Any], container_id: str, log_lines: int, timeout: float, tools: Tools) -> None:
    pid: int | None = None
    try:
        container, inspect = tools.containers.inspect(container_id)
        record["inspect"], pid = redacted(inspect), container.pid
    except PortError as error:
        record["inspect_error"] = str(error)
    try:
        text = tools.containers.logs(container_id, log_lines, LOG_BYTES, timeout)
        record["logs"] = "".join(cleaned(text.decode("utf-8", "replace").splitlines(keepends=True)))
    except PortError as error:
        record["logs_error"] = str(error)
    if pid:
        _part(record, "usage", lambda: tools.host.usage(container_id, pid))


def cleaned(lines: Iterable[str]) -> Iterator[str]:
    """Lines of a log without secrets; a private key has many lines."""
    inside = False
    for line in lines:
        if inside or _KEY_BEGINS.search(line):
            inside = _KEY_ENDS.search(line) is None
            yield f"{HIDDEN}\n"
        else:
            yield without_secrets(line)


def _keep(record: dict[str, Any], name: str, incident: str, subject: str, tools: Tools) -> Result:
    # Last: by now the turn that asked for this is there to be read, too.
    _part(record, "moment", lambda: redacted(tools.readings.moment(subject)))
    if incident:
        record["incident"] = incident
    path, digest, size = tools.evidence.save(name, record, incident)
    return {"path": path, "digest": digest, "bytes": size}


def _part(record: dict[str, Any], name: str, get: Callable[[], Any]) -> None:
    try:
        record[name] = get()
    except PortError as error:
        record[f"{name}_error"] = str(error)
