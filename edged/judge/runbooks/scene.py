"""What a runbook is about: an alert of a subject, in the midst of everything else that is known. Pure."""

from __future__ import annotations

from msgspec import Struct

from ...config import Config
from ...config.runbook_builtin import ABOUT, OCCASION, Runbook, runbook
from ...vocabulary.state import Alert, AppState, State


class Scene(Struct, frozen=True):
    """One alert of one subject, now."""

    state: State
    config: Config
    now: float
    alert: str
    subject: str
    app: AppState | None = None
    """The app that it is about; ``None``: it is about none."""

    @property
    def key(self) -> str:
        return key(self.alert, self.subject)

    @property
    def book(self) -> Runbook:
        return runbook(self.config.runbooks, self.alert, self.subject)

    @property
    def gone(self) -> bool:
        """It was about an app that is not watched any more."""
        kinds = ABOUT.get(self.alert, ("app",))
        return self.app is None and "app" in kinds and not ("host" in kinds and self.subject == "host")

    @property
    def fires(self) -> Alert | None:
        """The alert while it fires."""
        if self.occasion:
            return Alert(severity="critical", summary="all apps were down at once")
        found = self._alerts().get(self._name())
        return found if found is not None and found.severity is not None else None

    @property
    def occasion(self) -> bool:
        """It is about no alert, and lasts as long as its steps."""
        return self.alert == OCCASION

    @property
    def calm(self) -> bool:
        """Its cause is gone, or less than it was; the alert only waits to be sure."""
        fires = self.fires
        return fires is None or fires.calm_since is not None

    def _name(self) -> str:
        about_path = self.app is None and "path" in ABOUT.get(self.alert, ())
        return f"{self.alert}/{self.subject}" if about_path else self.alert

    def _alerts(self) -> dict[str, Alert]:
        if self.app is not None:
            return self.app.kept.alerts
        kinds = ABOUT.get(self.alert, ("app",))
        if "dependency" in kinds:
            dependency = self.state.dependencies.get(self.subject)
            return dependency.alerts if dependency is not None else {}
        if "engine" in kinds:
            return self.state.engine.alerts
        return self.state.host.alerts if "app" not in kinds or self.subject == "host" else {}


def blind(state: State) -> bool:
    """What runs is not known yet: the engine was not asked, or has not listed its containers."""
    return state.engine.up is None or bool(state.engine.up and not state.engine.listed)


def key(alert: str, subject: str) -> str:
    return f"{alert}/{subject}"


def scene(state: State, config: Config, now: float, alert: str, subject: str, app: AppState | None = None) -> Scene:
    """``app``: as it is being settled just now, when the state does not have it yet."""
    kinds = ABOUT.get(alert, ("app",))
    about_app = "app" in kinds and not ("host" in kinds and subject == "host")
    return Scene(state, config, now, alert, subject, (app or state.apps.get(subject)) if about_app else None)
