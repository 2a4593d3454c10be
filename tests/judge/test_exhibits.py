"""Evidence goes to the incident that is open about its subject."""

from __future__ import annotations

import pytest

from edged.judge.exhibits import about, labelled
from edged.vocabulary.actions import CaptureEvidence, StartContainer
from edged.vocabulary.incidents import Harm, Incident, Joined
from edged.vocabulary.state import State

from .world import World, probed


def incident(number: int, cause: str, *subjects: str, hit: tuple[str, ...] = ()) -> Incident:
    alerts = tuple(
        Joined(name="AppDown", subject=one, severity="critical", summary="s", raised_at=0.0) for one in subjects
    )
    return Incident(
        id=f"INC-2026-01-02-{number:03}", title="t", kind="app", cause=cause, severity="P1", began_at=0.0,
        opened_at=0.0, respond_by=0.0, resolve_by=0.0, alerts=alerts, impact=dict.fromkeys(hit, Harm()),
    )  # fmt: skip


OPEN = {
    one.id: one
    for one in (incident(1, "engine", "engine", "b", hit=("c",)), incident(2, "a", "a"), incident(3, "a", "a", "b"))
}


@pytest.mark.parametrize(("subject", "number"), [("a", 3), ("b", 3), ("c", 1), ("engine", 1), ("d", 0)])
def test_the_newest_with_this_cause_else_the_newest_it_is_a_part_of(subject: str, number: int) -> None:
    found = about(subject, OPEN)
    assert (found.id if found is not None else "INC-2026-01-02-000") == f"INC-2026-01-02-{number:03}"


def test_the_capture_of_the_very_turn_that_opens_the_incident_knows_it() -> None:
    w = World({"a": probed()})
    w.every(2.0, w.probes)
    w.run(5.0).forget()
    w.crash("a")
    w.run(2.0)
    (capture,) = [a for _, a in w.asked if isinstance(a, CaptureEvidence)]
    (opened,) = w.state.incidents.open
    assert capture.incident == opened


def test_other_actions_are_left_as_they_are() -> None:
    action = StartContainer(id="1", subject="a", reason="r", timeout=1.0, container_id="c")
    assert labelled([action], State()) == (action,)
