"""The round over all logs, with an engine whose streams a test fills."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from edged.config import Logs
from edged.observe import log_reader
from edged.observe.jobs import LogsJob, LogTarget
from edged.observe.log_readers import LogReaders
from edged.ports import LogLine, LogRead, NotFound, PortError, Refused, Unreachable
from edged.vocabulary.facts import CheckFailed, LogsCounted
from edged.vocabulary.log_facts import LogCount

BEGAN = 1_795_253_149.0


def stamp(wall: float) -> str:
    return datetime.fromtimestamp(int(wall), UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{wall % 1 * 1e9:09.0f}Z"


class Clock:
    def __init__(self) -> None:
        self.t, self.set = 0.0, BEGAN

    def now(self) -> float:
        return self.t

    def wall(self) -> float:
        return self.set + self.t


class Stream:
    def __init__(self, engine: Engine, container: str, since: str, tail: int) -> None:
        self.engine, self.container, self.closed = engine, container, False
        log = engine.logs[container]
        past = log[len(log) - min(tail, len(log)) :]
        self.waiting = [line for line in past if not since or _wall(line) >= float(since)]
        self.since, self.read_sizes, self.error = since, list[int](), None
        self.ended = False

    error: PortError | None

    def read(self, most: int) -> LogRead:
        assert not self.closed and most > 0
        if self.error is not None:
            raise self.error
        size, lines = 0, []
        while self.waiting and size < most:
            line = self.waiting.pop(0)
            size += len(line.text) + 40
            lines.append(line)
        self.engine.taken[self.container] = self.engine.taken.get(self.container, 0) + size
        self.engine.clock.t += size * self.engine.cost
        return LogRead(lines, size, self.ended and not self.waiting)

    def close(self) -> None:
        self.closed = True


def _wall(line: LogLine) -> float:
    return datetime.fromisoformat(line.at[:26] + "Z").timestamp()


class Engine:
    """Log lines by container, kept for ever, and who follows them."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.logs, self.streams = clock, dict[str, list[LogLine]](), list[Stream]()
        self.refuses: dict[str, PortError] = {}
        self.asked: list[tuple[str, str, int]] = []
        self.taken: dict[str, int] = {}
        self.cost = 0.0
        """Seconds that a byte takes."""

    def follow_logs(self, container: str, since: str, tail: int, timeout: float) -> Stream:
        self.asked.append((container, since, tail))
        if container in self.refuses:
            raise self.refuses[container]
        self.logs.setdefault(container, [])
        stream = Stream(self, container, since, tail)
        self.streams.append(stream)
        return stream

    def write(self, container: str, *texts: str, wall: float | None = None) -> None:
        at = self.clock.wall() if wall is None else wall
        for number, text in enumerate(texts):
            line = LogLine(stamp(at + number * 1e-6), text.encode() + b"\n")
            self.logs.setdefault(container, []).append(line)
            for stream in self.streams:
                if stream.container == container and not stream.closed and at >= float(stream.since or 0.0):
                    stream.waiting.append(line)

    def end(self, container: str) -> None:
        for stream in self.streams:
            stream.ended = stream.ended or stream.container == container

    def open(self) -> list[Stream]:
        return [stream for stream in self.streams if not stream.closed]


class Lab:
    def __init__(self) -> None:
        self.clock = Clock()
        self.engine = Engine(self.clock)
        self.readers = self.fresh()
        self.targets: dict[str, LogTarget] = {}
        self.told: list[LogCount] = []
        self.failed: list[CheckFailed] = []

    def fresh(self) -> LogReaders:
        engine: Any = self.engine
        return LogReaders(engine, self.clock, monotonic=self.clock.now, pause=self.pause)

    def pause(self, seconds: float) -> None:
        self.clock.t += seconds

    def watch(self, app: str, container: str = "", started: float = 0.0, **rules: Any) -> None:
        self.targets[app] = LogTarget(app=app, rules=Logs(**rules), container=container, started=started)

    def run(self, seconds: float = 1.0) -> Lab:
        """Rounds, a second apart."""
        until = self.clock.t + seconds
        while self.clock.t < until:
            apps = tuple(self.targets.values())
            facts = self.readers.take(LogsJob(check="logs", subject="host", every=1.0, deadline=30.0, apps=apps))
            for fact in facts:
                if isinstance(fact, LogsCounted):
                    self.told += fact.apps
                elif isinstance(fact, CheckFailed):
                    self.failed.append(fact)
            self.clock.t = max(self.clock.t, int(self.clock.t) + 1.0)
        return self

    def restart(self) -> Lab:
        """edged ends at once and begins with what was kept."""
        kept = {}
        for one in self.told:
            if one.position:
                kept[one.app] = one.position
        self.readers = self.fresh()
        self.targets = {name: replace(t, resume=kept.get(name, "")) for name, t in self.targets.items()}
        for stream in self.engine.streams:
            stream.closed = True
        return self

    def kept(self, app: str) -> int:
        """Errors counted up to the position that survives."""
        mine = [one for one in self.told if one.app == app]
        last = max((n for n, one in enumerate(mine) if one.position), default=-1)
        return sum(one.counts.get("errors", 0) for one in mine[: last + 1])

    def forget(self) -> None:
        """What was told after the last position was kept is lost with edged."""
        for app in {one.app for one in self.told}:
            mine = [n for n, one in enumerate(self.told) if one.app == app]
            last = max((n for n in mine if self.told[n].position), default=-1)
            self.told = [one for n, one in enumerate(self.told) if one.app != app or n <= last]

    def total(self, app: str, what: str = "errors") -> int:
        mine = [one for one in self.told if one.app == app]
        if what in ("lines", "skipped"):
            return sum(getattr(one, what) for one in mine)
        return sum(number for one in mine for kind, number in one.counts.items() if kind == what)


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab()
    yield made
    assert len({stream.container for stream in made.engine.open()}) == len(made.engine.open()), "one each"


