"""How steps and whole runs end: what is told, what is remembered, and what follows. Pure."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from ...config import Config
from ...config.runbook_builtin import Runbook
from ...config.runbooks import Step
from ...vocabulary.actions import Action
from ...vocabulary.events import Event, RunbookEnded, RunbookExhausted, RunbookStepEnded
from ...vocabulary.runbooks import Past, Run, RunResult, StepResult
from ...vocabulary.state import State
from ..order import PHASE
from .app_steps import dropped
from .move import put
from .permission import EVIDENCE_FIRST
from .scene import Scene, scene
from .steps import LASTING, REMEDIES

LINGER = 600.0
"""Seconds that a remedy which worked has to make the alert clear."""
VERIFYING, LINGERING = "verifying", "lingering"


class Way(Struct):
    """What one run has led to so far, in this turn."""

    state: State
    run: Run | None
    config: Config
    now: float
    actions: list[Action]
    events: list[Event]
    touched: list[str]

    @property
    def scene(self) -> Scene:
        assert self.run is not None
        return scene(self.state, self.config, self.now, self.run.alert, self.run.subject)

    def tell(self, event: Event) -> None:
        self.events.append(event)


def ended(way: Way, book: Runbook, step: Step, result: StepResult, why: str) -> bool:
    """On to the next one."""
    run = way.run
    assert run is not None
    if run.evidence is not None and step.do in EVIDENCE_FIRST:
        _evidence_over(way, "skipped", "nothing was done that would have destroyed it")
        run = way.run
        assert run is not None
    seconds = way.now - run.since if run.since is not None else 0.0
    if step.do == "recover_all":
        way.touched.extend(way.state.apps)  # nobody waits for another one any more
    if result != "skipped":
        way.tell(_told(run, step.do, result, why, seconds))
    past = (*run.past, Past(step.do, result, why))
    run = replace(
        run, past=past, cursor=run.cursor + 1, since=None, phase="", action_id="", command="", outcome=None, held="",
        tries=0,
    )  # fmt: skip
    way.run = run
    _drop(way)
    if run.aftermath:
        return _jump(way, book)
    return True


def _told(run: Run, step: str, result: StepResult, why: str, seconds: float) -> RunbookStepEnded:
    return RunbookStepEnded(subject=run.subject, alert=run.alert, step=step, result=result, reason=why, seconds=seconds)


def _evidence_over(way: Way, result: StepResult, why: str) -> None:
    run = way.run
    assert run is not None
    if result != "skipped":
        way.tell(_told(run, "capture", result, why, 0.0))
    way.run = replace(run, evidence=None, past=(*run.past, Past("capture", result, why)))


def evidence(state: State, config: Config, now: float, run: Run, ok: bool, error: str) -> Way:
    """What the run is waiting for was kept, by whoever was about to destroy it."""
    way = Way(state, run, config, now, [], [], [])
    if run.evidence is not None:
        _evidence_over(way, "done" if ok else "failed", error)
    else:
        way.run = replace(run, outcome=Past("capture", "done" if ok else "failed", error))
    assert way.run is not None
    way.state = replace(state, runs={**state.runs, way.scene.key: way.run})
    return way


def _drop(way: Way) -> None:
    """What was asked of the recovery for this alert is not wanted any more."""
    app = way.scene.app
    if app is not None and (new := dropped(app, way.scene.alert)) is not app:
        way.state = put(way.state, new)
        way.touched.append(new.name)


def clear(way: Way, book: Runbook) -> bool:
    """The alert is over. What is under way and must not be left half done comes to its end."""
    run = way.run
    assert run is not None
    if run.over:
        return end(way, None)
    step = book.steps[run.cursor] if run.cursor < len(book.steps) else None
    if step is not None and run.since is not None and (step.do in LASTING or run.action_id):
        way.run = replace(run, aftermath=True)
        return True
    if step is not None and run.since is not None:
        aftermath = replace(run, aftermath=True)
        way.run = aftermath
        why = run.outcome.why if run.phase == VERIFYING and run.outcome is not None else "the alert is over"
        return ended(way, book, step, "done", why)
    way.run = replace(run, aftermath=True)
    return _jump(way, book)


def _jump(way: Way, book: Runbook) -> bool:
    """After the alert only ``recover_all`` is still of use."""
    run = way.run
    assert run is not None
    for number in range(run.cursor, len(book.steps)):
        if book.steps[number].do == "recover_all":
            way.run = run if run.cursor == number and run.phase else replace(run, cursor=number, phase=PHASE)
            return True
    return end(way, "cleared")


def finish(way: Way, book: Runbook) -> bool:
    """There are no more steps, and the alert fires."""
    run, seen = way.run, way.scene
    assert run is not None
    taken = [past for past in run.past if past.step in REMEDIES and past.result != "skipped"]
    escalated = any(past.step == "escalate" and past.result == "done" for past in run.past)
    if run.aftermath:
        return end(way, "cleared")
    if taken and taken[-1].result == "done" and not seen.occasion:
        if run.phase != LINGERING:
            run = replace(run, phase=LINGERING, deadline=way.now + LINGER)
        if seen.calm or way.now < run.deadline:
            way.run = replace(run, wake_at=run.deadline if not seen.calm else None)
            return False
    exhausted = bool(taken) and not (seen.occasion and taken[-1].result == "done")
    if exhausted and not escalated:
        said = "; ".join(f"{past.step} {past.result}" + (f": {past.why}" if past.why else "") for past in taken)
        way.tell(RunbookExhausted(subject=run.subject, alert=run.alert, reason=said))
    way.run = run
    return end(way, "exhausted" if exhausted else "done")


def end(way: Way, result: RunResult | None) -> bool:
    """The run is over; while its alert fires it is remembered what it had come to. ``None``: that was told before."""
    run = way.run
    assert run is not None
    if run.evidence is not None:
        _evidence_over(way, "skipped", "nothing was done that would have destroyed it")
        run = way.run
        assert run is not None
    _drop(way)
    if run.phase == PHASE:
        way.touched.extend(way.state.apps)
    if result is not None:
        way.tell(
            RunbookEnded(
                subject=run.subject, alert=run.alert, result=result, steps=run.past, seconds=way.now - run.began
            )
        )
    if result in ("done", "exhausted") and not way.scene.occasion:
        way.run = replace(run, over=True, phase="", wake_at=None, held="")
        return False
    key = way.scene.key
    way.state = replace(way.state, runs={k: v for k, v in way.state.runs.items() if k != key})
    way.run = None
    return False
