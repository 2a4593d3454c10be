"""One line in the log for what is told of runbooks."""

from __future__ import annotations

from ..vocabulary import events as ev

Told = (
    ev.RunbookBegun | ev.RunbookStepEnded | ev.RunbookHeld | ev.RunbookEscalated | ev.RunbookExhausted | ev.RunbookEnded
)


def severity(event: Told) -> str:
    match event:
        case ev.RunbookEscalated() | ev.RunbookExhausted():
            return "critical"
        case ev.RunbookHeld() | ev.RunbookStepEnded(result="failed" | "refused"):
            return "warning"
    return "info"


def sentence(event: Told) -> str:
    """What the runbook of an alert came to, and what a person is to do about it."""
    who = f"{event.subject}: runbook of {event.alert}"
    match event:
        case ev.RunbookBegun():
            return f"{who} begins: {', '.join(event.steps)}"
        case ev.RunbookStepEnded():
            why = f": {event.reason}" if event.reason else ""
            return f"{who}: {event.step} {event.result}{why}"
        case ev.RunbookHeld():
            return f"{who}: {event.step} waits: {event.reason}"
        case ev.RunbookEscalated():
            return f"{who} calls a person: {event.reason}"
        case ev.RunbookExhausted():
            return f"{who} is at its end and did not help, a person is needed: {event.reason}"
        case ev.RunbookEnded():
            steps = ", ".join(f"{past.step} {past.result}" for past in event.steps)
            return f"{who} is over ({event.result}){': ' + steps if steps else ''}"
