"""edged's own configuration by command: checked, put in force, watched, then kept or taken back.

What is on trial is written down nowhere but in memory, so whatever ends edged meanwhile ends the trial too: the next
run begins with what was known to be good, and gives the answer that is still owed.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ..config.units import format_duration
from ..vocabulary.actions import Action, CheckConfig, KeepConfig, ReloadConfig, TryConfig, UndoConfig
from ..vocabulary.events import ConfigRefused, ConfigTrial, Event
from ..vocabulary.facts import ActionFinished, CommandReceived, ConfigLoaded
from ..vocabulary.state import CommandState, State, Trial
from .answer import accepted, failed, running, succeeded
from .outcome import Judgement

EDGED = "edged"
TIMEOUT = 30.0
"""Seconds for each step. None takes more than the loop's next turn and a small file."""
LOCAL = "local:"


def reload(state: State, fact: CommandReceived, now: float) -> Judgement:
    """``edged.reload`` begins."""
    trial = Trial(command=fact.id, type=fact.type, origin=fact.origin, phase="reloading", action_id="", since=now)
    return _begin(state, fact, trial, "the configuration is read anew")


def trial(state: State, fact: CommandReceived, text: str, hold: float, now: float) -> Judgement:
    """``edged.config.deploy`` begins."""
    begun = Trial(
        command=fact.id,
        type=fact.type,
        origin=fact.origin,
        phase="checking",
        action_id="",
        hold=hold,
        before=state.config.digest,
        since=now,
        engine=bool(state.engine.up),
        broker=state.broker,
    )
    return _begin(state, fact, begun, "the new configuration is checked", text)


def concerns(state: State, fact: ActionFinished) -> bool:
    """Whether this is the outcome of the step under way."""
    return state.config.trial is not None and state.config.trial.action_id == fact.action_id


def finished(state: State, fact: ActionFinished, now: float) -> Judgement:
    """A step came to its end."""
    trial = state.config.trial
    assert trial is not None
    errors = tuple(str(error) for error in fact.result.get("errors", ()))
    match trial.phase:
        case "reloading":
            return _reloaded(state, trial, fact, errors)
        case "checking":
            return _checked(state, trial, fact, errors)
        case "taking" if not fact.ok or errors:
            why = "; ".join(errors) or fact.error
            return _step(state, replace(trial, code="not_taken", why=f"it could not be put in force: {why}"), "undoing")
        case "taking":
            return _taken(state, trial, now)
        case "keeping" if not fact.ok:
            return _step(state, replace(trial, code="not_kept", why=fact.error), "undoing")
        case "keeping":
            return _kept(state, trial)
        case "undoing" if not state.stopping:
            return _undone(state, trial, "" if fact.ok else fact.error)
    return Judgement(state)


def look(state: State, now: float) -> Judgement:
    """The end of the trial, when its time has come."""
    trial, due = state.config.trial, wake_at(state)
    if trial is None or due is None or now < due:
        return Judgement(state)
    code, why = _missing(state, trial)
    return _step(state, replace(trial, code=code, why=why), "undoing" if code else "keeping")


def wake_at(state: State) -> float | None:
    """When ``look`` has something to do."""
    trial = state.config.trial
    # Without a digest this is a new run that has nothing in force yet: see ``resumed``.
    if trial is None or trial.phase != "watching" or state.stopping or not state.config.digest:
        return None
    return trial.until


def resumed(state: State, fact: ConfigLoaded) -> Judgement:
    """The first configuration of a run is in force: what the run before left unanswered is answered."""
    trial = state.config.trial
    if trial is None:
        return Judgement(state)
    if trial.digest and fact.digest == trial.digest:
        return _kept(state, trial)
    if not trial.digest:
        why = "edged ended meanwhile and has read its configuration at its start: edged status shows how it went"
        return _ended(state, failed(state, trial.command, "interrupted", why))
    code = trial.code or "interrupted"
    why = trial.why or "edged ended before the trial was over"
    return _undone(state, replace(trial, code=code, why=why), "")


def _begin(state: State, fact: CommandReceived, trial: Trial, told: str, text: str = "") -> Judgement:
    command = CommandState(id=fact.id, type=fact.type, app=EDGED, origin=fact.origin, since=trial.since)
    state = replace(state, commands={**state.commands, fact.id: command})
    begun = _step(state, trial, trial.phase, text)
    return replace(begun, events=(accepted(fact, EDGED, told), *begun.events))


