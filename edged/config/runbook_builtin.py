"""The built-in runbook of every alert, and which one counts for an alert."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import msgspec
from msgspec import Struct

from .runbooks import About, Step, StepName, Steps, plain

MINUTE = 60.0
SEEN: Steps = (Step(do="capture", when=("critical",)), "notify")
"""What nobody can mend from here, but whose traces are worth keeping."""
BUILT_IN: dict[str, Steps] = {
    "AppDown": ("capture", "start"),
    "Unhealthy": ("capture", "restart"),
    "HighMemory": (Step(do="capture", when=("critical",)), Step(do="restart", when=("critical",))),
    "HighMemory/host": (
        Step(do="pause_lower_priority", when=("critical",), verify="cleared", timeout=10 * MINUTE),
    ),
    "CrashLoop": (
        Step(do="rollback_model", when=("model_deployed",)),
        Step(do="restore_config", when=("config_deployed", "not model_deployed")),
        "notify",
    ),
    "RecoveryExhausted": ("escalate",),
    "DeploymentFailed": ("escalate",),
    "BackupFailed": ("notify",),
    "RestoreFailed": ("escalate",),
    "AppIsolated": ("notify",),
    "OomKilled": ("notify",),
    "MemoryLeak": ("notify",),
    "HighCpu": ("notify",),
    "CpuThrottled": ("notify",),
    "HighInferenceLatency": SEEN,
    "HighErrorRate": SEEN,
    "NoInference": ("capture", "notify"),
    "ModelQuality": ("notify",),
    "DataDrift": (Step(do="rollback_model", when=("drift_after_deployment",)), "notify"),
    "DataQuality": ("notify",),
    "SmokeProbeFailed": ("capture", "notify"),
    "LogErrors": SEEN,
    "AuthFailures": ("capture", "notify"),
    "DiskFull": (
        Step(do="prune_disk", when=("critical",), verify="cleared", timeout=10 * MINUTE),
    ),
    "ReadOnlyFs": ("escalate",),
    "HostHot": ("notify",),
    "StorageFailing": ("escalate",),
    "ClockSkew": ("notify",),
    "DependencyDown": ("notify",),
    "EngineDown": ("restart_engine", "recover_all"),
    "CompleteFailure": ("recover_all",),
}  # fmt: skip
ABOUT: dict[str, tuple[About, ...]] = {
    "OomKilled": ("app", "host"),
    "HighMemory": ("app", "host"),
    "HighCpu": ("app", "host"),
    "DiskFull": ("path",),
    "ReadOnlyFs": ("path",),
    "HostHot": ("host",),
    "StorageFailing": ("host",),
    "ClockSkew": ("host",),
    "DependencyDown": ("dependency",),
    "EngineDown": ("engine",),
    "CompleteFailure": ("host",),
}
"""What an alert can be about. One that is not named here: apps."""
OCCASION = "CompleteFailure"
"""No alert: the host was started anew, or all apps are down at once. Its subject is the host."""
OTHER: Steps = ("notify",)
"""For an alert without a runbook of its own."""


class Runbook(Struct, frozen=True):
    """The one that counts for an alert."""

    name: str
    steps: tuple[Step, ...]
    built_in: bool

    @property
    def digest(self) -> str:
        return digest(self.steps)

    @property
    def does(self) -> tuple[StepName, ...]:
        return tuple(step.do for step in self.steps)


def runbook(replaced: Mapping[str, Steps], alert: str, subject: str = "") -> Runbook:
    """The runbook for this alert of this subject. One for just that subject comes first, then one in the file."""
    for name in (f"{alert}/{subject}", alert):
        for built_in, books in ((False, replaced), (True, BUILT_IN)):
            if name in books:
                return Runbook(name, _plain(books[name]), built_in)
    return Runbook(alert, _plain(OTHER), True)


def names(replaced: Mapping[str, Steps]) -> list[str]:
    """All runbooks, the built-in ones first."""
    return [*BUILT_IN, *(name for name in replaced if name not in BUILT_IN)]


def about(name: str) -> tuple[About, ...]:
    """What the alert of a runbook can be about; of one for a single subject, as far as its name tells."""
    alert, _, subject = name.partition("/")
    kinds = ABOUT.get(alert, ("app",))
    if subject == "host" and "host" in kinds:
        return ("host",)
    return tuple(kind for kind in kinds if kind != "host") or kinds


@lru_cache(maxsize=256)
def _plain(steps: Steps) -> tuple[Step, ...]:
    return tuple(plain(step) for step in steps)


@lru_cache(maxsize=256)
def digest(steps: tuple[Step, ...]) -> str:
    """What steps are told apart by, over restarts."""
    import hashlib

    return hashlib.sha256(msgspec.json.encode(steps)).hexdigest()[:16]
