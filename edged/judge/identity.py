"""Which container belongs to which app, and which apps there are."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import UNSET
from msgspec.structs import replace

from ..config import App, Config, Label
from ..config.labels import APP, app_from_labels, app_name, enabled
from ..config.load import observed_app
from ..vocabulary.state import AppState
from ..vocabulary.world import Container


def selects(name: str, app: App, container_name: str, labels: dict[str, str]) -> bool:
    """Whether the app called ``name`` means this container."""
    selector = app.container
    if isinstance(selector, Label):
        key, _, value = selector.label.partition("=")
        return key in labels and (not value or labels[key] == value)
    return container_name == (name if selector is UNSET else selector)


def pick(name: str, app: App, known_id: str, containers: Iterable[Container]) -> Container | None:
    """The app's container: the one it had if that still runs, else a running one, else the newest."""
    mine = [c for c in containers if selects(name, app, c.name, c.labels)]
    if not mine:
        return None
    return max(mine, key=lambda c: (c.status in ("running", "paused"), c.id == known_id, c.created_at or 0.0))


def assign(apps: Iterable[AppState], containers: Iterable[Container]) -> dict[str, Container]:
    """A container for each app, and none for two: two recoveries of one container would fight each other.

    Apps of the file come before discovered ones, and those that have a container before those that have none.
    """
    free = {c.id: c for c in containers}
    found: dict[str, Container] = {}
    for app in sorted(apps, key=lambda a: (a.discovered, a.container is None)):
        known_id = app.container.id if app.container is not None else app.kept.container_id
        picked = pick(app.name, app.config, known_id, free.values())
        if picked is not None:
            found[app.name] = free.pop(picked.id)
    return found


def discovers(config: Config, labels: dict[str, str]) -> bool:
    """Whether a container that no app of the file means becomes an app by itself."""
    if config.discover == "all":
        return True
    return config.discover == "labels" and enabled(labels)


def discovered_app(config: Config, container: Container) -> tuple[str, App, tuple[str, ...]]:
    """Name, configuration and label problems of an app that is known from its container alone."""
    name = app_name(container.name, container.labels)
    if not enabled(container.labels):
        return name, observed_app(container.name), ()
    app, problems = app_from_labels(name, container.labels, None)
    # A name given by label outlives the container's own, which may be another one after each start.
    named = container.labels.get(APP) == name
    return name, replace(app, container=Label(label=f"{APP}={name}") if named else container.name), problems


def configured(config: Config, name: str, container: Container | None) -> tuple[App, tuple[str, ...]]:
    """The configuration of an app of the file, with what its container's labels add to it."""
    app = config.apps[name]
    if container is None or config.discover == "off":
        return app, ()
    if not any(k.startswith("edged.") for k in container.labels):
        return app, ()
    return app_from_labels(name, container.labels, app)


def owner(apps: dict[str, AppState], container_id: str) -> AppState | None:
    """The app that has this container now."""
    return next((a for a in apps.values() if a.container is not None and a.container.id == container_id), None)
