"""Runbooks and their runs, for readers. Pure."""

from __future__ import annotations

from typing import Any

from ..config import Config, format_duration
from ..config.runbook_builtin import about, names, runbook
from ..config.runbooks import KINDS, Step, timeout_of, verify_of
from ..vocabulary.runbooks import Run
from ..vocabulary.state import State


def listed(config: Config, state: State | None = None) -> list[dict[str, Any]]:
    """Every runbook that counts; the built-in ones first."""
    return [_one(name, config, state) for name in names(config.runbooks)]


def _one(name: str, config: Config, state: State | None) -> dict[str, Any]:
    alert, _, subject = name.partition("/")
    book = runbook(config.runbooks, alert, subject)
    runs = [run for run in state.runs.values() if run.alert == alert and subject in ("", run.subject)] if state else []
    return {
        "name": name,
        "about": list(about(name)),
        "built_in": book.built_in,
        "steps": [step(one) for one in book.steps],
        "under_way": [under_way(run, config) for run in runs if not run.over],
    }


def step(one: Step) -> dict[str, Any]:
    """With what is as usual written out."""
    kind = KINDS[one.do]
    told: dict[str, Any] = {"do": one.do, "does": kind.does, "when": list(one.when)}
    if kind.timeout:
        told |= {"timeout": format_duration(timeout_of(one)), "verify": verify_of(one)}
    if one.say:
        told["say"] = one.say
    return told


def under_way(run: Run, config: Config) -> dict[str, Any]:
    """How far a run has come."""
    steps = runbook(config.runbooks, run.alert, run.subject).steps
    return {
        "alert": run.alert,
        "subject": run.subject,
        "step": steps[run.cursor].do if run.cursor < len(steps) else "",
        "held": run.held,
        "past": [{"step": past.step, "result": past.result, "why": past.why} for past in run.past],
    }
