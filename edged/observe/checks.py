"""The checks. Each looks once and says what it saw; none decides anything."""

from __future__ import annotations

from msgspec import Struct

from ..ports import ArtifactError, Artifacts, Clock, Containers, Host, NotFound, PortError, Prober
from ..vocabulary.facts import (
    CheckFailed,
    DiskSampled,
    Fact,
    HostSampled,
    ProbeFinished,
    ResourcesSampled,
    SmokeProbed,
    TrafficSampled,
)
from ..vocabulary.world import Usage
from .exposition import Page
from .input_rows import InputReaders
from .jobs import DiskJob, HostJob, InputsJob, LogsJob, MetricsJob, ProbeJob, ResourcesJob, SmokeJob
from .log_readers import LogReaders


class World(Struct, frozen=True):
    """What the checks look at."""

    clock: Clock
    host: Host
    prober: Prober
    containers: Containers
    input_readers: InputReaders
    log_readers: LogReaders
    artifacts: Artifacts


STATS_LIMIT = 3
"""One-shot stats cost the engine 1–2 s each: no more of them in one pass."""


def resources(job: ResourcesJob, world: World) -> tuple[Fact, ...]:
    """Memory and CPU of every running container, from cgroup files; from the engine where those are not readable."""
    usages: list[Usage] = []
    unreadable: list[tuple[str, PortError]] = []
    for container_id, pid in job.containers:
        try:
            usages.append(world.host.usage(container_id, pid))
        except NotFound:
            continue
        except PortError as error:
            unreadable.append((container_id, error))
    facts: list[Fact] = []
    for container_id, _ in unreadable[:STATS_LIMIT]:
        try:
            usages.append(world.containers.usage(container_id))
        except NotFound:
            continue
        except PortError as error:
            unreadable.append((container_id, error))
    if unreadable and not usages:
        facts.append(CheckFailed(at=world.clock.now(), check="resources", subject="host", error=str(unreadable[-1][1])))
    if usages:
        facts.append(ResourcesSampled(at=world.clock.now(), usages=tuple(usages)))
    return tuple(facts)


def host(job: HostJob, world: World) -> tuple[Fact, ...]:
    """Memory, CPU, temperature, clock of this host."""
    sample = world.host.sample()
    return (HostSampled(at=world.clock.now(), host=sample),)


def disk(job: DiskJob, world: World) -> tuple[Fact, ...]:
    """How full one file system is. Each has a check of its own: one that hangs hides no other."""
    seen = world.host.disk(job.subject, job.timeout)
    return (DiskSampled(at=world.clock.now(), disk=seen),)


def probe(job: ProbeJob, world: World) -> tuple[Fact, ...]:
    """Asks an app or a dependency whether it is well."""
    started = world.clock.now()
    if job.http:
        answer = world.prober.http(job.http, job.timeout, job.ca_file)
    elif job.tcp:
        answer = world.prober.tcp(job.tcp, job.timeout)
    else:
        answer = world.prober.dns(job.dns, job.timeout)
    return (
        ProbeFinished(
            at=world.clock.now(),
            kind="app" if job.kind == "app" else "dependency",
            subject=job.subject,
            ok=answer.ok,
            seconds=round(answer.seconds, 6),
            detail=answer.detail,
            started=started,
        ),
    )


PAGE = 8 * 2**20
"""Bytes of metrics that are read from an app. No more than a piece of them is held at a time."""


def metrics(job: MetricsJob, world: World) -> tuple[Fact, ...]:
    """What an app tells of its own inference."""
    at = world.clock.now()
    page = Page(job.rules)
    status, _ = world.prober.call("GET", job.rules.url, job.rules.timeout, most=PAGE, take=page.feed)
    if status != 200:
        raise PortError(f"{job.rules.url}: HTTP {status}")
    traffic, scrape = page.close(at)
    return (TrafficSampled(at=at, app=job.subject, traffic=traffic, scrape=scrape),)


def inputs(job: InputsJob, world: World) -> tuple[Fact, ...]:
    """What an app was given since this was last asked."""
    return world.input_readers.take(job)


def logs(job: LogsJob, world: World) -> tuple[Fact, ...]:
    """What the apps have written."""
    return world.log_readers.take(job)


def smoke(job: SmokeJob, world: World) -> tuple[Fact, ...]:
    """Whether an app answers its bundle's own inputs as its model does, and how long that takes."""
    started = world.clock.now()
    try:
        found = world.artifacts.smoke(job.subject, job.where, job.digest, job.url, job.timeout)
        ok, seconds, samples, detail = True, float(found["seconds"]), int(found["samples"]), ""
    except ArtifactError as error:
        if error.code != "smoke":
            raise
        ok, seconds, samples, detail = False, 0.0, 0, str(error)
    return (
        SmokeProbed(
            at=world.clock.now(),
            app=job.subject,
            digest=job.digest,
            ok=ok,
            seconds=seconds,
            samples=samples,
            detail=detail,
            started=started,
        ),
    )
