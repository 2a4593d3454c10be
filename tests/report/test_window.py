from __future__ import annotations

import itertools
import random

import pytest

from edged.report.thinning import ThinnedSamples
from edged.report.window import Window

RETRY = (10.0, 40.0)


def fill(window: Window, size: int, last: int, now: float = 0.0, under_way: int = 0) -> list[int]:
    """Feeds from a log of ``last`` events; returns what is to be sent."""
    fed = []
    for sequence in range(window.cursor + 1, min(last, window.cursor + window.room(size, under_way, now)) + 1):
        if window.feed(sequence):
            fed.append(sequence)
    return fed


def test_one_that_is_never_answered_stops_the_rest_in_the_end() -> None:
    window = Window(RETRY)
    sent: list[int] = []
    while fresh := fill(window, 5, 1000):
        sent += fresh
        for sequence in fresh:
            if sequence != 3:
                window.ack(sequence)
    assert window.through == 2 and 50 <= len(sent) <= 60
    window.forget(0.0)
    # On the next connection only that one is sent again, and what was acknowledged is not.
    assert fill(window, 5, 1000) == [3]
    window.ack(3)
    assert window.through >= 6


def test_the_watermark_waits_for_the_slowest() -> None:
    window = Window(RETRY)
    assert fill(window, 5, 100) == [1, 2, 3, 4, 5]
    window.ack(2)
    window.ack(3)
    assert window.through == 0
    window.ack(1)
    assert window.through == 3
    assert window.room(5, 2, 0.0) == 3


def test_numbers_may_be_missing_from_the_log() -> None:
    window = Window(RETRY)
    for sequence in (7, 8, 1001):
        window.feed(sequence)
    for sequence in (7, 8, 1001):
        window.ack(sequence)
    assert window.through == 1001


def test_after_a_refusal_one_goes_ahead_alone() -> None:
    window = Window(RETRY)
    fill(window, 4, 100)
    window.ack(1)
    window.refuse(2, now=0.0)
    window.ack(3)
    assert window.room(4, 1, 100.0) == 0, "4 is still to be answered"
    window.refuse(4, now=0.0)
    assert (window.through, window.retry_at) == (1, 10.0)
    assert fill(window, 4, 100, now=9.0) == []
    assert fill(window, 4, 100, now=10.0) == [2]
    assert fill(window, 4, 100, now=10.0) == []
    window.refuse(2, now=10.0)
    assert window.retry_at == 30.0
    for due, following in ((30.0, 70.0), (70.0, 110.0), (110.0, 150.0)):  # up to the longest pause
        assert fill(window, 4, 100, now=due) == [2]
        window.refuse(2, now=due)
        assert window.retry_at == following
    assert fill(window, 4, 100, now=150.0) == [2]
    window.ack(2)
    assert window.retry_at is None
    # 3 was acknowledged before and is not sent again.
    assert fill(window, 4, 100, now=150.0) == [4, 5, 6]
    assert window.through == 3


def test_a_new_connection_asks_at_once_whether_the_refusal_is_over() -> None:
    window = Window(RETRY)
    fill(window, 3, 100)
    window.refuse(1, now=0.0)
    window.forget(now=1.0)
    assert fill(window, 3, 100, now=1.0) == [1]


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_nothing_is_lost_and_order_is_kept(seed: int) -> None:
    chance = random.Random(seed)
    window, size, last, now = Window(RETRY), 8, 300, 0.0
    under_way: list[int] = []
    delivered: list[int] = []
    for _ in range(20_000):
        now += chance.random()
        sent = fill(window, size, last, now, len(under_way))
        assert sent == sorted(sent)
        assert not under_way or not sent or sent[0] > max(under_way)
        assert not set(sent) & set(delivered) or seed % 2, "only a lost connection may repeat"
        under_way += sent
        assert len(under_way) <= size
        what = chance.random()
        if what < 0.01 and seed % 2:
            delivered += under_way[: chance.randrange(len(under_way) + 1)]  # taken, but nobody heard of it
            under_way.clear()
            window.forget(now)
        elif under_way:
            sequence = under_way.pop(0 if chance.random() < 0.8 else chance.randrange(len(under_way)))
            if what < 0.05:
                window.refuse(sequence, now)
            else:
                delivered.append(sequence)
                window.ack(sequence)
        assert set(range(1, window.through + 1)) <= set(delivered)
        if window.through == last:
            break
    assert set(delivered) == set(range(1, last + 1))
    assert len(window._acked) <= size


def test_samples_show_the_whole_time_offline() -> None:
    samples = ThinnedSamples(240)
    for minute in range(21 * 24 * 60):
        samples.offer(b"%d" % minute)
        assert len(samples) <= 241
    assert samples.dropped == 21 * 24 * 60 - len(samples)
    minutes = [int(sample) for sample in samples.take(1000)]
    assert minutes == sorted(minutes)
    assert minutes[-1] == 21 * 24 * 60 - 1, "the newest is always there"
    assert len(minutes) >= 120
    gaps = [b - a for a, b in itertools.pairwise(minutes)]
    assert max(gaps[:-1]) <= 2 * min(gaps[:-1]), "evenly spread over three weeks"
    assert len(samples) == 0


def test_samples_that_were_not_delivered_come_first_again() -> None:
    samples = ThinnedSamples(10)
    for n in range(5):
        samples.offer(b"%d" % n)
    taken = samples.take(3)
    samples.offer(b"5")
    samples.put_back(taken)
    assert samples.take(100) == [b"0", b"1", b"2", b"3", b"4", b"5"]
    samples.put_back([b"x"] * 1000)
    assert len(samples) <= 10
