"""The oracle of the fault schedules finds what it is there for, and nothing in what is right."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from .oracle import Told, check
from .plan import APP_FAULTS, LOOP, SITE_FAULTS, WITHIN, rounds
from .site import BUDGET, RETRY_AFTER

APP = "a0"


class Log:
    """Events, one after the other."""

    def __init__(self) -> None:
        self.events: list[Told] = []
        self.at, self.actions = 0.0, 0
        self.tell("app.changed", old="unknown", new="healthy", reason="")

    def tell(self, kind: str, subject: str = APP, wait: float = 0.1, **data: Any) -> None:
        self.at += wait
        self.events.append(Told(len(self.events) + 1, 1, self.at, kind, subject, data))

    def restart(self, attempt: int = 1, evidence: bool = True, end: bool = True, wait: float = 0.1) -> None:
        self.actions += 1
        identity = f"{APP}-1-{self.actions}"
        if evidence:
            self.tell("action.ended", action="CaptureEvidence", action_id=f"{identity}-e", wait=wait)
        self.tell("action.started", action="RestartContainer", action_id=identity, attempt=attempt, reason="")
        if end:
            self.tell("action.ended", action="RestartContainer", action_id=identity)

    def broken(self, *, lost: Collection[int] = (), needy: bool = False) -> list[str]:
        arrived = {event.sequence for event in self.events} - set(lost)
        return [one.invariant for one in check(self.events, arrived, frozenset({APP} if needy else ()))]


def test_a_recovery_as_it_should_be() -> None:
    log = Log()
    log.tell("alert.raised", name="AppDown")
    log.tell("incident.opened", incident="INC-1")
    log.restart()
    log.tell("alert.cleared", name="AppDown")
    log.tell("incident.closed", incident="INC-1")
    assert log.broken() == []


def test_no_evidence() -> None:
    log = Log()
    log.restart()
    log.restart(evidence=False)
    assert log.broken() == ["evidence first"]


def test_two_at_once_unless_edged_itself_ended_in_between() -> None:
    log = Log()
    log.restart(end=False)
    log.restart()
    assert log.broken() == ["one action at a time"]
    log = Log()
    log.restart(end=False)
    log.tell("edged.started", "edged")
    log.restart()
    assert log.broken() == []


def test_more_than_the_budget() -> None:
    log = Log()
    for attempt in range(BUDGET):
        log.restart(attempt + 1)
    assert log.broken() == []
    log.restart(BUDGET + 1)
    assert log.broken() == ["budget"] and log.broken(needy=True) == []


def test_what_a_person_asked_for_spends_nothing_and_an_outage_excuses_three() -> None:
    log = Log()
    for _ in range(3 * BUDGET):
        log.restart(0)
    assert log.broken() == []
    log.tell("app.changed", old="healthy", new="unknown", reason="the container engine does not answer")
    for attempt in range(BUDGET + 3):
        log.restart(attempt + 1)
    assert log.broken() == []
    log.restart(BUDGET + 4)
    assert log.broken() == ["budget"]


def test_what_was_tried_just_before_an_outage_is_given_back() -> None:
    log = Log()
    for attempt in range(BUDGET):
        log.restart(attempt + 1)
    log.tell("alert.raised", "engine", name="EngineDown")
    log.tell("alert.cleared", "engine", name="EngineDown")
    for attempt in range(BUDGET + 3):
        log.restart(attempt + 1)
    assert log.broken() == []
    log.restart(BUDGET + 4)
    assert log.broken() == ["budget"]


@pytest.mark.parametrize(("wait", "wrong"), [(0.3 * RETRY_AFTER, ["budget"]), (1.1 * RETRY_AFTER, [])])
def test_retries_after_giving_up_are_seldom(wait: float, wrong: list[str]) -> None:
    log = Log()
    log.tell("recovery.gave_up")
    log.restart(9, wait=wait)
    assert log.broken() == wrong


def test_nothing_happens_to_an_app_whose_data_is_being_restored() -> None:
    log = Log()
    log.restart(wait=1.0)
    log.tell("action.ended", f"{APP}/artifacts", 0.1, action="PlaceArtifact", action_id="d", ok=True, seconds=1.0)
    assert log.broken() == ["one action at a time"]
    log = Log()
    log.restart()
    log.tell("action.ended", f"{APP}/artifacts", 0.1, action="FetchBundle", action_id="f", ok=True, seconds=1.0)
    log.tell("action.ended", f"{APP}/artifacts", 1.2, action="PlaceArtifact", action_id="d", ok=True, seconds=1.0)
    log.restart()
    assert log.broken() == []


def test_a_restore_needs_evidence_once() -> None:
    def restore(*steps: str) -> list[str]:
        log = Log()
        log.tell("action.ended", action="CaptureEvidence", action_id="e")
        for step in steps:
            if step == "RestoreData":
                log.tell("action.ended", f"{APP}/data", action=step, action_id=step, ok=True, seconds=0.01)
                continue
            log.tell("action.started", action=step, action_id=step, attempt=0, reason="restore")
            log.tell("action.ended", action=step, action_id=step)
        return log.broken()

    assert restore("StopContainer", "RestoreData", "RestoreData", "StartContainer") == []
    assert restore("StartContainer", "RestoreData") == ["evidence first"]
    assert restore("StopContainer", "StartContainer") == ["evidence first"]


def test_an_order_that_nobody_hears_of_again() -> None:
    log = Log()
    log.tell("deployment.changed", id="1", old="", new="fetching")
    log.tell("command.answered", id="1", command="config.deploy", status="accepted")
    assert log.broken() == ["orders end", "orders end"]
    log.tell("deployment.changed", id="1", old="fetching", new="refused")
    log.tell("command.answered", id="1", command="config.deploy", status="failed")
    assert log.broken() == []


def test_what_does_not_end() -> None:
    log = Log()
    log.tell("alert.raised", name="AppDown")
    log.tell("incident.opened", incident="INC-1")
    log.tell("incident.closed", incident="INC-1")
    log.tell("incident.reopened", incident="INC-1")
    assert log.broken() == ["incidents close", "incidents close"]


def test_a_gap_at_the_reader_unless_it_was_told() -> None:
    log = Log()
    log.restart()
    assert log.broken(lost={2}) == ["gapless"]
    log.tell("spool.dropped", "edged", first=2, last=2, count=1, reason="disk")
    assert log.broken(lost={2}) == []


def test_the_same_seed_gives_the_same_rounds_and_all_faults_come() -> None:
    plans = rounds(500, 12, 1)
    assert plans == rounds(500, 12, 1) != rounds(500, 12, 2)
    assert sum(len({shot.app for shot in plan.shots}) for plan in plans) == 500
    assert {spell.what for plan in plans for spell in plan.spells} == set(SITE_FAULTS)
    assert {shot.what for plan in plans for shot in plan.shots} == set(APP_FAULTS)
    assert all(0.0 <= shot.at <= WITHIN for plan in plans for shot in plan.shots) and LOOP > BUDGET
