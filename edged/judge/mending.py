"""Checks of an app that cannot be made, and then can be again: told once, also where they come and go."""

from __future__ import annotations

from msgspec.structs import replace

from ..vocabulary.app_state import Trouble
from ..vocabulary.events import CheckBroken, Event
from ..vocabulary.facts import CheckFailed
from ..vocabulary.state import AppState
from .budget import within

OFTEN, WITHIN = 3, 3600.0
"""So often broken within so many seconds: it comes and goes."""
QUIET = 600.0
"""Seconds without a failure, after which what came and went is told to be over."""


def failed(app: AppState, fact: CheckFailed) -> tuple[AppState, tuple[Event, ...]]:
    """``app.broken`` is always as it is now; only what is told of it waits."""
    check, anew = fact.check, fact.check not in app.broken
    trouble = app.troubles.get(check, Trouble())
    if trouble.shaky_at is not None:
        trouble = replace(trouble, shaky_at=fact.at)
        return replace(app, broken=_with(app, fact), troubles={**app.troubles, check: trouble}), ()
    if not anew:
        return app, ()
    began = (*within(trouble.began, fact.at, WITHIN), fact.at)
    shaky = len(began) >= OFTEN
    error = fact.error
    if shaky:
        error += f" (it comes and goes: the next repair is told after {QUIET / 60.0:.0f} minutes without a failure)"
        began = ()
    trouble = Trouble(began=began, shaky_at=fact.at if shaky else None)
    app = replace(app, broken=_with(app, fact), troubles={**app.troubles, check: trouble})
    return app, (CheckBroken(subject=app.name, check=check, error=error, broken=True),)


def mended(app: AppState, check: str, at: float) -> tuple[AppState, tuple[Event, ...]]:
    """The check has worked."""
    trouble = app.troubles.get(check)
    if trouble is None and check not in app.broken:
        return app, ()
    broken, shaky_at = check in app.broken, trouble.shaky_at if trouble is not None else None
    if broken:
        app = replace(app, broken={name: error for name, error in app.broken.items() if name != check})
    if shaky_at is not None and at < shaky_at + QUIET:
        return app, ()
    if shaky_at is not None:
        app = replace(app, troubles={name: one for name, one in app.troubles.items() if name != check})
    elif not broken:
        return app, ()
    return app, (CheckBroken(subject=app.name, check=check, error="", broken=False),)


def _with(app: AppState, fact: CheckFailed) -> dict[str, str]:
    return {**app.broken, fact.check: app.broken.get(fact.check, fact.error)}
