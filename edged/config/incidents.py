"""The section ``incidents``: how bad an alert is for people, and how soon they want to hear of it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from ..vocabulary.incidents import Level
from .types import Duration, LongInterval, Name, Section


class ByLevel(Section, frozen=True, kw_only=True):
    """What a warning of an alert is, and what it is when critical. Nothing: as built in."""

    warning: Level | None = None
    critical: Level | None = None


class Respond(Section, frozen=True, kw_only=True):
    """Somebody, or edged itself, has begun to act."""

    p0: LongInterval = field(name="P0", default=15 * 60.0)
    p1: LongInterval = field(name="P1", default=3600.0)
    p2: LongInterval = field(name="P2", default=4 * 3600.0)
    p3: LongInterval = field(name="P3", default=24 * 3600.0)


class Resolve(Section, frozen=True, kw_only=True):
    """All alerts are clear."""

    p0: LongInterval = field(name="P0", default=2 * 3600.0)
    p1: LongInterval = field(name="P1", default=8 * 3600.0)
    p2: LongInterval = field(name="P2", default=24 * 3600.0)
    p3: LongInterval = field(name="P3", default=7 * 86400.0)


class Incidents(Section, frozen=True, kw_only=True):
    severity: dict[Name, Level | ByLevel] = field(default_factory=dict)
    """By alert; see ``BUILT_IN``."""
    essential: Annotated[int, Meta(ge=-1, le=1000)] = 10
    """Critical alerts of apps with this ``priority`` or a lower one count one level more."""
    respond: Respond = Respond()
    resolve: Resolve = Resolve()
    hold: Duration = 300.0
    """All alerts must have been clear for so long."""
    reopen: Duration = 900.0


class Rule(Struct, frozen=True):
    """The severity of an incident that has this alert."""

    warning: Level
    critical: Level
    why: str


BUILT_IN: dict[str, Rule] = {
    "EngineDown": Rule("P0", "P0", "no app can be helped while the engine is away"),
    "RecoveryExhausted": Rule("P0", "P0", "edged's own means are at their end: a person is needed"),
    "AppDown": Rule("P1", "P1", "the app does not serve"),
    "Unhealthy": Rule("P1", "P1", "the app does not serve"),
    "CrashLoop": Rule("P1", "P1", "restarts do not help it"),
    "DeploymentFailed": Rule("P0", "P0", "the app may have neither the old nor the new artifact"),
    "RestoreFailed": Rule("P1", "P1", "the app's data may be only a part of what they were"),
    "ReadOnlyFs": Rule("P1", "P1", "nothing can be written; a disk that fails begins like this"),
    "StorageFailing": Rule("P1", "P1", "reports and state may be lost"),
    "DependencyDown": Rule("P2", "P1", "the apps that need it cannot work"),
    "AuthFailures": Rule("P2", "P1", "somebody may be trying to get in"),
    "HighErrorRate": Rule("P2", "P1", "requests fail"),
    "NoInference": Rule("P2", "P1", "the app is up and does no work"),
    "BackupFailed": Rule("P3", "P1", "without a good backup the next loss of data is for good"),
    "HighMemory": Rule("P3", "P1", "it is about to be killed for want of memory"),
    "DiskFull": Rule("P2", "P1", "everything that writes stops when it is full"),
    "HostHot": Rule("P2", "P1", "the CPU is slowed down, then the host switches itself off"),
    "AppIsolated": Rule("P2", "P1", "a person cut it off: it is safe, and does not serve"),
    "OomKilled": Rule("P2", "P2", "it was killed for want of memory, and will be again"),
    "ModelQuality": Rule("P2", "P2", "its answers are worse than they should be"),
    "SmokeProbeFailed": Rule("P2", "P2", "it answers known inputs with something else"),
    "HighInferenceLatency": Rule("P3", "P2", "its answers come late"),
    "DataDrift": Rule("P3", "P2", "its inputs are not what its model was trained on"),
    "DataQuality": Rule("P3", "P2", "its inputs are damaged"),
    "MemoryLeak": Rule("P3", "P2", "it will run out of memory, in hours or days"),
    "LogErrors": Rule("P3", "P2", "its log tells of errors"),
    "HighCpu": Rule("P3", "P2", "it leaves nothing to others"),
    "CpuThrottled": Rule("P3", "P3", "it would be faster with a larger quota"),
    "ClockSkew": Rule("P3", "P2", "times in reports cannot be trusted"),
}
"""By alert, the worst first. An alert that is not named here: ``OTHER``."""
OTHER = Rule("P3", "P1", "an alert without a rule of its own")


def severity_rule(config: Incidents, name: str) -> Rule:
    """The rule in force for an alert."""
    built_in = BUILT_IN.get(name, OTHER)
    said = config.severity.get(name)
    if said is None:
        return built_in
    if isinstance(said, ByLevel):
        return Rule(said.warning or built_in.warning, said.critical or built_in.critical, "as configured")
    return Rule(said, said, "as configured")


def respond_within(config: Incidents, level: Level) -> float:
    """Seconds from the opening."""
    return {"P0": config.respond.p0, "P1": config.respond.p1, "P2": config.respond.p2, "P3": config.respond.p3}[level]


def resolve_within(config: Incidents, level: Level) -> float:
    """Seconds from the opening."""
    return {"P0": config.resolve.p0, "P1": config.resolve.p1, "P2": config.resolve.p2, "P3": config.resolve.p3}[level]
