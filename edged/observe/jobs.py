"""What is to be observed, as data. ``plan`` derives it from configuration and state."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from ..config import Config, Metrics
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


DISK_TIMEOUT = 5.0
HURRY = 0.25
"""Seconds between probes of an app that starts. They count for nothing until one is good or its time is over."""
SLACK = 1.0
"""Seconds that a check may take beyond its own time-out before it counts as hung."""


def hurried(app: AppState) -> bool:
    """It has just started and has not answered yet: the sooner that it does is known, the better."""
    probe = app.probe
    return app.condition == "starting" and probe.verdict == "unknown" and not probe.good and not probe.bad


def plan(config: Config, apps: Iterable[AppState]) -> dict[tuple[str, str], Job]:
    """All jobs that should be running now, by key."""
    jobs: list[Job] = [
        HostJob(check="host", subject="host", every=config.host.every, deadline=10.0),
        *(_disk(path, config.host.every) for path in config.host.disk.paths),
    ]
    running: list[tuple[str, int | None]] = []
    for app in apps:
        container = app.container
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
