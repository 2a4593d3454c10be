"""What a step comes to."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from ...vocabulary.actions import Action
from ...vocabulary.events import ActionStarted, Event
from ...vocabulary.runbooks import Run, StepResult
from ...vocabulary.state import AppState, State
from ..outcome import View
from .scene import Scene


class Move(Struct, frozen=True):
    """A step as far as the moment allows."""

    state: State
    run: Run
    verdict: Literal["open"] | StepResult = "open"
    why: str = ""
    until: float | None = None
    """Look again then at the latest."""
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    touched: tuple[str, ...] = ()


def stay(scene: Scene, run: Run, *, until: float | None = None) -> Move:
    """The step goes on; it is looked at again at ``until`` at the latest, on edged's clock."""
    return Move(scene.state, run, until=until)


def end(scene: Scene, run: Run, verdict: StepResult, why: str = "") -> Move:
    """The step is over, with this verdict."""
    return Move(scene.state, run, verdict, why)


def view(scene: Scene) -> View:
    return View(scene.state, scene.config, scene.now)


def put(state: State, app: AppState) -> State:
    return replace(state, apps={**state.apps, app.name: app})


def told(action: Action) -> ActionStarted:
    """The news that it begins."""
    return ActionStarted(
        subject=action.subject.partition("/artifacts")[0],
        action_id=action.id,
        action=type(action).__name__,
        reason=action.reason,
    )


def label(scene: Scene) -> str:
    """For whoever asks who wanted it."""
    return f"runbook {scene.book.name}"
