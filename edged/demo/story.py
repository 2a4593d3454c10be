"""The whole story in two minutes: an app, what goes wrong, what is put in, what edged makes of it, and a fleet."""

from __future__ import annotations

import json
import signal
import sys
import time
from types import FrameType
from typing import NoReturn

from . import afterwards, fleet, settings, verdict
from .console import Console
from .events import PREFIX, Numbering, check_sequence
from .processes import wait
from .scenes import SCENES
from .stage import Stage
from .timeline import Timeline, clip, columns
from .verdict import Outcome

QUIET_BEFORE = 2.0
"""Seconds of ordinary work before the first scene."""


def tell(*, keep: bool, as_json: bool) -> int:
    """Runs it. 0: every recovery was verified and no message was lost, 1: not so."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    timeline = Timeline(sys.stderr if as_json else sys.stdout)
    began = time.monotonic()
    timeline.heading("edged demo: a real inference app, a watchdog, what goes wrong, four new models, and a fleet")
    with Stage(timeline, keep=keep) as stage:
        time.sleep(QUIET_BEFORE)
        outcomes: list[Outcome] = []
        for scene in SCENES:
            outcomes.append(scene(stage))
            if stage.client.ask().problem:
                timeline.line("FAILED", "the app does not answer: what comes next would prove nothing")
                break
        latency = stage.client.latency(0.95)
        stage.client.stop()
        outcomes += afterwards.account(stage)
        failures = _close(stage)
        numbering = check_sequence([told.sequence for told in stage.console.events])
        _messages(timeline, stage.console)
        _evidence(timeline, stage)
        failures += verdict.numbering_failures(numbering)
    told, more = fleet.tell(timeline, keep=keep)
    outcomes, failures = outcomes + told, failures + more
    took, good = time.monotonic() - began, verdict.passed(outcomes, numbering, failures)
    timeline.heading("Verdict")
    timeline.blank(*verdict.table(outcomes))
    timeline.blank("", _last_line(numbering, failures, good, took))
    if latency is not None:
        timeline.blank(f"95 % of the right scores came within {latency * 1000:.1f} ms.")
    if keep:
        timeline.blank(f"Kept: {stage.folder} (configuration, log, state and evidence); remove it with rm -r.")
    elif not good:
        timeline.blank("With --keep the next run leaves edged's log and the evidence behind.")
    if as_json:
        print(json.dumps(verdict.summary(outcomes, numbering, failures, took), indent=2))
    return 0 if good else 1


def _close(stage: Stage) -> list[str]:
    """edged says good-bye, and the console hears it. Returns what went wrong."""
    stage.timeline.heading("end: edged is stopped, the app runs on")
    code = stage.edged.end()
    failures = [] if code == 0 else [f"edged ended with {code}"]
    console = stage.console

    def heard() -> bool:
        last = [m.payload for m in list(console.messages) if m.topic == "status"]
        return bool(last) and json.loads(last[-1])["state"] == "offline"

    if not wait(heard, 3.0):
        failures.append("the console was not told that edged went offline")
    for told in console.follow(0.0):
        stage.timeline.line("told", told.words, told.wall)
    if not any(told.type == "edged.stopping" for told in console.events):
        failures.append("the last event did not arrive")
    asked = stage.client.ask()
    if asked.problem:
        failures.append(f"{settings.APP} does not run on without edged: {asked.problem}")
    return failures


def _messages(timeline: Timeline, console: Console) -> None:
    timeline.heading(f"What a console got, below edged/v1/{settings.DEVICE}/ (R: kept for those who come later)")
    rows = [
        [f"{timeline.elapsed(m.wall):7.2f}", "R" if m.retained else " ", m.topic, _short(m.payload)]
        for m in list(console.messages)
    ]
    timeline.blank(*(clip(line, timeline.width) for line in columns(rows, "")))


def _short(payload: bytes) -> str:
    """The part of a message that tells something new; the rest would not fit on a line."""
    if not payload:
        return "(cleared)"
    document = json.loads(payload)
    if "specversion" not in document:
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    data = {k: v for k, v in document["data"].items() if k not in ("subject", "container_id", "image")}
    return (
        f"{document['sequence']:>3}  {document['type'].removeprefix(PREFIX)} {document['subject']} "
        f"{json.dumps(data, separators=(',', ':'), ensure_ascii=False)}"
    )


def _evidence(timeline: Timeline, stage: Stage) -> None:
    timeline.heading("Evidence kept before each restart (last log lines, inspect, resources, probes)")
    folder = stage.state / "evidence"
    files = sorted(folder.rglob("*.json.gz"), key=lambda file: file.stat().st_mtime)
    rows = [[str(file.relative_to(folder)), f"{file.stat().st_size} bytes"] for file in files]
    timeline.blank(*(columns(rows) or ["  none"]))


def _last_line(numbering: Numbering, failures: list[str], good: bool, took: float) -> str:
    if good:
        twice = f", {numbering.repeated} of them twice" if numbering.repeated else ""
        return (
            f"All verified in {took:.0f} s. Events {numbering.first} to {numbering.last} arrived without a gap{twice}."
        )
    more = f" Besides: {'; '.join(failures)}." if failures else ""
    return f"NOT all verified ({took:.0f} s).{more}"


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """Ends like ^C, so that everything is taken down."""
    raise KeyboardInterrupt