def _step(state: State, trial: Trial, phase: Any, text: str = "") -> Judgement:
    """Sets the step of this phase going."""
    action_id = f"{trial.command}-{phase}"
    about: dict[str, Any] = {"id": action_id, "subject": EDGED, "timeout": TIMEOUT}
    about["reason"] = trial.why or f"{trial.type} by {trial.origin}"
    action: Action
    match phase:
        case "reloading":
            action = ReloadConfig(**about)
        case "checking":
            action = CheckConfig(text=text, **about)
        case "taking":
            action = TryConfig(digest=trial.digest, **about)
        case "keeping":
            action = KeepConfig(digest=trial.digest, **about)
        case _:
            action = UndoConfig(digest=trial.digest, **about)
    return Judgement(_with(state, replace(trial, phase=phase, action_id=action_id)), (action,))


def _reloaded(state: State, trial: Trial, fact: ActionFinished, errors: tuple[str, ...]) -> Judgement:
    if fact.ok and not errors:
        changed = ", ".join(fact.result.get("changed", ())) or "nothing"
        told = succeeded(
            state, trial.command, f"{fact.result.get('path') or 'no file'} is in force; changed: {changed}"
        )
        return _ended(state, told)
    why = "; ".join(errors) or fact.error
    return _ended(state, failed(state, trial.command, "refused" if errors else "not_reloaded", why))


def _checked(state: State, trial: Trial, fact: ActionFinished, errors: tuple[str, ...]) -> Judgement:
    if not fact.ok:
        return _ended(state, failed(state, trial.command, "not_checked", fact.error))
    result = fact.result
    if not errors and trial.broker and not result["mqtt"] and not trial.origin.startswith(LOCAL):
        errors = ("mqtt: without a broker nobody could reach this device any more; do that on the device itself",)
    if errors:
        refused = ConfigRefused(subject=EDGED, path=f"given by {trial.origin}", errors=errors)
        state = replace(state, config=replace(state.config, refused=state.config.refused + 1))
        ended = _ended(state, failed(state, trial.command, "refused", "; ".join(errors)))
        return replace(ended, events=(refused, *ended.events))
    if result["digest"] == state.config.digest:
        return _ended(state, succeeded(state, trial.command, "it is in force already"))
    changed = tuple(result["changed"])
    fresh = any(key == "mqtt" or key.startswith("mqtt.") for key in changed)
    # A first broker is held to it as well: there was none that could have been away.
    reach = bool(result["mqtt"]) and (trial.broker or "mqtt" in changed)
    trial = replace(trial, digest=result["digest"], fresh=fresh, broker=reach)
    begun = _step(state, trial, "taking")
    told = ConfigTrial(subject=EDGED, state="begun", digest=trial.digest, before=trial.before, seconds=trial.hold)
    what = f"on trial for {format_duration(trial.hold)}; changed: {', '.join(changed) or 'nothing'}"
    return replace(begun, events=(told, *running(state, trial.command, "taking", what)))


def _taken(state: State, trial: Trial, now: float) -> Judgement:
    # Not the time of this fact: the new connection may have been made before it came.
    trial = replace(trial, phase="watching", action_id="", since=state.config.loaded_at, until=now + trial.hold)
    told = running(state, trial.command, "watching", f"in force; judged in {format_duration(trial.hold)}")
    return Judgement(_with(state, trial), events=told)


def _missing(state: State, trial: Trial) -> tuple[str, str]:
    """What went well before and does not any more: a code and words; empty: nothing."""
    if trial.engine and not state.engine.up:
        why = state.engine.error or "no answer"
        return "engine", f"the container engine does not answer any more: {why}"
    there = state.broker and (not trial.fresh or state.broker_since >= trial.since)
    if trial.broker and not there:
        why = state.broker_detail or "no connection"
        return "broker", f"the broker was not reached within {format_duration(trial.hold)}: {why}"
    return "", ""


def _kept(state: State, trial: Trial) -> Judgement:
    told = ConfigTrial(subject=EDGED, state="kept", digest=trial.digest, before=trial.before, seconds=trial.hold)
    words = f"{trial.digest[:19]} is in force and kept"
    ended = _ended(state, succeeded(state, trial.command, words))
    return replace(ended, events=(told, *ended.events))


def _undone(state: State, trial: Trial, trouble: str) -> Judgement:
    """``trouble``: why not even that went well."""
    told = ConfigTrial(
        subject=EDGED,
        state="undone",
        digest=trial.digest,
        before=trial.before,
        seconds=trial.hold,
        code=trial.code,
        reason=trial.why,
    )
    words = f"{trial.why}; {trial.before[:19]} is in force as before"
    if trouble:
        words = f"{trial.why}; to take it back failed too: {trouble}; systemctl restart edged brings the old one back"
    ended = _ended(state, failed(state, trial.command, trial.code, words))
    return ended if trouble else replace(ended, events=(told, *ended.events))


def _ended(state: State, told: tuple[Event, ...]) -> Judgement:
    return Judgement(_with(state, None), events=told)


def _with(state: State, trial: Trial | None) -> State:
    return replace(state, config=replace(state.config, trial=trial))
