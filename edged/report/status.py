"""The state as JSON for people and programs: ``edged status``, ``/status.json``, retained MQTT topics. Pure."""

from __future__ import annotations

from typing import Any

from .. import __version__
from ..audit import NO_HEAD, Head
from ..vocabulary.deployments import Placed
from ..vocabulary.state import AppState, DependencyState, HostState
from . import backups, drift, drills, incidents, inference, logs, runbooks
from .payloads import rfc3339
from .snapshot import Snapshot, alerts


def status(shot: Snapshot, report: dict[str, Any], audit: Head = NO_HEAD) -> dict[str, Any]:
    """Everything that ``edged status`` shows. ``report``: what the outbox says of itself."""
    state = shot.state
    return {
        "device": shot.config.device.id,
        "labels": shot.config.device.labels,
        "version": __version__,
        "boot": state.boot,
        "since": rfc3339(shot.unix(state.started_at)),
        "time": rfc3339(shot.wall),
        "state": "stopping" if state.stopping else "online",
        "previous_end": state.previous_end,
        "config": {
            "digest": state.config.digest,
            "path": state.config.path,
            "instead_of": state.config.instead_of,
            "trial": trial(shot),
            "loaded": rfc3339(shot.unix(state.config.loaded_at)),
            "errors": list(state.config.errors),
            "reloads": state.config.reloads,
            "refused": state.config.refused,
        },
        "engine": {
            "up": state.engine.up,
            "since": rfc3339(shot.unix(state.engine.since)),
            "version": state.engine.version,
            "error": state.engine.error,
            "stopped_on_purpose": state.engine.on_purpose,
        },
        "broker": {"configured": shot.config.mqtt is not None, "connected": state.broker, "detail": state.broker_detail}
        | report,
        "storage_error": state.storage_error,
        "audit": {"head": str(audit), "records": audit.number},
        "host": host(state.host),
        "apps": {name: app(shot, a) for name, a in sorted(state.apps.items())},
        "dependencies": {name: dependency(d) for name, d in sorted(state.dependencies.items())},
        "alerts": [alert(shot, name, subject, a) for name, subject, a in alerts(state)],
        "incidents": incidents.cards(shot),
        "runbooks": [
            {"since": rfc3339(shot.unix(run.began))} | runbooks.under_way(run, shot.config)
            for run in state.runs.values()
            if not run.over
        ],
    }


def trial(shot: Snapshot) -> dict[str, Any] | None:
    """Of edged's own configuration."""
    seen = shot.state.config.trial
    if seen is None or seen.type == "edged.reload":
        return None
    return {
        "phase": seen.phase,
        "digest": seen.digest,
        "before": seen.before,
        "by": seen.origin,
        "until": rfc3339(shot.unix(seen.until)) if seen.until else None,
    }


def host(seen: HostState) -> dict[str, Any]:
    sample = seen.sample
    apart = {
        "disks": {
            d.path: {
                "used_ratio": round(d.used_share, 4),
                "free_bytes": d.free,
                "inodes_used_ratio": round(d.inodes_used_share, 4),
                "read_only": d.read_only,
            }
            for d in seen.disks.values()
        },
        "broken": seen.broken,
    }
    if sample is None:
        return apart
    return {
        "memory_used_ratio": round(sample.memory_used_share, 4),
        "memory_total_bytes": sample.memory_total,
        "swap_used_bytes": sample.swap_used,
        "cpu_busy_ratio": None if sample.cpu_busy is None else round(sample.cpu_busy, 4),
        "cpu_count": sample.cpu_count,
        "load": [round(x, 2) for x in sample.load],
        "pressure": sample.pressure,
        "temperature_celsius": sample.temperature,
        "throttled": sample.throttled,
        "clock_synced": sample.clock_synced,
        "uptime_seconds": round(sample.uptime),
    } | apart


def app(shot: Snapshot, a: AppState) -> dict[str, Any]:
    """One app for ``status``: the retained topic's content plus what changes all the time."""
    usage, recovery = a.usage, a.kept.recovery
    return app_state(shot, a) | {
        "memory_bytes": usage.memory if usage else None,
        "memory_limit_bytes": usage.memory_limit if usage else None,
        "cpu_ratio": None if a.cpu.share is None else round(a.cpu.share, 4),
        "throttled_ratio": None if a.cpu.throttled is None else round(a.cpu.throttled, 4),
        "probe_seconds": round(a.probe.seconds, 4) if a.probe.last_at is not None else None,
        "probe_detail": a.probe.detail,
        "recovery": {
            "phase": recovery.phase,
            "ailment": recovery.ailment,
            "held": recovery.held,
            "attempts": recovery.attempts,
            "budget_used": len([t for t in recovery.charged if shot.now - t < a.config.restart.per]),
            "budget": a.config.restart.budget,
            "circuit": "open" if recovery.open else "closed",
            "next_in_seconds": round(max(0.0, recovery.next_at - shot.now), 1) if recovery.ailment else None,
        },
        "broken": a.broken,
        "drill": drills.under_way(a),
        "drills": drills.last(shot, a),
        "inference": inference.picture(shot, a),
        "logs": logs.picture(shot, a),
        "data": backups.picture(shot, a),
    }