def test_a_container_that_has_just_been_started_is_read_from_its_start(lab: Lab) -> None:
    lab.engine.write("c", "ERROR before", wall=BEGAN - 20.0)
    lab.engine.write("c", "ERROR before the engine noted the start", wall=BEGAN - 1.6)
    lab.engine.write("c", "ERROR first", wall=BEGAN - 1.0)
    lab.watch("a", "c", started=BEGAN - 1.5)
    assert lab.run().total("a") == 2


def test_one_that_ran_long_before_is_read_from_now_on(lab: Lab) -> None:
    lab.engine.write("c", *["ERROR old"] * 100, wall=BEGAN - 5.0)
    lab.watch("a", "c", started=BEGAN - 5000.0)
    lab.run(2.0)
    lab.engine.write("c", "ERROR new", "all is well")
    lab.run(3.0)
    assert (lab.total("a"), lab.total("a", "lines")) == (1, 2) and lab.engine.asked == [("c", "", 0)]


def test_it_waits_a_moment_to_learn_when_the_container_was_started(lab: Lab) -> None:
    lab.engine.write("c", "ERROR first")
    lab.watch("a", "c")
    assert not lab.run(2.0).engine.asked
    lab.watch("a", "c", started=BEGAN)
    assert lab.run().total("a") == 1
    lab.watch("b", "d")
    lab.run(5.0)
    lab.engine.write("d", "ERROR")
    assert lab.run(3.0).total("b") == 1, "an engine that does not tell is read all the same"


def test_matches_are_told_within_two_seconds_and_mere_lines_once_a_minute(lab: Lab) -> None:
    lab.watch("a", "c", started=BEGAN)
    for _ in range(185):
        lab.engine.write("c", "all is well")
        lab.run()
    assert 3 <= len(lab.told) <= 4 and all(one.position for one in lab.told)
    lab.engine.write("c", "ERROR")
    assert lab.run(2.0).total("a") == 1 and not lab.told[-1].position


def test_quiet_logs_tell_nothing(lab: Lab) -> None:
    lab.watch("a", "c", started=BEGAN)
    assert not lab.run(300.0).told and len(lab.engine.asked) == 1


@pytest.mark.parametrize("at", [0, 3, 29, 59, 61, 100])
def test_a_crash_of_edged_neither_loses_nor_doubles(lab: Lab, at: int) -> None:
    lab.watch("a", "c", started=BEGAN)
    for second in range(150):
        lab.engine.write("c", "ERROR", "ERROR", "well")
        lab.run()
        if second == at:
            lab.forget()
            lab.restart()
            lab.engine.write("c", "ERROR while it was away")
            lab.clock.t += 3.0
    assert lab.run(70.0).total("a") == 301 and lab.kept("a") == 301


def test_the_engine_ends_a_stream_with_the_container_and_goes_on_with_the_next_run(lab: Lab) -> None:
    lab.watch("a", "c", started=BEGAN)
    lab.run(2.0)
    lab.engine.write("c", "FATAL last words")
    lab.engine.end("c")
    lab.watch("a")
    lab.run(3.0)
    assert lab.total("a") == 1 and not lab.engine.open()
    lab.run(60.0)
    lab.engine.write("c", "ERROR first words")
    lab.watch("a", "c", started=lab.clock.wall())
    assert lab.run(3.0).total("a") == 2


