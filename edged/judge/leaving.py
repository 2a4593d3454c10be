"""Apps that are not to be watched any more, and in which a deployment is under way: that comes to its end first.

Before the swap it is refused, afterwards the one before comes back, as when only its section goes: nobody would be
there to say that the new one is good. Then edged takes leave of the app.
"""

from __future__ import annotations

from msgspec.structs import replace

from ..config import App
from ..vocabulary.state import AppState, Kept
from ..vocabulary.world import Container


def under_way(kept: Kept) -> bool:
    """A deployment, one that waits for its turn, what is left behind by one; a drill, whose doing is to be undone;
    a restore of data, which is to be whole."""
    if kept.data.restoring is not None:
        return True
    return kept.deployment is not None or kept.waiting is not None or bool(kept.tidying) or kept.drill is not None


def leave(app: AppState) -> AppState:
    """It keeps its container and its health check for as long as that takes, and gets nothing new."""
    if app.leaving:
        return app
    return replace(app, config=replace(app.config, model=None, app_config=None), leaving=True, discovered=False)


def recalled(name: str, kept: Kept, container: Container | None, now: float) -> AppState:
    """One that was taken out of the configuration while edged did not run: only what is remembered is known of it."""
    config = App(container=container.name) if container is not None else App()
    return AppState(name=name, config=config, condition_since=now, kept=kept, leaving=True)
