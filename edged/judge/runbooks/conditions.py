"""The words of ``when``: does each of them hold now? Pure."""

from __future__ import annotations

from collections.abc import Callable

from ...config.runbooks import Step
from ...vocabulary.deployments import Kind
from ...vocabulary.state import AppState
from .. import needs
from ..memory import out_of_memory
from ..outcome import View
from ..run import runs
from .scene import Scene

RECENT = 3600.0
"""Seconds for which a deployment may be to blame."""


def unmet(step: Step, scene: Scene) -> str:
    """The first word of ``when`` that does not hold; empty: all of them do."""
    return next((word for word in step.when if not holds(word, scene)), "")


def holds(word: str, scene: Scene) -> bool:
    if word.startswith("not "):
        return not holds(word.removeprefix("not "), scene)
    return WORDS[word](scene)


def _critical(scene: Scene) -> bool:
    fires = scene.fires
    if fires is not None and fires.severity == "critical":
        return True
    return scene.alert == "HighMemory" and scene.app is not None and out_of_memory(scene.app)


def _of_app(test: Callable[[AppState, Scene], bool]) -> Callable[[Scene], bool]:
    return lambda scene: scene.app is not None and test(scene.app, scene)


def _deployed(kind: Kind) -> Callable[[AppState, Scene], bool]:
    """It was put in place lately and not gone back to, so that there is something older to go back to."""

    def test(app: AppState, scene: Scene) -> bool:
        placed = app.kept.placed.get(kind)
        if placed is None or placed.previous is None or not placed.previous.digest:
            return False
        return placed.since > 0.0 and scene.now < placed.since + RECENT

    return test


def _drifted(app: AppState, scene: Scene) -> bool:
    rules, inputs = app.config.drift, scene.state.inputs.get(app.name)
    if rules is None or inputs is None or not rules.rollback_within or not inputs.model_since:
        return False
    placed = app.kept.placed.get("model")
    gone_back = placed is not None and placed.since < 0.0
    return not gone_back and bool(scene.now <= inputs.model_since + rules.rollback_within)


def _fires(app: AppState, name: str) -> bool:
    alert = app.kept.alerts.get(name)
    return alert is not None and alert.severity is not None


def _host_memory(scene: Scene) -> bool:
    alert = scene.state.host.alerts.get("HighMemory")
    return alert is not None and alert.severity == "critical" and alert.calm_since is None


WORDS: dict[str, Callable[[Scene], bool]] = {
    "critical": _critical,
    "running": _of_app(lambda app, scene: runs(app)),
    "healthy": _of_app(lambda app, scene: app.condition == "healthy"),
    "needs_met": _of_app(lambda app, scene: not needs.failing(app, View(scene.state, scene.config, scene.now))),
    "engine_up": lambda scene: bool(scene.state.engine.up),
    "exhausted": _of_app(lambda app, scene: app.kept.recovery.open),
    "crash_looping": _of_app(lambda app, scene: _fires(app, "CrashLoop")),
    "model_deployed": _of_app(_deployed("model")),
    "config_deployed": _of_app(_deployed("config")),
    "drift_after_deployment": _of_app(_drifted),
    "host_memory_critical": _host_memory,
}