def app_state(shot: Snapshot, a: AppState) -> dict[str, Any]:
    """What changes only when something happens: the retained topic ``app/<app>``."""
    c, kept = a.container, a.kept
    return {
        "app": a.name,
        "state": a.condition,
        "reason": a.reason,
        # What it is at the start has no other time than that.
        "since": rfc3339(shot.unix(max(a.condition_since, shot.state.started_at))),
        "container": None if c is None else {"id": c.id[:12], "name": c.name, "image": c.image, "status": c.status},
        "stopped_by": kept.stopped.by if kept.stopped else None,
        "maintenance": None
        if kept.maintenance is None
        else {
            "owner": kept.maintenance.owner,
            "why": kept.maintenance.why,
            "until": rfc3339(shot.unix(kept.maintenance.until)),
        },
        "isolated": None
        if kept.isolation is None
        else {
            "by": kept.isolation.by,
            "since": rfc3339(shot.unix(kept.isolation.since)),
            "cut": kept.isolation.told,
            "networks": [endpoint.network for endpoint in kept.isolation.networks],
            "problem": kept.isolation.problem,
        },
        "placed": {kind: _placed(placed) for kind, placed in kept.placed.items()},
        "deployment": None
        if kept.deployment is None
        else {
            "id": kept.deployment.request.id,
            "kind": kept.deployment.request.kind,
            "phase": kept.deployment.phase,
            "version": kept.deployment.new.version,
            "digest": kept.deployment.new.digest,
            "reason": kept.deployment.reason,
        },
        "deployment_waiting": kept.waiting.id if kept.waiting is not None else None,
        "drift": drift.summary(shot, a.name),
        "observed_only": not a.config.restart.enabled,
        "problems": list(a.problems),
    }


def _placed(placed: Placed) -> dict[str, Any]:
    current, previous = placed.current, placed.previous
    return {
        "digest": current.digest,
        "name": current.name,
        "version": current.version,
        "previous": previous.digest if previous is not None else None,
        "quarantined": list(placed.quarantined),
    }


def dependency(d: DependencyState) -> dict[str, Any]:
    return {
        "ok": {"good": True, "bad": False}.get(d.streak.verdict),
        "detail": d.streak.detail,
        "seconds": round(d.streak.seconds, 4),
        "broken": d.broken,
    }


def alert(shot: Snapshot, name: str, subject: str, a: Any) -> dict[str, Any]:
    """One firing alert; also the content of the retained topic ``alert/<name>/<subject>``."""
    return {
        "name": name,
        "subject": subject,
        "severity": a.severity,
        "since": rfc3339(shot.unix(a.since)),
        "summary": a.summary,
        "advice": a.advice,
        "value": a.value,
        "threshold": a.threshold,
        "flapping": a.flapping,
        "acknowledged": None
        if a.acknowledged is None
        else {"by": a.acknowledged.by, "at": rfc3339(shot.unix(a.acknowledged.at)), "note": a.acknowledged.note},
    }


def metrics_sample(shot: Snapshot, audit: Head = NO_HEAD) -> dict[str, Any]:
    """The compact sample for MQTT. Bytes as MiB with one digit: it is sent every minute for years. An app
    without ``s`` is healthy.

    ``audit``: a console that keeps these can prove later that no record was changed or taken away.
    """
    seen = shot.state.host.sample
    sample: dict[str, Any] = {"t": rfc3339(shot.wall), "audit": audit.short}
    if seen is not None:
        sample["host"] = {
            "mem": round(seen.memory_used_share, 3),
            "cpu": None if seen.cpu_busy is None else round(seen.cpu_busy, 3),
            "disk": {d.path: round(d.used_share, 3) for d in shot.state.host.disks.values()},
        }
        if seen.temperature is not None:
            sample["host"]["temp"] = round(seen.temperature, 1)
    sample["alerts"] = len(alerts(shot.state))
    sample["apps"] = {
        a.name: {
            "mem": round(a.usage.memory / 2**20, 1) if a.usage else None,
            "cpu": None if a.cpu.share is None else round(a.cpu.share, 3),
        }
        | ({} if a.condition == "healthy" else {"s": a.condition})
        | inference.sample(a)
        for a in shot.state.apps.values()
    }
    return sample
