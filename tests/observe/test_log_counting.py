"""Positions in a log, and what is made of its lines."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.config import Logs
from edged.config.log_rules import LOOK
from edged.observe.log_counting import Allowance, Tally, finder, shape
from edged.observe.log_position import NOWHERE, Position, behind, seconds, since
from edged.ports import LogLine

AT = "2026-11-21T09:25:{:02d}.000000001Z"
TEXTS = st.text(st.sampled_from("aErRO slowUTtimeout|=x0"), max_size=30)


def lines(*texts: str, at: str = AT.format(1)) -> list[LogLine]:
    return [LogLine(at, text.encode() + b"\n") for text in texts]


def look(tally: Tally, some: list[LogLine], most: int = 10**6, until: float = 1e12, fresh: str = "") -> Tally:
    tally.look(some, most, until, fresh)
    return tally


# Positions


@given(st.lists(st.integers(0, 5), max_size=30), st.data())
def test_going_on_after_any_line_tells_each_line_once(seconds_: list[int], data: st.DataObject) -> None:
    log = [LogLine(AT.format(at), b"%d" % number) for number, at in enumerate(sorted(seconds_))]
    read = data.draw(st.integers(0, len(log)))
    cut = data.draw(st.integers(0, read))
    position = Position().after(log[:cut], "c").after(log[cut:read], "c")
    again = Position.decode(position.encode())
    assert again == position
    told = [line for line in log if line.at >= again.at]  # what an engine gives for since=
    parts = data.draw(st.integers(1, 5))
    rest, skip = [], again
    for begin in range(0, len(told), parts):
        new, skip = behind(told[begin : begin + parts], skip)
        rest += new
    assert rest == (log[read:] if again.at else log)


@pytest.mark.parametrize(
    ("stamp", "wanted"),
    [
        ("2026-11-21T09:25:49.013581769Z", "1795253149.013581769"),
        ("2026-11-21T10:25:49.013581769+01:00", "1795253149.013581769"),
        ("2026-11-21T09:25:49Z", "1795253149.000000000"),
        ("2026-11-21T09:25:49.5Z", "1795253149.500000000"),
        ("2026-11-21T09:25:49", ""),
        ("2026-13-21T09:25:49Z", ""),
        ("0001-01-01T00:00:00Z", ""),
        ("9999-12-31T23:59:59-23:59", ""),
        ("", ""),
    ],
)
def test_since(stamp: str, wanted: str) -> None:
    assert since(stamp) == wanted
    assert seconds(stamp) == (pytest.approx(float(wanted)) if wanted else None)


@pytest.mark.parametrize("text", ["", "x", "2026-11-21T09:25:49Z", "2026-11-21T09:25:49Z -1", "x 1", "2026 3", " 1"])
def test_what_is_no_position_begins_nowhere(text: str) -> None:
    assert Position.decode(text) == NOWHERE and NOWHERE.encode() == ""


def test_lines_without_a_time_do_not_move_it() -> None:
    known = Position(AT.format(1), 2, "c")
    assert known.after([LogLine("", b"x")], "c") == known
    assert known.after([LogLine(AT.format(1), b"x"), LogLine("", b"x")], "c") == Position(AT.format(1), 3, "c")


def test_lines_of_another_container_are_others() -> None:
    known = Position(AT.format(1), 2, "c")
    assert known.after([LogLine(AT.format(1), b"x")], "d") == Position(AT.format(1), 1, "d")


# Counting


@given(st.lists(TEXTS.filter(bool), min_size=1, max_size=4), st.booleans(), TEXTS)
def test_words_are_found_as_the_regular_expression_finds_them(words: list[str], ignore: bool, text: str) -> None:
    pattern = ("(?i)" if ignore else "") + "|".join(word.replace("|", "") or "x" for word in words)
    assert finder(pattern)(text, text.lower()) == (re.search(pattern, text) is not None)


@pytest.mark.parametrize(
    ("pattern", "text", "wanted"),
    [
        (r"level=(error|fatal)", "level=fatal x", True),
        (r"level=(error|fatal)", "level=info fatal", False),
        (r"^\d+ failed$", "12 failed", True),
        ("(?i)größe", "GRÖSSE GRÖßE", True),
        ("a|b c", "xb cx", True),
    ],
)
def test_other_expressions(pattern: str, text: str, wanted: bool) -> None:
    assert finder(pattern)(text, text.lower()) is wanted


def test_the_default_patterns() -> None:
    tally = look(
        Tally("a", Logs()),
        lines(
            "INFO all is well", "\x1b[31mERROR\x1b[0m no camera", "2026 CRITICAL x", "0 errors", "request timed out",
            'GET / 401 "Unauthorized"', "Login failed for admin", "Latency 12 ms", "FATAL timeout",
        ),
    )  # fmt: skip
    told = tally.told("p")
    assert told.lines == 9 and told.counts == {"errors": 3, "slow": 3, "auth": 2} and told.position == "p"
    assert told.samples["auth"] == ('GET / 401 "Unauthorized"', "Login failed for admin")
    assert told.samples["errors"][0] == "ERROR no camera"


def test_an_empty_pattern_counts_nothing() -> None:
    told = look(Tally("a", Logs(errors="", slow="", auth="x")), lines("ERROR timeout x")).told("")
    assert told.counts == {"auth": 1}


def test_what_was_told_is_not_told_again() -> None:
    tally = look(Tally("a", Logs()), lines("ERROR"))
    assert tally.matched and tally.told("").counts == {"errors": 1}
    assert not tally.matched and tally.told("").counts == {} and tally.told("").lines == 0


def test_old_lines_are_late() -> None:
    tally = Tally("a", Logs())
    old, new = lines("ERROR", at=AT.format(1)), lines("ERROR", "ERROR", at=AT.format(30))
    told = look(tally, old + new, fresh="2026-11-21T09:25:20").told("")
    assert told.counts == {"errors": 3} and told.late == {"errors": 1}


def test_too_many_lines_are_skipped_and_counted() -> None:
    told = look(Tally("a", Logs()), lines(*["ERROR"] * 100), most=30).told("")
    assert (told.lines, told.counts, told.skipped) == (100, {"errors": 30}, 70)


def test_lines_that_take_too_long_are_skipped_and_counted() -> None:
    now = iter(range(1000))
    tally = Tally("a", Logs(), lambda: float(next(now)))
    tally.look(lines(*["ERROR"] * 500), 1000, 3.0, "")
    told = tally.told("")
    assert told.lines == 500 and told.counts["errors"] + told.skipped == 500 and 0 < told.counts["errors"] < 100


def test_only_the_beginning_of_a_line_is_looked_at() -> None:
    far = "x" * LOOK + "ERROR"
    told = look(Tally("a", Logs()), lines(far, far[6:], "é" * (LOOK - 5) + "ERROR")).told("")
    assert told.counts == {"errors": 2}, "characters, not bytes"


def test_binary_junk_is_read_and_shown_harmlessly() -> None:
    junk = [LogLine(AT.format(1), b"\x00\xff\xfe ERROR \x1b]0;title\x07 \xe2\x80\xae \x1b[2J" + bytes(range(256)))]
    [shown] = look(Tally("a", Logs()), junk).told("").samples["errors"]
    assert "ERROR" in shown and shown.isprintable()


def test_samples_are_few_short_different_and_without_secrets() -> None:
    texts = [f"ERROR request {n} took 0x{n:02d}ms" for n in range(50)]
    texts += ["ERROR password=hunter2 refused", "ERROR " + "long " * 200, "ERROR one more shape"]
    shown = look(Tally("a", Logs()), lines(*texts)).told("").samples["errors"]
    assert len(shown) == 3 and len({shape(one) for one in shown}) == 3
    assert shown[1] == "ERROR password=*** refused" and all(len(one) <= 160 for one in shown)


# How much


def test_an_allowance_fills_up_again() -> None:
    allowance = Allowance(10.0, 100.0)
    assert allowance.left(0.0) == 100
    allowance.take(130)
    assert allowance.left(0.0) == 0 and allowance.left(2.0) == 0 and allowance.left(4.0) == 10
    assert allowance.left(1000.0) == 100


@given(st.lists(st.tuples(st.floats(0.0, 5.0), st.integers(0, 500)), max_size=50))
def test_no_more_than_rate_and_burst_is_ever_taken(steps: list[tuple[float, int]]) -> None:
    allowance, now, taken = Allowance(10.0, 100.0), 0.0, 0
    for wait, wanted in steps:
        now += wait
        got = min(wanted, allowance.left(now))
        allowance.take(got)
        taken += got
        assert taken <= 100 + 10 * now + 1
