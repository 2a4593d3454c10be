"""The ends of what is done to apps' data."""

from __future__ import annotations

from ..vocabulary.facts import ActionFinished
from ..vocabulary.state import AppState
from . import backups, restoring
from .outcome import Outcome, View


def finished(app: AppState, fact: ActionFinished, view: View) -> Outcome | None:
    """``None``: it is no business of this one."""
    if restoring.concerns(app, fact):
        return restoring.finished(app, fact, view)
    return backups.finished(app, fact, view) if backups.concerns(app, fact) else None
