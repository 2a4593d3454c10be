"""LogErrors and AuthFailures from counted lines, and counts that survive, in a simulated world."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from edged.config import Config
from edged.judge.hints import hints
from edged.vocabulary import facts
from edged.vocabulary.events import AlertCleared, AlertRaised, CheckBroken
from edged.vocabulary.log_facts import LogCount, LogKind

from .world import World, app


class Written(World):
    """A world whose app ``a`` writes a log."""

    def __init__(self, *, discovered: bool = False, **logs: Any) -> None:
        given = {"logs": logs} if logs else {}
        config = app(restart={"enabled": False}, **given)
        if discovered:
            super().__init__({}, boxes={"a": {"labels": {"edged.enable": "true"}}})
        else:
            super().__init__({"a": config})
        self.run(2.0).forget()

    def write(self, *, late: int = 0, position: str = "", lines: int = 0, skipped: int = 0, **counts: int) -> Written:
        kinds: dict[LogKind, int] = {kind: counts[kind] for kind in ("errors", "slow", "auth") if counts.get(kind)}
        some = {kind: tuple(f"{kind} line {n}" for n in range(min(3, number))) for kind, number in kinds.items()}
        one = LogCount(
            app="a",
            lines=lines or sum(kinds.values()),
            counts=kinds,
            late=dict.fromkeys(kinds, late) if late else {},
            samples=some,
            skipped=skipped,
            position=position,
        )
        self.feed(facts.LogsCounted(at=self.now, apps=(one,)))
        return self

    @property
    def raised(self) -> list[str]:
        return [event.name for event in self.events(AlertRaised)]

    @property
    def cleared(self) -> list[str]:
        return [event.name for event in self.events(AlertCleared)]


def test_a_burst_is_an_alert_with_three_lines_at_once() -> None:
    w = Written().write(errors=4)
    w.run(20.0)
    assert not w.raised
    w.write(errors=6)
    [alert] = w.events(AlertRaised, name="LogErrors", subject="a", severity="warning")
    assert (alert.value, alert.threshold) == (10.0, 10.0)
    assert alert.summary == (
        "a wrote 10 lines of errors within a minute (10 are too many): "
        "[1] errors line 0 [2] errors line 1 [3] errors line 2"
    )
    assert "docker logs" in alert.advice


def test_it_clears_by_itself_when_the_log_is_calm() -> None:
    w = Written().write(errors=50)
    w.run(100.0)
    assert w.raised == ["LogErrors"] and not w.cleared
    w.run(30.0)
    [cleared] = w.events(AlertCleared)
    assert cleared.name == "LogErrors" and 119.0 < cleared.seconds < 125.0
    assert "0 lines of errors" in cleared.summary


def test_it_goes_on_while_lines_come() -> None:
    w = Written()
    for _ in range(60):
        w.write(errors=1).run(5.0)
    assert w.raised == ["LogErrors"] and not w.cleared, "twelve a minute"


def test_few_lines_never_are_one() -> None:
    w = Written()
    for _ in range(100):
        w.write(errors=1).run(7.0)
    assert not w.raised


def test_refused_logins_are_another_alert_and_slowness_is_none() -> None:
    w = Written(warn_per_minute=3).write(auth=3, slow=1000)
    [alert] = w.events(AlertRaised)
    assert alert.name == "AuthFailures" and "3 lines of refused logins" in alert.summary
    assert "edged isolate" in alert.advice


def test_what_was_written_long_before_raises_nothing_and_counts() -> None:
    w = Written().write(errors=500, late=500, position="p 1 c")
    w.run(10.0)
    assert not w.raised and w.state.logs["a"].totals["errors"] == 500
    assert w.write(errors=30, late=15).raised == ["LogErrors"]


def test_counts_survive_with_the_position_that_they_belong_to() -> None:
    w = Written().write(errors=5, lines=100, position="p1")
    w.write(errors=7, lines=10, skipped=3)
    book = w.state.logs["a"]
    assert book.totals == {"lines": 110, "skipped": 3, "errors": 12} and book.position == "p1"
    w.restart_edged()
    book = w.state.logs["a"]
    assert book.totals == {"lines": 100, "errors": 5} and book.position == "p1", "the rest is read again"
    w.run(5.0)
    w.write(errors=7, lines=10, skipped=3, position="p2").restart_edged()
    assert w.state.logs["a"].totals == {"lines": 110, "skipped": 3, "errors": 12}


def test_nothing_is_written_to_disk_between_two_positions() -> None:
    w = Written().write(errors=1, position="p1")
    before = dict(w.disk)
    for _ in range(20):
        w.write(errors=1, slow=3).run(0.5)
    assert {k: v for k, v in w.disk.items() if k.startswith("logs/")} == {
        k: v for k, v in before.items() if k.startswith("logs/")
    }


def test_an_alert_survives_a_restart_and_clears_afterwards() -> None:
    w = Written().write(errors=50)
    w.restart_edged().run(10.0)
    assert "LogErrors" in w.app("a").kept.alerts and not w.cleared
    w.run(120.0)
    assert w.cleared == ["LogErrors"]


def test_when_it_is_not_asked_for_any_more() -> None:
    w = Written().write(errors=50, position="p1")
    off = app(restart={"enabled": False}, logs="off")
    w.reload(replace(w.config, apps={"a": off}), changed=("apps.a.logs",))
    assert w.cleared == ["LogErrors"]
    w.write(errors=50)
    assert w.raised == ["LogErrors"] and w.state.logs["a"].totals["errors"] == 50, "one that was on its way"
    w.reload(Config(), changed=("apps.a",)).run(5.0)
    other = LogCount(app="a", counts={"errors": 1})
    w.feed(facts.LogsCounted(at=w.now, apps=(other,)))
    assert "a" not in w.state.logs, "an app that is gone is forgotten"


def test_discovered_apps_are_not_read_unless_asked_for() -> None:
    w = Written(discovered=True)
    assert w.app("a").discovered and not w.write(errors=50).raised


def test_a_log_that_cannot_be_read_is_said_once_and_its_mending() -> None:
    w = Written()
    for _ in range(3):
        w.feed(facts.CheckFailed(at=w.now, check="logs", subject="a", error="no driver"))
    [told] = w.events(CheckBroken)
    assert (told.subject, told.check, told.broken) == ("a", "logs", True) and w.app("a").broken == {"logs": "no driver"}
    w.write()
    assert [event.broken for event in w.events(CheckBroken)] == [True, False] and not w.app("a").broken
    w.feed(facts.CheckFailed(at=w.now, check="logs", subject="host", error="it did not come back within 30 s"))
    assert w.state.host.broken and w.write(errors=1).state.host.broken == {}


def test_what_the_log_says_is_told_beside_other_trouble() -> None:
    w = Written().write(slow=7, errors=2)
    assert "its log has 2 lines of errors and 7 of slowness within the last minute" in hints(w.app("a"), w.state, w.now)
    w.run(61.0)
    assert not any("its log" in one for one in hints(w.app("a"), w.state, w.now))


def test_samples_are_the_newest_and_different() -> None:
    w = Written()
    for text in ("one", "two", "two", "three", "four"):
        one = LogCount(app="a", counts={"errors": 1}, samples={"errors": (text,)})
        w.feed(facts.LogsCounted(at=w.now, apps=(one,)))
    assert w.app("a").log.samples == {"errors": ("four", "three", "two")}
