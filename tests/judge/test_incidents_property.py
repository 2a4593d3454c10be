"""Whatever comes in whatever order: what must hold of incidents."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edged.config.incidents import BUILT_IN
from edged.judge.incidents.desk import MOST_CLOSED, alerts
from edged.judge.incidents.record import MOST, MOST_DEEDS
from edged.vocabulary.events import (
    ActionEnded,
    ActionStarted,
    AppChanged,
    IncidentClosed,
    IncidentOpened,
    IncidentReopened,
    NoteTaken,
    RecoveryGaveUp,
    Severity,
)

from .incident_rig import Rig

SUBJECTS = ("detector", "base", "other", "broker", "host", "/data", "engine")
NAMES = tuple(sorted(BUILT_IN))
LEVELS: tuple[Severity, ...] = ("warning", "critical")
KEYS = st.tuples(st.sampled_from(NAMES[:12]), st.sampled_from(SUBJECTS), st.sampled_from(LEVELS))
WAITS = st.sampled_from((0.0, 0.01, 1.0, 30.0, 299.0, 300.0, 600.0, 901.0, 7200.0, 86400.0))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("toggle"), KEYS, WAITS),
        st.tuples(st.sampled_from(("act", "note", "gave_up", "restart", "condition")), KEYS, WAITS),
    ),
    max_size=60,
)
RULES = st.fixed_dictionaries(
    {"hold": st.sampled_from((0.0, 10.0, 300.0, 3600.0)), "reopen": st.sampled_from((0.0, 900.0))}
)
Key = tuple[str, str, Severity]


def step(rig: Rig, kind: str, key: Key, number: int) -> None:
    name, subject, level = key
    match kind:
        case "toggle":
            firing = alerts(rig.state).get((name, subject))
            if firing is None:
                rig.up(name, subject, level)
            elif firing.severity != level:
                rig.change(name, subject, level)
            else:
                rig.down(name, subject)
        case "act":
            identity = f"{subject}/{number}"
            rig.feed(ActionStarted(subject=subject, action_id=identity, action="StartContainer", reason=name))
            rig.feed(ActionEnded(subject=subject, action_id=identity, action="StartContainer", ok=True, seconds=0.5))
        case "note":
            rig.feed(NoteTaken(subject=subject, text=name * 100, by="ann"))
        case "gave_up":
            rig.feed(RecoveryGaveUp(subject=subject, ailment=name, attempts=3, retry_in=60.0))
        case "condition":
            worse = ("healthy", "unhealthy", "down", "missing", "stopped")[number % 5]
            rig.feed(AppChanged(subject=subject, old="unknown", new=worse, reason=name, image=f"i{number % 3}"))
        case "restart":
            rig.restart()


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, rules=RULES)
def test_whatever_happens(steps: list[tuple[str, Key, float]], rules: dict[str, float]) -> None:
    rig = Rig(**rules)
    for number, (kind, key, wait) in enumerate(steps):
        step(rig, kind, key, number)
        rig.holds()
        rig.wait(wait)
        rig.holds()
        for incident in (*rig.open, *rig.state.incidents.closed.values()):
            assert len(incident.timeline) <= MOST and len(incident.actions) <= MOST_DEEDS
            assert [line.at for line in incident.timeline] == sorted(line.at for line in incident.timeline)
            assert incident.began_at <= incident.opened_at
    for name, subject in [*alerts(rig.state)]:
        rig.down(name, subject)
    assert all(i.restored_at is not None for i in rig.open)
    rig.wait(rules["hold"] + 1.0)
    assert not rig.open, "all alerts are clear, and the hold time is over"
    assert rig.state.incidents.due is None and len(rig.state.incidents.closed) <= MOST_CLOSED
    opened = [e.incident for e in rig.events(IncidentOpened)]
    assert len(opened) == len(set(opened)), "an id was given twice"
    closed = [e.incident for e in rig.events(IncidentClosed)]
    reopened = [e.incident for e in rig.events(IncidentReopened)]
    assert sorted(closed) == sorted([*opened, *reopened]), "each one that opens is told to close"


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_what_is_on_disk_is_all_there_was(steps: list[tuple[str, Key, float]]) -> None:
    """A run that is cut off after any turn goes on as if it had not been."""
    rig = Rig()
    for number, (kind, key, wait) in enumerate(steps):
        step(rig, kind, key, number)
        rig.wait(wait)
    before = rig.state.incidents
    rig.restart()
    after = rig.state.incidents
    kept = {i: (a.alerts, a.severity, a.respond_by, a.timeline, a.actions, a.impact) for i, a in before.open.items()}
    assert {
        i: (a.alerts, a.severity, a.respond_by, a.timeline, a.actions, a.impact) for i, a in after.open.items()
    } == kept
    assert {**after.closed} == {**before.closed}
    assert (after.numbers, after.images, after.due) == (before.numbers, before.images, before.due)
