"""The thread between broker and loop: order, receipts, patience, and what does not fit."""

from __future__ import annotations

import threading
import time
from typing import Any, cast

import pytest

from edged.observe import intake as module
from edged.observe.intake import Intake
from edged.observe.orders import Read
from edged.vocabulary.trust import Order
from tests.fixtures.broker import until

ORDER = Order(id="i", type="t", device="d", issued="", expires="", counter=1)


class Reception:
    """Takes what is called ``good``; the rest is refused. Waits while the gate is closed."""

    def __init__(self) -> None:
        self.flush_at, self.flushed = 0.0, 0
        self.taken: list[tuple[Any, ...]] = []
        self.gate = threading.Event()
        self.gate.set()

    def take(self, *message: Any) -> Read:
        assert self.gate.wait(10.0)
        self.taken.append(message)
        return Read(order=ORDER) if message[1] == b"good" else Read(code="not_signed")

    def flush(self) -> None:
        self.flushed += 1
        self.flush_at = 0.0


class Clock:
    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()


class Bench:
    def __init__(self) -> None:
        self.reception = Reception()
        self.receipts: list[int] = []
        self.again: list[int] = []
        self.ready, self.recovering, self.asked = True, False, 0
        self.crowded = False
        self.intake = Intake(
            cast(Any, self.reception),
            Clock(),
            self.receipts.append,
            self.again.append,
            lambda: self.ready,
            self.busy,
            lambda: self.crowded,
        )

    def busy(self) -> bool:
        self.asked += 1
        return self.recovering


@pytest.fixture
def bench() -> Any:
    one = Bench()
    yield one
    one.reception.gate.set()
    one.intake.stop(5.0)


def test_refused_ones_are_acknowledged_at_once_and_good_ones_are_not(bench: Bench) -> None:
    bench.intake.start()
    for number, data in enumerate((b"bad", b"good", b"bad")):
        bench.intake.offer("t", data, number, number == 1)
    until(lambda: len(bench.reception.taken) == 3)
    assert bench.reception.taken == [("t", b"bad", 0, False), ("t", b"good", 1, True), ("t", b"bad", 2, False)]
    until(lambda: bench.receipts == [0, 2])


def test_it_waits_until_the_containers_are_known_but_not_for_ever(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    bench.ready = False
    bench.intake.offer("t", b"bad", 1)
    began = time.monotonic()
    bench.intake.start()
    until(lambda: bench.receipts == [1])
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize(("bound", "value"), [("BOUND", 3), ("BOUND_BYTES", 9)])
def test_what_does_not_fit_is_asked_for_again_once_there_is_room(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    monkeypatch.setattr(module, bound, value)
    bench.reception.gate.clear()
    bench.intake.start()
    bench.intake.offer("t", b"bad", 0)
    until(lambda: not bench.intake._waiting)
    for number in range(1, 8):
        bench.intake.offer("t", b"bad", number)
    assert bench.again == []
    bench.reception.gate.set()
    until(lambda: bench.again)
    assert bench.again == [7] and bench.receipts == [0, 1, 2, 3]
    bench.intake.offer("t", b"bad", 9)
    until(lambda: bench.receipts[-1] == 9)
    assert bench.again == [7]


def test_what_was_only_counted_is_told_in_time_and_at_the_end(bench: Bench) -> None:
    bench.reception.flush_at = time.monotonic() + 0.1
    bench.intake.start()
    until(lambda: bench.reception.flushed == 1)
    bench.intake.stop(5.0)
    assert bench.reception.flushed == 2
    bench.intake.offer("t", b"bad", 1)
    assert bench.receipts == []


def test_a_flood_gives_way_to_a_recovery_but_not_for_long(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GIVE_WAY", 0.2)
    bench.recovering = True
    bench.intake.start()
    bench.intake.offer("t", b"bad", 0)
    until(lambda: bench.receipts == [0])
    assert not bench.asked, "nobody waits while few come"
    bench.reception.flush_at = time.monotonic() + 60.0
    began = time.monotonic()
    bench.intake.offer("t", b"bad", 1)
    until(lambda: bench.receipts == [0, 1])
    assert time.monotonic() - began >= 0.2 and bench.asked
    bench.recovering = False
    bench.intake.offer("t", b"bad", 2)
    until(lambda: bench.receipts == [0, 1, 2])


def test_orders_wait_here_while_the_loop_has_too_much_to_do(bench: Bench) -> None:
    bench.crowded = True
    bench.intake.start()
    bench.intake.offer("t", b"good", 1)
    until(lambda: not bench.intake._waiting)
    beat = bench.intake.last_beat
    until(lambda: bench.intake.last_beat > beat + 0.05, what="it goes on beating")
    assert not bench.reception.taken
    bench.crowded = False
    until(lambda: len(bench.reception.taken) == 1)
