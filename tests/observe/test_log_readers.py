"""The round over all logs, with an engine whose streams a test fills."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edged.config import Logs
from edged.observe import log_reader
from edged.observe.jobs import LogTarget
from edged.ports import NotFound, Refused, Unreachable
from tests.observe.log_lab import BEGAN, Lab, stamp


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