def test_a_new_container_gets_the_last_words_of_the_old_one_counted(lab: Lab) -> None:
    lab.watch("a", "c", started=BEGAN)
    lab.run(2.0)
    lab.engine.write("c", "FATAL last words")
    lab.watch("a", "d", started=lab.clock.wall())
    lab.engine.write("d", "ERROR first words")
    assert lab.run(3.0).total("a") == 2
    assert [stream.container for stream in lab.engine.open()] == ["d"]


def test_last_words_are_not_waited_for_for_ever(lab: Lab) -> None:
    lab.watch("a", "c", started=BEGAN)
    lab.run(2.0)
    lab.watch("a")
    lab.run(log_reader.LEAVING + 2.0)
    assert not lab.engine.open()


def test_after_a_long_absence_the_past_is_bounded_and_late(lab: Lab) -> None:
    lab.watch("a", "c", started=BEGAN)
    lab.engine.write("c", "ERROR")
    lab.run(3.0)
    for n in range(10_000):
        lab.engine.write("c", "ERROR", wall=lab.clock.wall() + 0.01 * n)
    lab.clock.t += 7200.0
    lab.restart().told.clear()
    lab.run(70.0)
    assert lab.total("a") == log_reader.CATCH_UP and lab.told[0].late == lab.told[0].counts
    assert lab.total("a", "skipped") == pytest.approx(5000, rel=0.1), "the rest is guessed from their pace"
    lab.engine.write("c", "ERROR now")
    lab.run(3.0)
    assert lab.told[-1].counts == {"errors": 1} and not lab.told[-1].late


def test_many_apps_are_caught_up_with_whole_and_round_after_round(lab: Lab) -> None:
    names = [f"a{n}" for n in range(20)]
    for name in names:
        lab.watch(name, name, started=BEGAN)
        lab.engine.write(name, *["ERROR"] * 4000, wall=BEGAN + 1.0)
    lab.engine.cost = 3e-6 / 47  # 3 µs a line: 0.24 s for all
    lab.clock.t = 10.0
    lab.run(10.0)
    assert [lab.total(name) for name in names] == [4000] * 20
    assert sum(lab.total(name, "skipped") for name in names) == 0


def test_a_flood_is_bounded_counted_and_left_behind(lab: Lab) -> None:
    lab.watch("flood", "f", started=BEGAN)
    lab.watch("a", "c", started=BEGAN)
    lab.run(2.0)
    for _ in range(60):
        lab.engine.write("f", *["ERROR again"] * 8000)
        lab.engine.write("c", "ERROR")
        lab.run()
    lab.run(60.0)
    assert lab.total("a") == 60 and lab.total("a", "skipped") == 0
    looked_at = log_reader.CATCH_UP + 75 * log_reader.LINES_PER_SECOND
    assert 0 < lab.total("flood") <= looked_at
    bound = log_reader.BYTES_AT_ONCE + 75 * log_reader.BYTES_PER_SECOND + log_reader.A_READ
    assert 10 * log_reader.BYTES_PER_SECOND < lab.engine.taken["f"] < bound
    seen = lab.total("flood", "lines")
    assert seen == pytest.approx(480_000, rel=0.25), "what was left out is estimated"
    assert lab.total("flood", "skipped") == pytest.approx(seen - lab.total("flood"), abs=1)


def test_after_a_flood_it_is_read_as_before(lab: Lab) -> None:
    lab.watch("f", "f", started=BEGAN)
    for _ in range(30):
        lab.engine.write("f", *["noise"] * 8000)
        lab.run()
    lab.run(30.0)
    before = lab.total("f")
    lab.engine.write("f", "ERROR", "ERROR")
    assert lab.run(3.0).total("f") == before + 2


def test_a_slow_machine_skips_and_hits_all_alike(lab: Lab) -> None:
    for name in "abcdefgh":
        lab.watch(name, name, started=BEGAN)
    lab.run(2.0)
    lab.engine.cost = 0.05 / 500 / 47  # 500 lines take 50 ms
    for _ in range(40):
        for name in "abcdefgh":
            lab.engine.write(name, *["ERROR"] * 500)
        began = lab.clock.t
        lab.run()
        assert lab.clock.t - began < 1.5
    counts = [lab.total(name) for name in "abcdefgh"]
    assert min(counts) > 0.3 * max(counts) and sum(counts) < 160_000
    assert all(lab.total(n, "lines") == lab.total(n) + lab.total(n, "skipped") for n in "abcdefgh")


