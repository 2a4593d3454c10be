"""What is to be observed, as data. ``plan`` derives it from configuration and state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from ..config import Config, Drift, Logs, Metrics
from ..config.logs import asked
from ..vocabulary.actions import Where
from ..vocabulary.inputs import Inputs
from ..vocabulary.logs import LogBook
from ..vocabulary.state import AppState


class Job(Struct, frozen=True, kw_only=True):
    """One check that is carried out again and again."""

    check: str
    subject: str
    every: float
    """Seconds from start to start."""
    deadline: float
    """Seconds after which it is reported as failed; its own calls have shorter time-outs."""

    @property
    def key(self) -> tuple[str, str]:
        return self.check, self.subject


class ResourcesJob(Job, frozen=True, kw_only=True):
    containers: tuple[tuple[str, int | None], ...]
    """(container id, main pid) of all running containers."""


class HostJob(Job, frozen=True, kw_only=True):
    """Memory, CPU and sensors."""


class DiskJob(Job, frozen=True, kw_only=True):
    """One file system; the subject is its path."""

    timeout: float


class ProbeJob(Job, frozen=True, kw_only=True):
    kind: str
    """``app`` or ``dependency``."""
    timeout: float
    http: str = ""
    tcp: str = ""
    dns: str = ""
    ca_file: str = ""


class MetricsJob(Job, frozen=True, kw_only=True):
    rules: Metrics


class InputsJob(Job, frozen=True, kw_only=True):
    rules: Drift
    model: str
    """Digest of the model in place; empty: edged has deployed none."""
    generation: int
    """How often edged was asked to learn this model's reference anew."""
    resume: str
    """Where reading begins, the first time."""
    quiet: bool
    """All is well, so that what is read now may be learned from."""


class SmokeJob(Job, frozen=True, kw_only=True):
    where: Where
    digest: str
    url: str
    timeout: float


class LogTarget(Struct, frozen=True, kw_only=True):
    app: str
    rules: Logs
    container: str = ""
    """Its id; empty: none runs."""
    started: float = 0.0
    """Unix time of its start, by the engine's clock; 0: not known."""
    resume: str = ""
    """Where reading begins, the first time."""


class LogsJob(Job, frozen=True, kw_only=True):
    apps: tuple[LogTarget, ...]


LOGS_EVERY = 1.0
LOGS_DEADLINE = 30.0
"""Seconds: some streams may have to be opened."""
INPUTS_DEADLINE = 30.0
SMOKE_SLACK = 5.0
"""Seconds for reading the inputs."""
EMPTY: Mapping[str, Inputs] = {}
UNREAD: Mapping[str, LogBook] = {}
DISK_TIMEOUT = 5.0
HURRY = 0.25
"""Seconds between probes of an app that starts. They count for nothing until one is good or its time is over."""
SLACK = 1.0
"""Seconds that a check may take beyond its own time-out before it counts as hung."""


def hurried(app: AppState) -> bool:
    """It has just started and has not answered yet: the sooner that it does is known, the better."""
    probe = app.probe
    return app.condition == "starting" and probe.verdict == "unknown" and not probe.good and not probe.bad


def quiet(app: AppState) -> bool:
    """What it is given now may be learned from."""
    quality = app.kept.alerts.get("DataQuality")
    sound = quality is None or quality.severity is None
    return app.condition == "healthy" and app.kept.deployment is None and sound


def model_of(app: AppState) -> str:
    """Digest of the model in place."""
    placed = app.kept.placed.get("model")
    return placed.current.digest if placed is not None else ""


