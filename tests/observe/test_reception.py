"""Messages become facts: real signatures, a clock by hand."""

from __future__ import annotations

from edged.adapters import ed25519
from edged.observe.copies import FREE, WITHIN
from edged.observe.reception import BURST, FLUSH, Reception
from edged.vocabulary.facts import Fact, OrderReceived, OrdersRefused
from tests.fixtures.orders import Sender, topic

OPS = Sender()


class Clock:
    at = 0.0

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return 1.8e9 + self.at


class Bench:
    def __init__(self) -> None:
        self.clock = Clock()
        self.facts: list[Fact] = []
        self.reception = Reception("press-7", lambda: (OPS.key,), self.clock, self.facts.append, ed25519.verify)
        order = OPS.order("restart", "press-7", args={"app": "worker"})
        self.where, self.data = topic(order, "press-7"), OPS.sign(order)

    def orders(self) -> int:
        return sum(isinstance(fact, OrderReceived) for fact in self.facts)

    def refused(self) -> dict[str, int]:
        self.reception.flush()
        told: dict[str, int] = {}
        for fact in self.facts:
            if isinstance(fact, OrdersRefused):
                told[fact.code] = told.get(fact.code, 0) + fact.count
        return told


def test_a_flood_of_copies_is_counted_and_costs_the_loop_nothing() -> None:
    bench = Bench()
    for _ in range(1000):
        bench.reception.take(bench.where, bench.data, 1)
    assert bench.orders() == 1 + FREE
    assert bench.refused() == {"repeated": 1000 - 1 - FREE}
    assert len(bench.facts) <= 1 + FREE + BURST + 1
    assert not any(fact.id for fact in bench.facts if isinstance(fact, OrdersRefused)), "its own answer is the one"
    bench.clock.at = WITHIN
    bench.reception.take(bench.where, bench.data, 1)
    assert bench.orders() == 2 + FREE, "a console that missed the answer gets it"


def test_what_the_broker_brings_again_is_never_taken_for_a_copy() -> None:
    bench = Bench()
    for _ in range(50):
        bench.reception.take(bench.where, bench.data, 1, again=True)
    assert bench.orders() == 50 and not bench.refused()


def test_forged_ones_keep_their_reason_however_many_there_are() -> None:
    bench = Bench()
    forged = bench.data.replace(b'"sig":"', b'"sig":"AAAA')
    for _ in range(500):
        bench.reception.take(bench.where, forged, 1)
    assert bench.reception.flush_at == FLUSH
    told = bench.refused()
    assert sum(told.values()) == 500 and "repeated" not in told and not bench.orders()
