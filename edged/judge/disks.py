"""File systems of the host, each by its path: DiskFull, ReadOnlyFs."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from ..config import Config
from ..vocabulary.events import Event
from ..vocabulary.facts import CheckFailed, DiskSampled
from ..vocabulary.state import Alert, HostState, State
from ..vocabulary.world import Disk
from .alerting import Reading, cleared
from .host import Found, read
from .outcome import Judgement
from .probes import broken_host, mend_host
from .resources import level
from .vanished import NOT_WATCHED

DISK_FOR = 30.0
BROKEN = "disk/"
"""Before the path, in ``HostState.broken``."""


def sampled(state: State, fact: DiskSampled, config: Config, now: float) -> Judgement:
    """One look at one file system."""
    path = fact.disk.path
    if path not in config.host.disk.paths:
        return Judgement(state)
    mended = mend_host(state, BROKEN + path, check="disk", subject=path)
    host = mended.state.host
    alerts, told = read(host.alerts, _readings(host, fact.disk, config), config, now)
    host = replace(host, disks={**host.disks, path: fact.disk}, alerts=alerts)
    return Judgement(replace(mended.state, host=host), events=(*mended.events, *told))


def failed(state: State, fact: CheckFailed, config: Config) -> Judgement:
    """Neither full nor well: what fires goes on, and old figures are not shown as if they were new."""
    path = fact.subject
    if path not in config.host.disk.paths:
        return Judgement(state)
    if path in state.host.disks:
        rest = {known: disk for known, disk in state.host.disks.items() if known != path}
        state = replace(state, host=replace(state.host, disks=rest))
    return broken_host(state, fact, path, key=BROKEN + path)


def unwatched(host: HostState, config: Config, now: float) -> tuple[HostState, tuple[Event, ...]]:
    """Paths that are not watched any more take their figures and their alerts with them."""
    watched = config.host.disk.paths
    gone = {key: a for key, a in host.alerts.items() if "/" in key and key.partition("/")[2] not in watched}
    lame = {key for key in host.broken if key.startswith(BROKEN) and key.removeprefix(BROKEN) not in watched}
    if not gone and not lame and host.disks.keys() <= set(watched):
        return host, ()
    events = []
    for key, alert in gone.items():
        name, _, path = key.partition("/")
        if alert.severity is not None:
            events.append(cleared(name, path, alert, f"{path} {NOT_WATCHED}", now))
    return (
        replace(
            host,
            disks={path: disk for path, disk in host.disks.items() if path in watched},
            alerts={key: a for key, a in host.alerts.items() if key not in gone},
            broken={key: error for key, error in host.broken.items() if key not in lame},
        ),
        tuple(events),
    )


def _readings(host: HostState, disk: Disk, config: Config) -> Iterator[Found]:
    yield "DiskFull", disk.path, _full(disk, config, host.alerts.get(f"DiskFull/{disk.path}"))
    yield "ReadOnlyFs", disk.path, _read_only(disk)


def _full(disk: Disk, config: Config, alert: Alert | None) -> Reading:
    """Bytes or inodes, whichever is nearer to its end."""
    rules = config.host.disk
    inodes = disk.inodes_used_share > disk.used_share
    used = disk.inodes_used_share if inodes else disk.used_share
    reading = level(used, rules.warn, rules.critical, alert)
    if alert is None and reading.level is None:
        return reading
    left = f"{disk.inodes_free} inodes" if inodes else f"{disk.free / 2**20:.0f} MiB"
    return replace(
        reading,
        raise_for=DISK_FOR,
        clear_for=DISK_FOR,
        summary=f"{disk.path} is {used:.0%} full; {left} are left",
        advice="docker system df shows what images and logs take; remove what is not needed",
    )


def _read_only(disk: Disk) -> Reading:
    return Reading(
        level="critical" if disk.read_only else None,
        summary=f"{disk.path} is mounted read-only" if disk.read_only else f"{disk.path} can be written",
        advice="file systems turn read-only after I/O errors: see dmesg, check the medium",
    )
