"""A dry run: what would be done about an alert now, step by step, and why. Pure; nothing is done.

The same functions are asked that lead a real run: conditions, holds, the recovery's budget, and the guard.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from ...config import Config
from ...config.runbook_builtin import BUILT_IN, about, names
from ...config.runbooks import KINDS, WORDS, Step, timeout_of, verify_of
from ...vocabulary.actions import Action, PauseContainer, RestartEngine
from ...vocabulary.events import AlertRaised
from ...vocabulary.runbooks import Run
from ...vocabulary.state import AppState, State
from .. import needs, pressure
from ..ailment import ailment, hold
from ..episode import spent
from ..guard import refusal
from ..outcome import View
from ..remedies import capture, remedy_action
from ..run import runs
from .app_steps import OWN, budget
from .conditions import holds, unmet
from .host_steps import HOST_MEMORY
from .imagine import imagined
from .move import put, view
from .permission import EVIDENCE_FIRST, TELLING, merges
from .scene import Scene
from .steps import STEPS

Verdict = Literal["now", "then", "skip", "wait", "refuse"]
TRY = "try"


class Unknown(Exception):
    """There is no such alert, or it cannot be about that."""


class Told(Struct, frozen=True, omit_defaults=False):
    """One step."""

    step: str
    verdict: Verdict
    """``now`` · ``then``: if those before do not help · ``skip`` · ``wait``: it would be held · ``refuse``."""
    why: str
    timeout: float
    verify: str
    when: dict[str, bool]
    checks: dict[str, str]
    """What budget, maintenance, isolation, engine, needs and guard say of it."""


class Tried(Struct, frozen=True):
    alert: str
    subject: str
    runbook: str
    built_in: bool
    fires: bool
    supposed: str
    under_way: str
    """The step that a run of this runbook is at just now; empty: there is none."""
    steps: tuple[Told, ...]
    actions: tuple[dict[str, str], ...]
    """What edged would begin in this very moment."""


def explain(state: State, config: Config, now: float, alert: str, subject: str) -> Tried:
    """Raises ``Unknown`` with what there is instead."""
    _known(state, config, alert, subject)
    seen, supposed = imagined(state, config, now, alert, subject)
    book, run = seen.book, state.runs.get(seen.key)
    told: list[Told] = []
    first: Verdict = "now"
    for number, step in enumerate(book.steps):
        verdict, why = _verdict(seen, book.steps, number, first)
        told.append(_told(seen, step, verdict, why))
        if verdict in ("now", "wait") and step.do not in TELLING and not _merged(seen, book.steps, number):
            first = "then"
    at = book.steps[run.cursor].do if run is not None and not run.over and run.cursor < len(book.steps) else ""
    held = f", held: {run.held}" if run is not None and run.held else ""
    return Tried(
        alert=alert,
        subject=subject,
        runbook=book.name,
        built_in=book.built_in,
        fires=not supposed,
        supposed=supposed,
        under_way=at + held if at else "",
        steps=tuple(told),
        actions=tuple(_actions(seen, run)),
    )


def _known(state: State, config: Config, alert: str, subject: str) -> None:
    alerts = sorted(
        {name.partition("/")[0] for name in names(config.runbooks)} & {n.partition("/")[0] for n in BUILT_IN}
    )
    if alert not in alerts:
        raise Unknown(f"there is no alert {alert}; there are: {', '.join(alerts)}")
    kinds = about(f"{alert}/host") if subject == "host" else about(alert)
    there: list[str] = []
    if "app" in kinds:
        there += sorted(state.apps)
    if "dependency" in kinds:
        there += sorted(state.dependencies)
    if "path" in kinds:
        there += sorted(config.host.disk.paths)
    there += [name for name in ("host", "engine") if name in kinds]
    if subject not in there:
        raise Unknown(f"{alert} cannot be about {subject}; it can be about: {', '.join(there) or 'nothing here'}")


def _merged(seen: Scene, steps: tuple[Step, ...], number: int) -> bool:
    return steps[number].do == "capture" and merges(steps, number, seen)


def _verdict(seen: Scene, steps: tuple[Step, ...], number: int, first: Verdict) -> tuple[Verdict, str]:
    step = steps[number]
    word = unmet(step, seen)
    if word:
        return "skip", f"only when {_word(word)}"
    if _merged(seen, steps, number):
        later = next(n for n in range(number + 1, len(steps)) if steps[n].do in EVIDENCE_FIRST)
        verdict, _ = _verdict(seen, steps, later, first)
        return verdict, f"as the first part of {steps[later].do}, which would destroy it"
    row = STEPS[step.do]
    no = row.unfit(seen, step)
    if no is not None:
        return ("refuse" if no[0] == "refused" else "skip"), no[1]
    waits = _waits(seen, step)
    if waits:
        return "wait", waits
    app = seen.app
    if step.do in ("restart", "start") and app is not None and _overdrawn(app, seen):
        return "refuse", f"the restart budget of {app.name} is spent: one slow retry now and then"
    said = _guard(seen, step)
    if said:
        return "refuse", f"the guard: {said}"
    if first == "then":
        return first, "when the engine answers again" if step.do == "recover_all" else "if the steps before do not help"
    after = f", {seen.config.docker.restart.after:g} s after it went away" if step.do == "restart_engine" else ""
    return first, KINDS[step.do].does + after


def _overdrawn(app: AppState, seen: Scene) -> bool:
    return app.kept.recovery.open or (seen.alert not in OWN and spent(app, view(seen)))


def _waits(seen: Scene, step: Step) -> str:
    """Why it would have to wait."""
    waits = STEPS[step.do].held(seen, _run(seen), step)
    if waits is not None:
        return waits[0]
    app = seen.app
    if app is None or step.do not in ("restart", "start"):
        return ""
    ill = ailment(app)
    # As if the run had come to it: otherwise the recovery would wait for that.
    reached = replace(_run(seen), reached=(step.do,))
    state = replace(seen.state, runs={**seen.state.runs, seen.key: reached})
    off = hold(app, ill, View(state, seen.config, seen.now)) if ill is not None else None
    if off is None:
        return ""
    return off.reason or f"Docker, or whoever is at it, has {max(0.0, (off.until or seen.now) - seen.now):.0f} s first"


def _run(seen: Scene) -> Run:
    return Run(alert=seen.alert, subject=seen.subject, severity="critical", book=seen.book.digest, began=seen.now)


def _told(seen: Scene, step: Step, verdict: Verdict, why: str) -> Told:
    return Told(
        step=step.do,
        verdict=verdict,
        why=why,
        timeout=timeout_of(step),
        verify=verify_of(step),
        when={word: holds(word, seen) for word in step.when},
        checks=_checks(seen, step) if KINDS[step.do].acts else {},
    )


def _checks(seen: Scene, step: Step) -> dict[str, str]:
    app, state = seen.app, seen.state
    found = {"engine": "answers" if state.engine.up else "does not answer"}
    if app is not None:
        kept = app.kept
        maintenance = kept.maintenance
        found["maintenance"] = f"by {maintenance.owner}: {maintenance.why}" if maintenance is not None else "none"
        found["isolation"] = f"by {kept.isolation.by}" if kept.isolation is not None else "none"
        found["budget"] = budget(app, view(seen))
        missing = needs.failing(app, view(seen))
        found["needs"] = f"{', '.join(missing)} is not well" if missing else "all well"
    found["guard"] = _guard(seen, step) or "no objection"
    return found


def _guard(seen: Scene, step: Step) -> str:
    """What the guard says of the step's own action, if it were given out now."""
    app, state = seen.app, seen.state
    if step.do == "restart_engine":
        unit = seen.config.docker.restart.unit
        engine = replace(state.engine, action_id=TRY, up=False)
        action: Action = RestartEngine(id=TRY, subject="engine", reason=TRY, timeout=1.0, unit=unit)
        return refusal(action, replace(state, engine=engine), frozenset(), seen.now)
    if step.do == "pause_lower_priority":
        victim = pressure.to_pause(state, spare=seen.subject)
        if victim is None or victim.container is None:
            return ""
        pause = PauseContainer(id=TRY, subject=victim.name, reason=TRY, timeout=1.0, container_id=victim.container.id)
        return refusal(pause, _acting(state, victim), frozenset(), seen.now)
    if app is None or app.container is None or step.do not in ("capture", "restart", "start", "stop"):
        return ""
    acting = _acting(state, app)
    if step.do == "capture":
        return refusal(capture(app, TRY, seen.alert, TRY, view(seen)), acting, frozenset(), seen.now)
    remedy = "stop" if step.do == "stop" else "restart" if runs(app) else "start"
    return refusal(remedy_action(remedy, app, TRY, TRY), acting, frozenset(), seen.now)


