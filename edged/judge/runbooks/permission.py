"""May what edged is able to do be done now, for this alert? Asked by those who do it: recovery, pressure, engine. Pure.

They act in the very turn in which something goes wrong, when the run of the runbook is only about to begin: what it
will come to at once is read off its steps.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...config.runbook_builtin import Runbook
from ...config.runbooks import Step
from ...vocabulary.state import State
from .conditions import unmet
from .scene import Scene

TELLING = ("notify", "escalate")
EVIDENCE_FIRST = ("restart", "start", "stop", "restore_data", "isolate")
"""Steps that keep the evidence themselves before they begin."""


def refused(scene: Scene, steps: Sequence[str]) -> str:
    """Why none of these steps may be taken now; empty: one may."""
    book = scene.book
    named = " or ".join(steps)
    if not set(steps) & set(book.does):
        return f"its runbook {book.name} has no step {named}"
    run = scene.state.runs.get(scene.key)
    if run is None or run.book != book.digest:
        return _from_the_start(book, steps, scene)
    if set(steps) & set(run.reached):
        return ""
    if run.over or run.cursor >= len(book.steps):
        met = any(step.do in steps and not unmet(step, scene) for step in book.steps)
        return "" if met else f"its runbook {book.name} does not ask for {named} now"
    return f"its runbook {book.name} is at {book.steps[run.cursor].do}"


def _from_the_start(book: Runbook, steps: Sequence[str], scene: Scene) -> str:
    for step in book.steps:
        if unmet(step, scene) or step.do in TELLING or step.do == "capture":
            continue
        return "" if step.do in steps else f"its runbook {book.name} is at {step.do}"
    return f"its runbook {book.name} does not ask for {' or '.join(steps)} now"


def merges(steps: Sequence[Step], number: int, scene: Scene) -> bool:
    """Whether the evidence that step ``number`` asks for is kept by the next step that acts."""
    for step in steps[number + 1 :]:
        if step.do in TELLING or unmet(step, scene):
            continue
        return step.do in EVIDENCE_FIRST
    return False


def asked(state: State, action_id: str) -> bool:
    """Whether this action is a step of a runbook that is being carried out."""
    return bool(action_id) and any(run.action_id == action_id for run in state.runs.values())
