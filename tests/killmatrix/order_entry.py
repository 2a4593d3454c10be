"""The daemon, with points on the way of an order at which it ends itself: ``python -m tests.killmatrix.order_entry``.

What to do is told as in ``entry``. The points: the message comes in, its signature is checked, the loop takes it, each
commit that has to do with it, the receipt to the broker, each action and engine call, each answer's publication and
acknowledgement.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

import msgspec

from edged import loop
from edged.act import EXECUTORS
from edged.adapters.docker_engine import DockerEngine
from edged.adapters.mqtt import PahoBroker
from edged.adapters.store import SqliteStore
from edged.observe.intake import Intake
from edged.observe.reception import Reception
from edged.ports import Batch, Message
from edged.vocabulary import actions
from edged.vocabulary.events import CommandAnswered
from edged.vocabulary.facts import OrderReceived
from edged.vocabulary.trust import REMOTE

from .entry import Points, put


class OrderPoints(Points):
    told = 0
    """When what to do was written, in ns. What was passed before then does not count, also if nothing was killed."""

    def named(self, point: str) -> None:
        try:
            told = (self.folder / "kill").stat().st_mtime_ns
        except FileNotFoundError:
            told = 0
        if told != self.told:
            self.told = told
            self.begin()
        super().named(point)

    def pair(self, name: str, real: Callable[..., Any], when: Callable[..., bool] = lambda *_: True) -> Any:
        """Points before and after each call that ``when`` says is about an order."""

        @wraps(real)
        def call(*args: Any, **options: Any) -> Any:
            if not when(*args):
                return real(*args, **options)
            self.named(f"{name}:before")
            got = real(*args, **options)
            self.named(f"{name}:after")
            return got

        return call

    def committing(self, real: Callable[..., int]) -> Callable[..., int]:
        begun: dict[str, str] = {}

        @wraps(real)
        def call(store: SqliteStore, batch: Batch, *args: Any) -> int:
            points = [
                f"commit.{event.status}"
                for _, event in batch.events
                if isinstance(event, CommandAnswered) and event.origin.startswith(REMOTE)
            ]
            for identity, action in batch.intents:
                begun[identity] = str(msgspec.json.decode(action)["type"])
                points.append(f"commit.begin.{begun[identity]}")
            points += [f"commit.end.{begun[one]}" for one, _ in batch.outcomes if one in begun]
            for point in points:
                self.named(f"{point}:before")
            got = real(store, batch, *args)
            for point in points:
                self.named(f"{point}:after")
            return got

        return call

    def install(self) -> None:
        put(Intake, "offer", partial(self.pair, "intake.offer"))
        put(Reception, "take", partial(self.pair, "reception.take"))
        put(loop, "judge", partial(self.pair, "judge", when=_is_order))
        put(SqliteStore, "commit", self.committing)
        put(PahoBroker, "acknowledge", partial(self.pair, "receipt"))
        put(PahoBroker, "publish", partial(self.pair, "publish", when=_is_answer))
        for kind in (actions.CaptureEvidence, actions.RestartContainer):
            EXECUTORS[kind] = self.pair(f"act.{kind.__name__}", EXECUTORS[kind])
        put(DockerEngine, "restart", partial(self.pair, "engine.restart"))


def _is_order(_state: object, fact: object, *_: object) -> bool:
    return isinstance(fact, OrderReceived)


def _is_answer(_broker: PahoBroker, message: Message, *_: Any) -> bool:
    return "/res/" in message.topic


def main() -> None:
    OrderPoints(Path(os.environ["KILL_FOLDER"])).install()
    from edged.__main__ import main as edged

    edged()


if __name__ == "__main__":
    main()