def _acting(state: State, app: AppState) -> State:
    recovery = replace(app.kept.recovery, phase="acting", action_id=TRY, command="")
    return put(state, replace(app, kept=replace(app.kept, recovery=recovery)))


def _actions(seen: Scene, run: Run | None) -> list[dict[str, str]]:
    """The turn in which the alert is raised, for real, on the supposed state; its actions go nowhere."""
    from .. import Turn

    if run is not None:
        return []
    turn = Turn(seen.state, seen.config, seen.now)
    fires = seen.fires
    assert fires is not None and fires.severity is not None
    turn.events.append(
        AlertRaised(subject=seen.subject, name=seen.alert, severity=fires.severity, summary=fires.summary)
    )
    turn.runbooks()
    if (seen.alert, seen.subject) == HOST_MEMORY:
        relieved = pressure.relieve(turn.state, seen.config, seen.now)
        turn.state = relieved.state
        turn.actions.extend(relieved.actions)
    if seen.app is not None:
        turn.settle((seen.subject,), before=turn.state)
    turn.guard()
    return [{"action": type(a).__name__, "subject": a.subject, "reason": a.reason} for a in turn.actions]


def _word(word: str) -> str:
    bare = word.removeprefix("not ")
    return WORDS[bare] if bare == word else f"it is not so that {WORDS[bare]}"