def test_a_driver_that_cannot_be_read_is_said_once_and_its_mending_too(lab: Lab) -> None:
    lab.engine.refuses["c"] = Refused("configured logging driver does not support reading")
    lab.watch("a", "c", started=BEGAN)
    lab.watch("b", "d", started=BEGAN)
    lab.engine.write("d", "ERROR")
    lab.run(30.0)
    assert lab.total("b") == 1 and len(lab.engine.asked) == 3, "and it is not asked again and again"
    [said] = lab.failed
    assert (said.check, said.subject) == ("logs", "a") and "does not support reading" in said.error
    lab.run(2 * log_reader.SELDOM)
    assert len(lab.failed) == 1 and len(lab.engine.asked) <= 5
    del lab.engine.refuses["c"]
    lab.watch("a", "c", started=lab.clock.wall())
    lab.run(2.0)
    assert [one for one in lab.told if one.app == "a"][-1].lines == 0, "a sign that it works"


def test_one_that_is_just_being_removed_is_no_news(lab: Lab) -> None:
    lab.engine.refuses["c"] = Refused("can not get logs from container which is dead or marked for removal")
    lab.watch("a", "c", started=BEGAN)
    lab.run(1.0)
    lab.engine.refuses["c"] = NotFound("No such container: c")
    lab.run(20.0)
    assert not lab.failed


def test_an_engine_that_is_away_is_asked_less_and_less_and_for_one_app(lab: Lab) -> None:
    for name in "abc":
        lab.engine.refuses[name] = Unreachable("nobody listens")
        lab.watch(name, name, started=BEGAN)
    lab.run(120.0)
    assert not lab.failed and len(lab.engine.asked) < 40
    lab.engine.refuses.clear()
    for name in "abc":
        lab.engine.write(name, "ERROR", wall=BEGAN + 60.0)
    lab.run(31.0)
    assert [lab.total(name) for name in "abc"] == [1, 1, 1], "what was written meanwhile is read"


def test_a_stream_that_breaks_is_opened_again_where_it_was(lab: Lab) -> None:
    lab.watch("a", "c", started=BEGAN)
    lab.engine.write("c", "ERROR one")
    lab.run(3.0)
    lab.engine.streams[-1].error = Unreachable("it broke the connection off")
    lab.run(1.0)
    lab.engine.write("c", "ERROR two")
    assert lab.run(5.0).total("a") == 2 and not lab.failed


def test_a_clock_that_was_wrong_does_not_make_it_blind(lab: Lab) -> None:
    lab.engine.write("c", "ERROR from the future", wall=BEGAN + 10 * 365 * 86400.0)
    lab.targets["a"] = LogTarget(
        app="a", rules=Logs(), container="c", started=BEGAN, resume=f"{stamp(BEGAN + 10 * 365 * 86400.0)} 1 c"
    )
    lab.run(2.0)
    lab.engine.write("c", "ERROR now")
    assert lab.run(3.0).total("a") == 1


def test_a_clock_that_is_set_back_while_it_reads(lab: Lab) -> None:
    lab.watch("a", "c", started=BEGAN)
    lab.run(2.0)
    lab.clock.set -= 3600.0
    lab.run(2.0)
    lab.engine.write("c", "ERROR now")
    assert lab.run(3.0).total("a") == 1


def test_an_engine_with_another_clock_raises_bursts_all_the_same(lab: Lab) -> None:
    lab.watch("a", "c", started=BEGAN - 3600.0)
    lab.run(log_reader.CATCHING_UP + 1.0)
    lab.engine.write("c", *["ERROR"] * 20, wall=lab.clock.wall() - 3600.0)
    lab.run(3.0)
    assert lab.told[-1].counts == {"errors": 20} and not lab.told[-1].late


def test_new_rules_go_on_where_the_old_ones_were(lab: Lab) -> None:
    lab.watch("a", "c", started=BEGAN)
    lab.engine.write("c", "ERROR", "ALARM")
    lab.run(3.0)
    lab.watch("a", "c", started=BEGAN, errors="ALARM")
    lab.run(2.0)
    lab.engine.write("c", "ERROR", "ALARM", "ALARM")
    assert lab.run(3.0).total("a") == 3 and len(lab.engine.open()) == 1


def test_apps_that_are_not_asked_for_any_more_are_let_go(lab: Lab) -> None:
    lab.watch("a", "c", started=BEGAN)
    lab.watch("b", "d", started=BEGAN)
    lab.run(2.0)
    del lab.targets["a"]
    lab.run(1.0)
    assert [stream.container for stream in lab.engine.open()] == ["d"]
    lab.readers.stop()
    assert not lab.engine.open()


def test_being_stopped_in_the_middle_of_a_round(lab: Lab) -> None:
    lab.watch("a", "c", started=BEGAN)
    lab.run(1.0)
    lab.engine.write("c", *["x"] * 200)
    lab.readers._pause = lambda seconds: lab.readers.stop()
    lab.run(1.0)
    assert not lab.engine.open()
