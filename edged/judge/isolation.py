"""An app cut off from its networks while it runs on: its memory stays as it is, and nobody reaches it, nor it anybody.

capturing → looking → cutting → cut, and back by joining. What it was connected to is on disk before the first cut. The
wish outlives everything but its undoing: whatever brings the container back to a network (a restart, being made anew, a
person) is seen, and it is cut off again.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from ..vocabulary.actions import Action, FindNetworks, Isolate, Rejoin
from ..vocabulary.deployments import TOUCHING
from ..vocabulary.events import ActionEnded, Event, IsolationChanged
from ..vocabulary.facts import ActionFinished
from ..vocabulary.isolation import Endpoint, Isolation
from ..vocabulary.state import AppState
from . import drilled, run
from .answer import failed, succeeded
from .outcome import Outcome, View, earliest
from .remedies import capture, next_id

TIMEOUT = 15.0
"""Seconds for each step, beyond what the evidence takes."""
LOST_AFTER = 30.0
"""Seconds beyond that after which a step that never came back counts as failed."""
CHECK_EVERY = 30.0
"""Seconds between two looks whether it is still cut off."""
RETRY = 30.0


def under_way(app: AppState) -> bool:
    """A step is being carried out: nothing else may be done to the app."""
    return app.kept.isolation is not None and bool(app.kept.isolation.action_id)


def concerns(app: AppState, fact: ActionFinished) -> bool:
    return under_way(app) and app.kept.isolation is not None and app.kept.isolation.action_id == fact.action_id


def worth_telling(ended: ActionEnded) -> bool:
    """A look at its networks is no news, unless it fails."""
    return ended.action != FindNetworks.__name__ or not ended.ok


def step(app: AppState, view: View) -> Outcome:
    """Sets the next step going, when there is one and the moment allows it."""
    isolation, now = app.kept.isolation, view.now
    if isolation is None:
        return Outcome(app)
    if isolation.action_id:
        if now < isolation.deadline:
            return Outcome(_wake(app, isolation.deadline))
        return _failed(app, isolation, f"no answer within {TIMEOUT + LOST_AFTER:.0f} s", view)
    if isolation.phase == "joining" and view.state.engine.listed and _another(app, isolation):
        why = f"{app.name} has another container now, with networks of its own: nothing is to be connected again"
        return _over(app, isolation, (), why, view)
    if not _possible(app, isolation, view):
        return Outcome(app)
    if now < isolation.retry_at:
        return Outcome(_wake(app, isolation.retry_at))
    if isolation.phase == "cut":
        due = isolation.checked_at + CHECK_EVERY
        if now < due and max(app.known_since, app.started_at or 0.0) <= isolation.checked_at:
            return Outcome(_wake(app, due))
        isolation = replace(isolation, phase="looking")
    app, action_id = next_id(app, view)
    action = _action(app, isolation, action_id, view)
    isolation = replace(isolation, action_id=action_id, deadline=now + TIMEOUT + LOST_AFTER)
    return Outcome(_wake(_with(app, isolation), isolation.deadline), (action,))


def _another(app: AppState, isolation: Isolation) -> bool:
    return app.sought and (app.container is None or app.container.id != isolation.container_id)


def _possible(app: AppState, isolation: Isolation, view: View) -> bool:
    state, kept, container = view.state, app.kept, app.container
    if state.stopping or not state.engine.up or container is None or container.status in ("removing", "restarting"):
        return False
    if kept.recovery.phase in ("capturing", "acting") or drilled.acting(app) or kept.data.restoring is not None:
        return False
    if kept.deployment is not None and kept.deployment.phase in TOUCHING:
        return False
    maintained = kept.maintenance is not None and view.now < kept.maintenance.until
    if maintained and not isolation.origin:
        return False  # a runbook's wish: who works on the app connects it as it is needed, until the maintenance ends
    return isolation.phase == "joining" or run.runs(app)


def _action(app: AppState, isolation: Isolation, action_id: str, view: View) -> Action:
    reason = f"isolation by {isolation.by}"
    if isolation.phase == "capturing":
        return capture(app, action_id, "", reason, view)
    assert app.container is not None
    about: dict[str, Any] = {
        "id": action_id,
        "subject": app.name,
        "reason": reason,
        "timeout": TIMEOUT,
        "container_id": app.container.id,
    }
    match isolation.phase:
        case "cutting":
            return Isolate(**about, networks=tuple(endpoint.network for endpoint in isolation.networks))
        case "joining":
            return Rejoin(**about, networks=isolation.networks)
        case _:
            return FindNetworks(**about)


def finished(app: AppState, fact: ActionFinished, view: View) -> Outcome:
    """A step came to its end; the next one begins when the app is settled."""
    isolation = app.kept.isolation
    assert isolation is not None
    isolation = replace(isolation, action_id="")
    if isolation.phase == "capturing":
        # Evidence that cannot be had is no reason to leave it connected.
        return Outcome(_with(app, replace(isolation, phase="looking")))
    if not fact.ok:
        return _failed(app, isolation, fact.error, view)
    match isolation.phase:
        case "looking":
            return _found(app, isolation, fact, view)
        case "cutting" if not fact.result.get("left"):
            return _cut(app, isolation, view)
        case "cutting":
            return Outcome(_with(app, replace(isolation, phase="looking")))
        case _:
            names = tuple(endpoint.network for endpoint in isolation.networks)
            why = f"{app.name} is connected again to {', '.join(names)}"
            # What its probes said while nobody could reach it must not lead to a restart now.
            return _over(run.resumed(app, fact.at), isolation, names, why, view)


def _found(app: AppState, isolation: Isolation, fact: ActionFinished, view: View) -> Outcome:
    mode = str(fact.result.get("mode", ""))
    found = msgspec.convert(fact.result.get("networks", ()), tuple[Endpoint, ...])
    if mode == "host" or mode.startswith("container:"):
        return _impossible(app, isolation, mode, view)
    if not found and not isolation.networks:
        why = f"{app.name} is connected to no network: there is nothing to cut it off from"
        return Outcome(_with(app, None), events=succeeded(view.state, isolation.command, why))
    if not found:
        return _cut(app, isolation, view)
    assert app.container is not None
    known: tuple[Endpoint, ...] = ()
    if app.container.id == isolation.container_id:
        # What the engine connects it to after a restart has lost its aliases and addresses.
        known = isolation.networks
    names = {endpoint.network for endpoint in known}
    networks = (*known, *(endpoint for endpoint in found if endpoint.network not in names))
    new = replace(isolation, phase="cutting", container_id=app.container.id, networks=networks)
    return Outcome(_with(app, new))


def _impossible(app: AppState, isolation: Isolation, mode: str, view: View) -> Outcome:
    """It has no network of its own that it could be cut off from."""
    whose = "the host's network" if mode == "host" else f"the network of {mode}"
    code = "host_network" if mode == "host" else "shared_network"
    why = (
        f"{app.name} uses {whose}, and nobody can take that from it while it runs: edged stop {app.name} ends it; its "
        "logs and state are kept as evidence first"
    )
    if not isolation.command:
        return _failed(app, isolation, why, view)
    return Outcome(_with(app, None), events=failed(view.state, isolation.command, code, why))


def _cut(app: AppState, isolation: Isolation, view: View) -> Outcome:
    """It is connected to nothing."""
    names = tuple(endpoint.network for endpoint in isolation.networks)
    events: tuple[Event, ...] = ()
    if isolation.phase == "cutting" or not isolation.told:
        told = IsolationChanged(
            subject=app.name, state="again" if isolation.told else "isolated", by=isolation.by, networks=names
        )
        events = (told,)
    why = f"{app.name} is cut off from {', '.join(names)}; it runs on, and edged isolate {app.name} --undo connects it"
    events = (*events, *succeeded(view.state, isolation.command, why))
    new = replace(isolation, phase="cut", told=True, checked_at=view.now, problem="", retry_at=0.0, command="")
    return Outcome(_with(app, new), events=events)


def _over(app: AppState, isolation: Isolation, names: tuple[str, ...], why: str, view: View) -> Outcome:
    told = IsolationChanged(subject=app.name, state="rejoined", by=isolation.by, networks=names, reason=why)
    return Outcome(_with(app, None), events=(told, *succeeded(view.state, isolation.command, why)))


def _failed(app: AppState, isolation: Isolation, error: str, view: View) -> Outcome:
    """The wish stays: it is tried again and again."""
    undoing = isolation.phase == "joining"
    events: list[Event] = []
    if error != isolation.problem:
        events.append(IsolationChanged(subject=app.name, state="failed", by=isolation.by, reason=error))
    other = f"edged isolate {app.name}" + ("" if undoing else " --undo")
    why = f"{error}; tried again every {RETRY:.0f} s ({other} ends that)"
    events.extend(failed(view.state, isolation.command, "not_rejoined" if undoing else "not_isolated", why))
    new = replace(
        isolation,
        phase="joining" if undoing else "looking",
        action_id="",
        problem=error,
        retry_at=view.now + RETRY,
        command="",
    )
    return Outcome(_wake(_with(app, new), new.retry_at), events=tuple(events))


def _with(app: AppState, isolation: Isolation | None) -> AppState:
    return replace(app, kept=replace(app.kept, isolation=isolation))


def _wake(app: AppState, at: float) -> AppState:
    return replace(app, wake_at=earliest(app.wake_at, at))
