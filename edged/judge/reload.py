"""The apps under a new configuration: what did not change is not touched, and no container is lost sight of."""

from __future__ import annotations

from msgspec.structs import replace

from ..config import App, Config
from ..vocabulary.actions import Action
from ..vocabulary.state import AppState, Kept, State, Streak
from ..vocabulary.world import Container
from .identity import configured, discovered_app, discovers, pick, selects
from .leaving import leave, under_way
from .outcome import Judgement, View
from .remedies import next_id, remedy_action
from .run import bind
from .vanished import farewell


def apps(state: State, config: Config, now: float) -> tuple[dict[str, AppState], tuple[Action, ...]]:
    """The apps from now on, and what is to be done for those that edged lets go."""
    new = {name: _configured(_back(state.apps[name]), config, name) for name in config.apps if name in state.apps}
    for name, app in state.apps.items():
        if name not in config.apps and app.discovered and _stays(app, config):
            new[name] = app
        elif name not in config.apps and under_way(app.kept):
            new[name] = leave(app)
    held = {a.container.id for a in new.values() if a.container is not None}
    loose = {a.container.id: a for a in state.apps.values() if a.container is not None and a.container.id not in held}
    ordered: dict[str, AppState] = {}
    for name, app_config in config.apps.items():
        app = new.get(name) or AppState(name=name, config=app_config, condition_since=now)
        ordered[name] = _take(app, loose, config, now) if app.container is None else app
    ordered.update({name: app for name, app in new.items() if name not in ordered})
    for before in list(loose.values()):
        assert before.container is not None
        if not discovers(config, before.container.labels):
            continue
        name, app_config, problems = discovered_app(config, before.container)
        if name not in ordered:
            fresh = AppState(name=name, config=app_config, discovered=True, problems=problems, condition_since=now)
            ordered[name] = _take(fresh, loose, config, now)
    actions = [a for before in loose.values() for a in _let_go(before, state, config, now)]
    return ordered, tuple(actions)


def dismiss(state: State, config: Config, now: float) -> Judgement:
    """Takes leave of apps that were only kept for a deployment, when that has come to its end.

    Their containers are free for others then.
    """
    if not any(app.leaving and not under_way(app.kept) for app in state.apps.values()):
        return Judgement(state)
    ordered, actions = apps(state, config, now)
    new = replace(state, apps=ordered)
    return Judgement(new, actions, farewell(state, new, now), touched=tuple(ordered))


def _back(app: AppState) -> AppState:
    """It may have been on its way out when it came into the file again."""
    return replace(app, leaving=False) if app.leaving else app


def _configured(old: AppState, config: Config, name: str) -> AppState:
    """An app that was known before, as the new configuration wants it."""
    app_config, problems = configured(config, name, old.container)
    container = old.container
    if container is not None and not selects(name, app_config, container.name, container.labels):
        return replace(
            old, config=app_config, problems=problems, discovered=False, container=None, sought=False, probe=Streak()
        )
    if app_config == old.config and not old.discovered:
        return old
    probe = old.probe if _same_probe(app_config, old.config) else Streak()
    return replace(old, config=app_config, problems=problems, discovered=False, probe=probe)


def _same_probe(new: App, old: App) -> bool:
    """Counts of one address say nothing of another; a new interval or time-out changes no verdict."""
    return (new.health.http, new.health.tcp) == (old.health.http, old.health.tcp)


def _stays(app: AppState, config: Config) -> bool:
    """A discovered app stays one, unless the file means its container now, or discovery does not any more."""
    c = app.container
    if c is None:
        return config.discover != "off"
    claimed = any(selects(n, a, c.name, c.labels) for n, a in config.apps.items())
    return not claimed and discovers(config, c.labels)


def _take(app: AppState, loose: dict[str, AppState], config: Config, now: float) -> AppState:
    """Gives the app its container out of those that nobody has now, with what was known about it."""
    found: Container | None = pick(
        app.name, app.config, app.kept.container_id, [a.container for a in loose.values() if a.container is not None]
    )
    if found is None:
        return app
    before = loose.pop(found.id)
    # The same container under another name: wishes and doings of people and of edged go with it.
    kept = app.kept if app.kept != Kept() else replace(before.kept, alerts={}, recovery=app.kept.recovery)
    if before.name != app.name and kept is not app.kept:
        # Slots lie under the name of the app that they were made for.
        kept = replace(kept, placed={}, ended=None, stuck="")
    bound = bind(replace(app, kept=kept), found, config, now)
    return replace(bound, seen_at=before.seen_at, started_at=before.started_at, died_at=before.died_at)


def _let_go(before: AppState, state: State, config: Config, now: float) -> tuple[Action, ...]:
    """An app that edged paused and that it does not watch any more must not stay paused for ever."""
    if not before.kept.paused_by_edged or before.container is None or before.container.status != "paused":
        return ()
    app, action_id = next_id(before, View(state, config, now))
    return (remedy_action("unpause", app, action_id, f"edged paused {app.name} and does not watch it any more"),)
