"""Which limit would have spared alerts that came to nothing."""

from __future__ import annotations

from edged.config import App, Config
from edged.config.model import Memory
from edged.history.advice import Advice, Told, limits
from edged.ports.history import MINUTE, Point, Series
from edged.review import advising

BEGIN = 1_790_000_040
APPS = {"detector": App(memory=Memory(warn=0.8, critical=0.95))}


def advise(minutes: list[Point], subject: str, events: list[Told]) -> list[Advice]:
    """For these minutes of the subject's memory."""
    series = Series(subject, "memory.share", MINUTE, tuple(minutes))
    return advising.advice(limits(Config(), APPS), [series], events)


class Week:
    """A calm app, and what happened to it."""

    def __init__(self) -> None:
        self.minutes: list[Point] = []
        self.events: list[Told] = []
        self.at = BEGIN

    def goes(self, share: float, minutes: int = 1) -> None:
        for _ in range(minutes):
            self.minutes.append(Point(self.at, 12, share - 0.01, share, share, share))
            self.at += MINUTE

    def told(self, kind: str, **data: str) -> None:
        self.events.append((float(self.at), kind, "detector", data))

    def burst(self, share: float) -> None:
        """Three minutes above the limit, and nothing comes of it."""
        self.goes(0.5, 60)
        self.goes(share)
        self.told("alert.raised", name="HighMemory", severity="warning")
        self.goes(share, 2)
        self.told("alert.cleared", name="HighMemory", severity="warning")

    def trouble(self, steps: tuple[float, ...]) -> None:
        """Up to the critical limit, and a restart."""
        self.goes(0.5, 60)
        for index, share in enumerate(steps):
            self.goes(share)
            if index == 0:
                self.told("alert.raised", name="HighMemory", severity="warning")
        self.told("alert.changed", name="HighMemory", severity="critical")
        self.told("recovery.started")
        self.goes(0.4, 3)
        self.told("alert.cleared", name="HighMemory", severity="critical")

    def advice(self) -> list[Advice]:
        return advise(self.minutes, "detector", self.events)


def test_fourteen_of_fifteen_are_spared_and_none_is_delayed() -> None:
    week = Week()
    for _ in range(14):
        week.burst(0.83)
    week.trouble((0.88, 0.93, 0.97))
    (advice,) = week.advice()
    assert (advice.key, advice.now, advice.advised) == ("memory.warn", 0.8, 0.85)
    assert (advice.alerts, advice.spared, advice.kept) == (15, 14, 1)
    assert advice.text == "detector: memory.warn: 85% (now 80%) would have spared 14 of 15 alerts and delayed none"


def test_nothing_is_advised_that_would_delay_an_alert_that_mattered() -> None:
    week = Week()
    for _ in range(14):
        week.burst(0.83)
    week.trouble((0.82, 0.84, 0.97))
    assert week.advice() == []


def test_nothing_is_advised_for_alerts_that_all_mattered_or_were_few() -> None:
    week = Week()
    week.burst(0.83)
    week.burst(0.83)
    assert week.advice() == []
    for _ in range(5):
        week.trouble((0.9, 0.97))
    assert week.advice() == []


def test_other_trouble_soon_after_means_that_it_mattered() -> None:
    week = Week()
    for _ in range(5):
        week.burst(0.83)
        week.goes(0.5, 10)
        week.told("alert.raised", name="OomKilled", severity="critical")
        week.goes(0.5, 60)
    assert week.advice() == []


def test_it_goes_no_higher_than_is_of_use() -> None:
    week = Week()
    for _ in range(5):
        week.burst(0.94)
    assert week.advice() == []


def test_what_is_not_known_by_minute_is_not_counted() -> None:
    week = Week()
    for _ in range(8):
        week.burst(0.83)
    week.minutes = [point for point in week.minutes if point.begin > BEGIN + 4 * 63 * MINUTE]
    (advice,) = week.advice()
    assert advice.alerts == advice.spared == 4
    assert advice.text.endswith("would have spared 4 of 4 alerts of which none came to anything")


def test_trouble_of_an_app_means_that_an_alert_of_the_host_mattered() -> None:
    week = Week()
    for _ in range(5):
        week.burst(0.86)
    host = [(at, kind, "host", data) for at, kind, _, data in week.events]
    (advice,) = advise(week.minutes, "host", host)
    assert advice.key == "host.memory.warn"
    killed: list[Told] = [
        (at + 60.0, "recovery.started", "detector", {}) for at, kind, _, _ in host if kind == "alert.cleared"
    ]
    assert advise(week.minutes, "host", sorted([*host, *killed])) == []
