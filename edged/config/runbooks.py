"""The section ``runbooks``: what is done about an alert, step by step."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from .types import LongInterval, Section

StepName = Literal[
    "capture",
    "restart",
    "start",
    "stop",
    "pause_lower_priority",
    "prune_disk",
    "restart_engine",
    "recover_all",
    "rollback_model",
    "restore_config",
    "restore_data",
    "isolate",
    "wait_healthy",
    "smoke_test",
    "notify",
    "escalate",
]
Word = Literal[
    "critical",
    "running",
    "healthy",
    "needs_met",
    "engine_up",
    "exhausted",
    "crash_looping",
    "model_deployed",
    "config_deployed",
    "drift_after_deployment",
    "host_memory_critical",
    "not critical",
    "not running",
    "not healthy",
    "not needs_met",
    "not engine_up",
    "not exhausted",
    "not crash_looping",
    "not model_deployed",
    "not config_deployed",
    "not drift_after_deployment",
    "not host_memory_critical",
]
Verify = Literal["done", "healthy", "stopped", "engine_up", "cleared"]
RunbookName = Annotated[str, Meta(title="runbook name", pattern=r"^[A-Za-z]+(/\S+)?$", max_length=256)]


class Step(Section, frozen=True, kw_only=True):
    """One step. What is not given is as usual for it, see ``KINDS``."""

    do: StepName
    timeout: LongInterval | None = None
    when: tuple[Word, ...] = ()
    verify: Verify | None = None
    say: Annotated[str, Meta(max_length=500)] = ""


Steps = tuple[StepName | Step, ...]
About = Literal["app", "dependency", "host", "path", "engine"]
ANYTHING: tuple[About, ...] = ("app", "dependency", "host", "path", "engine")


class Kind(Section, frozen=True):
    """What is true of every step of one name."""

    does: str
    timeout: float = 0.0
    """Seconds, unless the step says more; 0: it takes none."""
    verify: tuple[Verify, ...] = ("done",)
    """What can be looked for afterwards; the first is what is looked for if nothing is said."""
    about: tuple[About, ...] = ("app",)
    """Alerts about these can have it."""
    acts: bool = True
    """It changes something, so it keeps to maintenance, isolation, budget and guard."""


MINUTE, HOUR = 60.0, 3600.0
KINDS: dict[StepName, Kind] = {
    "capture": Kind(does="keep the evidence that the next steps would destroy", timeout=10.0),
    "restart": Kind(
        does="restart the app (start it, when it is down), within its budget; evidence first",
        timeout=10 * MINUTE, verify=("healthy", "done", "cleared"),
    ),
    "start": Kind(
        does="start the app, within its budget; evidence first",
        timeout=10 * MINUTE, verify=("healthy", "done", "cleared"),
    ),
    "stop": Kind(
        does="stop the app; it stays stopped until a person starts it",
        timeout=2 * MINUTE, verify=("stopped", "done"),
    ),
    "pause_lower_priority": Kind(
        does="pause the app with the highest priority number, never one of the most important ones",
        timeout=5 * MINUTE, verify=("done", "cleared"), about=ANYTHING,
    ),
    "prune_disk": Kind(
        does="remove stopped containers that belong to no app, dangling images, old backups and evidence, rotated logs",
        timeout=5 * MINUTE, verify=("done", "cleared"), about=ANYTHING,
    ),
    "restart_engine": Kind(
        does="restart the container engine through systemd, unless a person stopped it",
        timeout=10 * MINUTE, verify=("engine_up",), about=("engine",),
    ),
    "recover_all": Kind(
        does="bring all apps up in the order of what they need, essential ones first; see each healthy, and try its "
        "model, before the rest",
        timeout=15 * MINUTE, about=ANYTHING,
    ),
    "rollback_model": Kind(
        does="go back to the model before", timeout=HOUR, verify=("healthy", "done", "cleared")
    ),
    "restore_config": Kind(
        does="go back to the app's configuration before", timeout=HOUR, verify=("healthy", "done", "cleared")
    ),
    "restore_data": Kind(
        does="stop the app, put its latest verified backup in place, start it; what was there is kept aside",
        timeout=30 * MINUTE, verify=("healthy", "done", "cleared"),
    ),
    "isolate": Kind(does="cut the app off from its networks while it runs on; a person ends that", timeout=MINUTE),
    "wait_healthy": Kind(does="give it time to recover by itself", timeout=MINUTE, verify=("healthy",), acts=False),
    "smoke_test": Kind(
        does="ask the app its model's smoke inputs; all apps, when the alert is about none",
        timeout=2 * MINUTE, about=ANYTHING, acts=False,
    ),
    "notify": Kind(does="tell what the alert advises", about=ANYTHING, acts=False),
    "escalate": Kind(does="call a person", about=ANYTHING, acts=False),
}  # fmt: skip
WORDS: dict[str, str] = {
    "critical": "the alert is critical",
    "running": "the app's container runs",
    "healthy": "the app is healthy",
    "needs_met": "everything that the app needs is well",
    "engine_up": "the container engine answers",
    "exhausted": "the app's restart budget is spent",
    "crash_looping": "CrashLoop of the app fires",
    "model_deployed": "its model came by a deployment within the last hour, and there is one before",
    "config_deployed": "its configuration came by a deployment within the last hour, and there is one before",
    "drift_after_deployment": "its inputs drift since its model was deployed, less than drift.rollback_within ago",
    "host_memory_critical": "the host's memory is critical",
}


def plain(step: StepName | Step) -> Step:
    """The step in its long form."""
    return step if isinstance(step, Step) else Step(do=step)


def timeout_of(step: Step) -> float:
    """Seconds."""
    return KINDS[step.do].timeout if step.timeout is None else step.timeout


def verify_of(step: Step) -> Verify:
    return step.verify or KINDS[step.do].verify[0]
