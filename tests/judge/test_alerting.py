"""One alert: raised, changed, cleared, flapping."""

from __future__ import annotations

from msgspec.structs import replace

from edged.config import Alerts
from edged.judge.alerting import QUIET, Reading, advance, due, put
from edged.vocabulary.events import AlertChanged, AlertCleared, AlertFlapping, AlertRaised, Event, Severity
from edged.vocabulary.state import Alert

FLAP = Alerts(changes=4, window=100.0, calm=60.0)
TWICE: tuple[Severity | None, ...] = ("warning", None, "warning", None)


class Bell:
    """An alert and a clock."""

    def __init__(self, **reading: float) -> None:
        self.alert, self.now, self.rules = Alert(), 0.0, reading
        self.due: float | None = None

    def read(self, level: Severity | None, after: float = 0.0, summary: str = "s") -> list[type[Event]]:
        self.now += after
        reading = replace(Reading(level=level, summary=summary), **self.rules)
        step = advance("A", "x", self.alert, reading, self.now, FLAP)
        self.alert, self.events, self.due = step.alert, step.events, step.due
        return [type(e) for e in step.events]


def test_it_fires_at_once_without_a_for() -> None:
    bell = Bell()
    assert bell.read("warning") == [AlertRaised]
    assert bell.alert.severity == "warning"


def test_it_fires_once() -> None:
    bell = Bell()
    bell.read("warning")
    assert bell.read("warning", 100.0) == []


def test_a_level_must_last() -> None:
    bell = Bell(raise_for=30.0)
    assert bell.read("warning") == []
    assert bell.due == 30.0
    assert bell.read("warning", 29.0) == []
    assert bell.read("warning", 1.0) == [AlertRaised]


def test_a_pause_in_between_begins_the_wait_anew() -> None:
    bell = Bell(raise_for=30.0)
    bell.read("warning")
    bell.read(None, 20.0)
    bell.read("warning", 5.0)
    assert bell.read("warning", 25.0) == []


def test_it_fires_at_the_very_moment_that_was_slept_until() -> None:
    bell = Bell(raise_for=0.1)
    bell.now = 0.7
    bell.read("warning")
    assert bell.due is not None
    bell.now = bell.due
    assert bell.read("warning") == [AlertRaised]


def test_a_warning_may_come_before_the_critical() -> None:
    bell = Bell(raise_for=30.0)
    bell.read("warning")
    bell.read("critical", 20.0)
    assert bell.read("critical", 10.0) == [AlertRaised]
    assert bell.alert.severity == "warning"
    assert bell.read("critical", 20.0) == [AlertChanged]
    assert bell.alert.severity == "critical"


def test_what_is_critical_from_the_start_is_raised_as_such() -> None:
    bell = Bell(raise_for=30.0)
    bell.read("critical")
    bell.read("critical", 30.0)
    assert bell.alert.severity == "critical"


def test_clearing_waits_for_calm() -> None:
    bell = Bell(clear_for=30.0)
    bell.read("warning")
    assert bell.read(None, 10.0) == []
    assert bell.due == 40.0
    assert bell.read("warning", 20.0) == []
    assert bell.read(None, 10.0) == []
    assert bell.read(None, 30.0) == [AlertCleared]


def test_a_critical_alert_steps_down_to_warning() -> None:
    bell = Bell(clear_for=30.0)
    bell.read("critical")
    assert bell.read("warning", 10.0) == []
    assert bell.read("warning", 30.0) == [AlertChanged]
    assert bell.alert.severity == "warning"


def test_the_end_tells_how_long_it_fired_and_how_things_are_now() -> None:
    bell = Bell()
    bell.read("critical", summary="it is down")
    bell.read(None, 25.0, summary="it is up")
    (told,) = bell.events
    assert isinstance(told, AlertCleared)
    assert (told.seconds, told.summary, told.severity) == (25.0, "it is up", "critical")


def test_an_end_without_words_repeats_what_was_the_matter() -> None:
    bell = Bell()
    bell.read("critical", summary="it is down")
    bell.read(None, 1.0, summary="")
    (told,) = bell.events
    assert isinstance(told, AlertCleared) and told.summary == "it is down"


def flap(bell: Bell) -> list[type[Event]]:
    """Raised and cleared twice within the window, the second raise being the fourth change."""
    told: list[type[Event]] = []
    for level in (*TWICE, TWICE[0]):
        told += bell.read(level, 5.0)
    return told


def test_flapping_is_said_once_and_the_alert_is_held() -> None:
    bell = Bell()
    assert flap(bell)[-2:] == [AlertRaised, AlertFlapping]
    assert [bell.read(level, 5.0) for level in reversed(TWICE)] == [[], [], [], []]
    assert bell.alert.severity == "warning"


def test_flapping_ends_in_calm() -> None:
    bell = Bell()
    flap(bell)
    bell.read(None, 5.0)
    assert bell.due == bell.now + FLAP.calm
    assert bell.read(None, FLAP.calm - 1.0) == []
    assert bell.read(None, 1.0) == [AlertCleared]
    assert not bell.alert.flapping


def test_flapping_that_ends_up_firing_goes_on_firing() -> None:
    bell = Bell()
    flap(bell)
    assert bell.read("warning", FLAP.calm) == []
    assert (bell.alert.severity, bell.alert.flapping) == ("warning", False)


def test_changes_long_ago_are_no_flapping() -> None:
    bell = Bell()
    for _ in range(10):
        assert AlertFlapping not in bell.read("warning", 60.0)
        bell.read(None, 60.0)


def test_while_it_flaps_nothing_is_due_but_the_calm() -> None:
    bell = Bell()
    flap(bell)
    bell.read(None, 1.0)
    assert due(bell.alert, 0.0, 0.0, bell.now, FLAP) == bell.now + FLAP.calm


def test_an_alert_is_forgotten_when_its_past_does_not_matter_any_more() -> None:
    bell = Bell()
    bell.read("warning")
    bell.read(None, 1.0)
    assert bell.alert != QUIET
    bell.read(None, FLAP.window)
    assert bell.alert == QUIET
    assert put({"A": bell.alert}, "A", bell.alert) == {}


def test_a_reading_that_changes_nothing_returns_the_same_alert() -> None:
    bell = Bell()
    bell.read("warning")
    before = bell.alert
    bell.read("warning", 1.0)
    assert bell.alert is before
