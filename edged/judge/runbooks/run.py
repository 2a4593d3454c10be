"""The way of one run through its steps, from the first to the last, as far as the moment allows. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from ...config import Config
from ...config.runbook_builtin import Runbook
from ...config.runbooks import Step, timeout_of, verify_of
from ...vocabulary.events import RunbookHeld
from ...vocabulary.runbooks import Past, Run
from ...vocabulary.state import State
from ..outcome import earliest
from .conditions import unmet
from .ending import VERIFYING, Way, clear, end, ended, finish
from .move import Move
from .permission import merges
from .scene import Scene, blind
from .steps import STEPS

LOST_AFTER = 30.0
"""Seconds beyond its time-out after which a step's own action that never came back counts as failed."""


def advance(state: State, run: Run, config: Config, now: float) -> Way:
    """Takes every step that can be taken now."""
    way = Way(state, run, config, now, [], [], [])
    book = way.scene.book
    # Each round ends a step, or the way; the bound is for a mistake in one of them.
    for _ in range(2 * len(book.steps) + 4):
        if way.run is None or not _round(way, book):
            break
    if way.run is not None and way.run != run:
        way.state = replace(way.state, runs={**way.state.runs, way.scene.key: way.run})
    moved = way.run is None or (way.run.cursor, way.run.over) != (run.cursor, run.over)
    app = way.state.apps.get(run.subject)
    if moved and app is not None and app.kept.recovery.ailment:
        way.touched.append(app.name)  # its recovery may have waited for that
    return way


def _round(way: Way, book: Runbook) -> bool:
    """One step further; ``False``: it stays where it is."""
    run, seen = way.run, way.scene
    assert run is not None
    if seen.gone:
        return end(way, None if run.over else "removed")
    if seen.fires is None and not run.aftermath:
        return clear(way, book)
    if run.over or blind(way.state):
        return False
    if run.cursor >= len(book.steps):
        return finish(way, book)
    step = book.steps[run.cursor]
    if run.since is None:
        return _begin(way, book, step)
    return _look(way, book, step)


def _begin(way: Way, book: Runbook, step: Step) -> bool:
    run, seen = way.run, way.scene
    assert run is not None
    if seen.calm and not run.aftermath:
        way.run = replace(run, wake_at=None)
        return False
    word = unmet(step, seen)
    if word:
        return ended(way, book, step, "skipped", f"not now: {word}")
    if step.do == "capture" and merges(book.steps, run.cursor, seen):
        way.run = replace(run, evidence=run.cursor, cursor=run.cursor + 1)
        return True
    row = STEPS[step.do]
    no = row.unfit(seen, step)
    if no is not None:
        return ended(way, book, step, *no)
    if _held(way, step):
        return False
    run = way.run
    assert run is not None
    deadline = way.now + timeout_of(step)
    begun = replace(run, since=way.now, deadline=deadline, held="", outcome=None, command="", phase="", action_id="")
    return _take(way, book, step, row.begin(seen, begun, step))


def _look(way: Way, book: Runbook, step: Step) -> bool:
    run, seen = way.run, way.scene
    assert run is not None
    if run.phase == VERIFYING:
        return _verify(way, book, step)
    if not run.action_id and _held(way, step):
        return False
    run = way.run
    assert run is not None
    if run.held:
        run = replace(run, held="", deadline=way.now + timeout_of(step))
    return _take(way, book, step, STEPS[step.do].look(seen, run, step))


def _held(way: Way, step: Step) -> bool:
    """It waits on purpose, and says so once. Its time stands still."""
    run, seen = way.run, way.scene
    assert run is not None
    why = STEPS[step.do].held(seen, run, step)
    if why is None:
        return False
    reason, until = why
    recovery = seen.app.kept.recovery.held if seen.app is not None else ""
    if reason and reason not in (run.held, recovery):
        way.tell(RunbookHeld(subject=run.subject, alert=run.alert, step=step.do, reason=reason))
    way.run = replace(run, held=reason or run.held or "something else is under way", wake_at=until)
    return True


def _take(way: Way, book: Runbook, step: Step, move: Move) -> bool:
    """Takes over what a step has come to."""
    way.state, way.run = move.state, move.run
    way.actions.extend(move.actions)
    way.events.extend(move.events)
    way.touched.extend(move.touched)
    if move.verdict == "done":
        return _verify(way, book, step, move.why)
    if move.verdict != "open":
        return ended(way, book, step, move.verdict, move.why)
    run = move.run
    deadline = run.deadline + (LOST_AFTER if run.action_id else 0.0)
    if way.now >= deadline:
        why = _late(way, step)
        return ended(way, book, step, "failed", why)
    way.run = replace(run, wake_at=earliest(deadline, move.until))
    return False


def _late(way: Way, step: Step) -> str:
    app = way.scene.app
    state = f"; {app.name} is {app.condition}: {app.reason}" if app is not None else ""
    return f"not within {timeout_of(step):g} s{state}"


def _verify(way: Way, book: Runbook, step: Step, why: str = "") -> bool:
    """It was carried out. Is what should be seen then seen?"""
    run, seen = way.run, way.scene
    assert run is not None
    if run.phase != VERIFYING:
        run = replace(run, phase=VERIFYING, outcome=Past(step.do, "done", why))
    assert run.outcome is not None
    if _seen(seen, step):
        way.run = run
        return ended(way, book, step, "done", run.outcome.why)
    if way.now >= run.deadline:
        way.run = run
        return ended(way, book, step, "failed", f"done ({run.outcome.why}), and not {verify_of(step)} in time")
    way.run = replace(run, wake_at=run.deadline)
    return False


def _seen(seen: Scene, step: Step) -> bool:
    app = seen.app
    match verify_of(step):
        case "healthy":
            return app is not None and app.condition == "healthy"
        case "stopped":
            return app is not None and app.condition == "stopped"
        case "engine_up":
            return bool(seen.state.engine.up)
        case "cleared":
            return seen.fires is None
    return True
