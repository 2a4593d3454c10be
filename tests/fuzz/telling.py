"""What is to be told of a check that fails and works again, in whatever order."""

from __future__ import annotations

from edged.judge.mending import QUIET
from edged.vocabulary.state import AppState


def news(app: AppState, check: str, failed: bool, at: float) -> list[bool]:
    """``broken`` of the events that the next answer should lead to: each change, until it was said that it comes and
    goes; from then on only that there was a quiet time."""
    trouble = app.troubles.get(check)
    if trouble is not None and trouble.shaky_at is not None:
        return [False] if not failed and at >= trouble.shaky_at + QUIET else []
    return [failed] if failed != (check in app.broken) else []
