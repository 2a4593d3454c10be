"""From scrapes to windows: resets, gaps, label sets that come and go."""

from __future__ import annotations

from math import inf
from typing import Any

from edged.judge.increments import MARKS, SETS, add, keep, merged, window
from edged.vocabulary.inference import Buckets, Mark, Scrape


class Watch:
    """One app whose pages come one after another."""

    def __init__(self, longest: float = 1000.0) -> None:
        self.last: Scrape | None = None
        self.marks: tuple[Mark, ...] = ()
        self.longest = longest

    def see(self, at: float, **page: Any) -> Watch:
        scrape = Scrape(**page)
        self.marks = keep(self.marks, add(self.marks[-1] if self.marks else None, self.last, scrape, at), self.longest)
        self.last = merged(self.last, scrape)
        return self

    def counted(self, seconds: float = 1000.0) -> tuple[float, float]:
        found = window(self.marks, seconds)
        assert found is not None
        return found.requests, found.failed


def test_one_scrape_says_nothing() -> None:
    assert window(Watch().see(0.0, totals={"a": 5.0}).marks, 60.0) is None


def test_what_was_there_before_does_not_count() -> None:
    assert Watch().see(0.0, totals={"a": 500.0}).see(15.0, totals={"a": 503.0}).counted() == (3.0, 0.0)


def test_a_counter_that_began_anew_counts_from_0() -> None:
    seen = Watch().see(0.0, totals={"a": 500.0, "b": 7.0}).see(15.0, totals={"a": 4.0, "b": 9.0})
    assert seen.counted() == (6.0, 0.0)


def test_one_worker_of_many_that_began_anew_takes_nothing_from_the_others() -> None:
    seen = Watch().see(0.0, totals={"1": 1e6, "2": 5e5}).see(15.0, totals={"1": 1e6 + 10, "2": 3.0})
    assert seen.counted() == (13.0, 0.0)


def test_a_label_set_that_comes_with_its_first_failure_counts() -> None:
    page = {"200": 10.0, "500": 4.0}
    seen = Watch().see(0.0, totals={"200": 10.0}).see(15.0, totals=page, failures={"500": 4.0})
    assert seen.counted() == (4.0, 4.0)


def test_a_label_set_that_is_left_out_once_has_not_begun_anew() -> None:
    seen = Watch().see(0.0, totals={"a": 100.0, "b": 1.0}).see(15.0, totals={"b": 1.0}).see(30.0, totals={"a": 101.0})
    assert seen.counted() == (1.0, 0.0)


def test_label_sets_without_end_are_forgotten_from_the_oldest_on() -> None:
    seen = Watch()
    for at in range(20):
        seen.see(float(at), totals={f"{at}/{n}": 1.0 for n in range(SETS // 4)})
    assert seen.last is not None and len(seen.last.totals) == SETS


def test_a_page_with_very_many_label_sets_counts_nothing_twice() -> None:
    seen = Watch()
    for at in range(4):
        seen.see(15.0 * at, totals={str(n): 1000.0 + at for n in range(SETS + 1000)})
    assert seen.counted() == (3.0 * (SETS + 1000), 0.0)


def test_a_gap_is_bridged() -> None:
    seen = Watch().see(0.0, totals={"a": 0.0}).see(600.0, totals={"a": 60.0})
    found = window(seen.marks, 1000.0)
    assert found is not None and (found.seconds, found.requests) == (600.0, 60.0)


def test_nothing_older_than_the_window_counts() -> None:
    seen = Watch(longest=60.0)
    for number in range(100):
        seen.see(number * 15.0, totals={"a": number * 10.0})
    assert seen.counted(60.0) == (40.0, 0.0) and len(seen.marks) == 5
    assert seen.counted(30.0) == (20.0, 0.0)


def test_quick_scrapes_and_long_windows_take_bounded_room() -> None:
    seen = Watch(longest=3600.0)
    for number in range(40_000):
        seen.see(number * 0.1, totals={"a": float(number)})
    found = window(seen.marks, 3600.0)
    assert len(seen.marks) <= MARKS + 2
    assert found is not None and found.requests == found.seconds * 10.0 > 35_000.0


def test_buckets_of_a_new_label_set_begin_with_it() -> None:
    first: dict[str, Buckets] = {"a": ((0.1, 5.0), (inf, 9.0))}
    second: dict[str, Buckets] = {"a": ((0.1, 6.0), (inf, 12.0)), "b": ((0.1, 70.0), (inf, 80.0))}
    found = window(Watch().see(0.0, latency=first).see(15.0, latency=second).marks, 60.0)
    assert found is not None and found.buckets == ((0.1, 1.0), (inf, 3.0))
