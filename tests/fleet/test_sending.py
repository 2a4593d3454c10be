"""What a console signs when it sends, and sends again. Without a broker."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from edged.adapters import ed25519
from edged.bundles import dsse
from edged.fleet import Command, Console, Signer
from edged.fleet.console import LAST_WORD
from edged.fleet.link import Connected, Item, Published
from edged.ports import Unreachable
from tests.fixtures.fleet_device import SEED


class Wire:
    """A link that is up, and keeps what was published: payload and what the broker is told of its lifetime."""

    def __init__(self) -> None:
        self.published: list[tuple[dict[str, Any], float]] = []
        self.items: list[Item] = [Connected(10)]

    def publish(self, topic: str, payload: bytes, lifetime: float) -> int:
        order = json.loads(dsse.decode(payload, 2**16).payload)
        self.published.append((order, lifetime))
        self.items.append(Published(len(self.published), 0, ""))
        return len(self.published)

    def take(self, timeout: float) -> Item | None:
        return self.items.pop(0) if self.items else None

    def subscribe(self, filters: Sequence[str], *, retained: bool, qos: int) -> int:
        raise Unreachable(str(filters))

    def unsubscribe(self, filters: Sequence[str]) -> None:
        raise Unreachable(str(filters))

    def close(self) -> None:
        self.items.clear()


def test_what_is_sent_again_expires_when_the_first_did() -> None:
    wire, now = Wire(), [1.7e9]
    signer = Signer("ops", lambda message: ed25519.sign(SEED, message), iter(range(9)).__next__)
    console = Console(wire, signer, wall=lambda: now[0])
    console.connect(1.0)
    command = Command("i", "restart", "press-1", {"app": "detector"})
    first = now[0]
    for now[0], left in ((first, 300.0), (first + 60.0, 240.0), (first + 900.0, LAST_WORD)):
        console.send(command, 300.0, first)
        order, lifetime = wire.published[-1]
        assert (order["issued"], order["expires"]) == ("2023-11-14T22:13:20.000Z", "2023-11-14T22:18:20.000Z")
        assert lifetime == left
    console.send(command, 300.0)
    assert wire.published[-1][0]["issued"] == "2023-11-14T22:28:20.000Z"
    assert [order["counter"] for order, _ in wire.published] == [0, 1, 2, 3]
