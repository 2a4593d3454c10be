"""Runbooks for Prometheus: what is under way, and what came of runs and steps since edged started."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, get_args

from ..vocabulary.events import Event, RunbookBegun, RunbookEnded, RunbookStepEnded
from ..vocabulary.runbooks import RunResult
from .snapshot import Snapshot


class RunbookCounts:
    """One writer (the recorder), any reader."""

    def __init__(self) -> None:
        self.begun: Counter[str] = Counter()
        self.ended: Counter[tuple[str, str]] = Counter()
        self.steps: Counter[tuple[str, str]] = Counter()

    def count(self, event: Event) -> None:
        match event:
            case RunbookBegun():
                self.begun[event.alert] += 1
            case RunbookStepEnded():
                self.steps[event.step, event.result] += 1
            case RunbookEnded():
                self.ended[event.alert, event.result] += 1
                for past in event.steps:
                    if past.result == "skipped":  # each of the others had an event of its own
                        self.steps[past.step, past.result] += 1
            case _:
                pass

    def families(self, shot: Snapshot) -> Iterator[Any]:
        """What ``/metrics`` tells."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        running = GaugeMetricFamily(
            "edged_runbook_running", "1 while the runbook of an alert is carried out", labels=["alert", "subject"]
        )
        for run in list(shot.state.runs.values()):
            if not run.over:
                running.add_metric([run.alert, run.subject], 1.0)
        yield running
        begun = CounterMetricFamily("edged_runbook_begun", "Runs of runbooks that began", labels=["alert"])
        for alert, number in sorted(self.begun.items()):
            begun.add_metric([alert], float(number))
        yield begun
        ended = CounterMetricFamily("edged_runbook_ended", "Runs of runbooks that ended", labels=["alert", "result"])
        # With zeros from the moment it begins: of what begins at 1, nobody can tell that it grew.
        possible = {(alert, result) for alert in list(self.begun) for result in get_args(RunResult)}
        for key in sorted(possible | self.ended.keys()):
            ended.add_metric(list(key), float(self.ended[key]))
        yield ended
        steps = CounterMetricFamily("edged_runbook_steps", "Steps of runbooks that ended", labels=["step", "result"])
        for (step, result), number in sorted(self.steps.items()):
            steps.add_metric([step, result], float(number))
        yield steps