def plan(
    config: Config, apps: Iterable[AppState], inputs: Mapping[str, Inputs] = EMPTY, logs: Mapping[str, LogBook] = UNREAD
) -> dict[tuple[str, str], Job]:
    """All jobs that should be running now, by key."""
    jobs: list[Job] = [
        HostJob(check="host", subject="host", every=config.host.every, deadline=10.0),
        *(_disk(path, config.host.every) for path in config.host.disk.paths),
    ]
    running: list[tuple[str, int | None]] = []
    targets: list[LogTarget] = []
    for app in apps:
        container = app.container
        targets.extend(_log(app, logs))
        if app.config.drift is not None and _may_have_rows(app):
            jobs.append(_inputs(app, inputs.get(app.name, Inputs())))
        if container is None or container.status != "running":
            continue
        running.append((container.id, container.pid))
        metrics = app.config.metrics
        if metrics is not None:
            jobs.append(
                MetricsJob(
                    check="metrics",
                    subject=app.name,
                    every=metrics.every,
                    deadline=metrics.timeout + SLACK,
                    rules=metrics,
                )
            )
        jobs.extend(_smoke(app))
        health = app.config.health
        if health.http or health.tcp:
            jobs.append(
                ProbeJob(
                    check="probe",
                    subject=app.name,
                    kind="app",
                    every=min(health.every, HURRY) if hurried(app) else health.every,
                    timeout=health.timeout,
                    deadline=health.timeout + SLACK,
                    http=health.http,
                    tcp=health.tcp,
                    ca_file=health.ca_file,
                )
            )
    if running:
        jobs.append(
            ResourcesJob(
                check="resources", subject="host", every=config.sampling.every, deadline=15.0, containers=tuple(running)
            )
        )
    if targets:
        jobs.append(
            LogsJob(check="logs", subject="host", every=LOGS_EVERY, deadline=LOGS_DEADLINE, apps=tuple(targets))
        )
    for name, dependency in config.dependencies.items():
        jobs.append(
            ProbeJob(
                check="dependency",
                subject=name,
                kind="dependency",
                every=dependency.every,
                timeout=dependency.timeout,
                deadline=dependency.timeout + SLACK,
                http=dependency.http,
                tcp=dependency.tcp,
                dns=dependency.dns,
            )
        )
    return {job.key: job for job in jobs}


def _disk(path: str, every: float) -> DiskJob:
    return DiskJob(check="disk", subject=path, every=every, timeout=DISK_TIMEOUT, deadline=DISK_TIMEOUT + SLACK)


def tried(app: AppState) -> str:
    """Digest of the model whose smoke inputs the app is asked; empty: it is not asked now. The inputs are those of the
    model in place, so a deployment is left alone; and so is an app that is not well."""
    model, busy = app.config.model, app.kept.deployment is not None or bool(app.kept.tidying)
    if model is None or model.probe is None or not model.smoke or busy or app.condition != "healthy":
        return ""
    return model_of(app)


def _smoke(app: AppState) -> tuple[SmokeJob, ...]:
    model, digest = app.config.model, tried(app)
    if not digest:
        return ()
    job = SmokeJob(
        check="smoke",
        subject=app.name,
        every=model.probe.every,
        deadline=model.probe.timeout + SMOKE_SLACK,
        where=Where("model", model.path, model.delivery, model.keep),
        digest=digest,
        url=model.smoke,
        timeout=model.probe.timeout,
    )
    return (job,)


def _log(app: AppState, logs: Mapping[str, LogBook]) -> tuple[LogTarget, ...]:
    rules = asked(app.config.logs, app.discovered)
    if rules is None:
        return ()
    resume = logs[app.name].position if app.name in logs else ""
    container = app.container
    if container is None or container.status not in ("running", "paused"):
        return (LogTarget(app=app.name, rules=rules, resume=resume),)
    return (
        LogTarget(
            app=app.name, rules=rules, container=container.id, started=container.started_at or 0.0, resume=resume
        ),
    )


def _may_have_rows(app: AppState) -> bool:
    """An endpoint of the app itself needs the app to run. As long as nobody has looked how it is, rows wait."""
    if app.condition == "unknown":
        return False
    running = app.container is not None and app.container.status == "running"
    return running or not app.config.drift.source.http


def _inputs(app: AppState, known: Inputs) -> InputsJob:
    model = model_of(app)
    return InputsJob(
        check="inputs",
        subject=app.name,
        every=app.config.drift.every,
        deadline=INPUTS_DEADLINE,
        rules=app.config.drift,
        model=model,
        generation=known.generations.get(model, 0),
        resume=known.position,
        quiet=quiet(app),
    )
