"""A console: keeps a model of the fleet, sends commands and gathers the answers. Over any ``Link``.

One thread owns it. Nothing here waits for longer than it is told to.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from ..ports import Unreachable
from . import answers, topics
from .answers import Answer
from .commands import Command, Sign, payload, signed
from .devices import Change, Fleet
from .link import Arrived, Connected, Link, Lost, Published, Subscribed
from .sequence import Logs

AT_ONCE = 25
"""Devices in one subscription of a survey. What is retained of them has to fit into what a broker queues for one
reader: mosquitto, as delivered, drops whatever is beyond 1000 messages, without a word."""
REPEATS = 5
"""How often a survey asks for all devices when there are so many that the broker may have dropped some."""
CROWD = 900
LAST_WORD = 5.0
"""Seconds for which the broker keeps a command that has expired already."""
QUIET = 0.5
"""Seconds without a message after which a broker that answers subscriptions out of order has said everything."""


class Signer(Struct, frozen=True):
    """Who signs commands."""

    key_id: str
    sign: Sign
    counter: Callable[[], int]
    """The next number for this key; see ``commands.next_counter``."""


class Refused(Exception):
    """The broker, or this console's own rights there, say no. The message is for the operator."""


class NotTaken(Struct, frozen=True):
    """The broker did not take a command, or has nobody to give it to."""

    command: Command
    reason: str
    unheard: bool
    """It was taken, but no device listens."""


class Told(Struct, frozen=True):
    """Something in a device's event log."""

    device: str
    payload: bytes


News = Change | Answer | NotTaken | Told | Connected | Lost


class Console:
    def __init__(self, link: Link, signer: Signer | None = None, wall: Callable[[], float] = time.time) -> None:
        self.fleet = Fleet()
        self.logs = Logs()
        self.connected = False
        self._link = link
        self._signer = signer
        self._wall = wall
        self._room = 1
        self._followed: list[str] = []
        self._granted: set[int] = set()
        self._waiting: deque[tuple[Command, float, float]] = deque()
        """Command, Unix time of issue, lifetime."""
        self._under_way: dict[int, tuple[Command, float, float]] = {}

    def connect(self, timeout: float) -> None:
        """Raises ``Unreachable`` or ``Refused`` when the first attempt fails; later ones are made again and again."""
        until = time.monotonic() + timeout
        while not self.connected:
            item = self.pump(max(0.0, until - time.monotonic()))
            if isinstance(item, Lost):
                raise Refused(item.reason) if item.refused else Unreachable(item.reason)
            if not self.connected and time.monotonic() >= until:
                raise Unreachable(f"no answer within {timeout:g} s")

    def close(self) -> None:
        self._link.close()

    # --- reading ---

    def follow(self, filters: Sequence[str], timeout: float = 30.0) -> None:
        """From now on, and after each reconnect: what is published there. Not what is retained; see ``survey``."""
        self._followed += filters
        self._grant(filters, retained=False, qos=1, timeout=timeout)

    def survey(self, devices: Iterable[str] | None = None, timeout: float = 60.0) -> None:
        """Reads all that is retained, of ``devices`` or of all there are. Complete when it returns.

        A broker handles a connection's packets in their order, so the answer to a subscription comes after what was
        retained for the one before. Raises ``Unreachable`` after ``timeout`` seconds, and ``Refused``.
        """
        until = time.monotonic() + timeout
        # Anew: what was cleared meanwhile would not be told.
        if devices is None:
            self.fleet = Fleet()
            devices = self._discover(until)
        else:
            devices = set(devices)
            for one in devices:
                self.fleet.devices.pop(one, None)
        ids, before = sorted(devices), list[str]()
        for start in range(0, len(ids), AT_ONCE):
            filters = [one for device in ids[start : start + AT_ONCE] for one in topics.retained(device)]
            self._grant(filters, retained=True, qos=0, timeout=until - time.monotonic())
            self._forget(before)
            before = filters
        self._barrier(until)
        self._forget(before)
        self._settle(ids, until)

    def _discover(self, until: float) -> list[str]:
        """All devices with a status. Asked again while there are more of them each time: a full queue at the broker."""
        every = [f"{topics.EVERY}/status"]
        for _ in range(REPEATS):
            known = len(self.fleet.devices)
            self._grant(every, retained=True, qos=0, timeout=until - time.monotonic())
            self._barrier(until)
            if len(self.fleet.devices) == known or len(self.fleet.devices) < CROWD:
                break
        self._forget(every)
        return list(self.fleet.devices)

    def _settle(self, ids: Sequence[str], until: float) -> None:
        """Each device has a birth message. Where it is missing the broker may keep another order: wait for quiet."""
        last = time.monotonic()
        while any(self._without_meta(one) for one in ids) and time.monotonic() < min(until, last + QUIET):
            if self.pump(0.05) is not None:
                last = time.monotonic()

    def _without_meta(self, device: str) -> bool:
        seen = self.fleet.devices.get(device)
        return seen is None or seen.meta is None

    def _barrier(self, until: float) -> None:
        self._grant([topics.BARRIER], retained=False, qos=0, timeout=until - time.monotonic(), must=False)

    def _forget(self, filters: Sequence[str]) -> None:
        """Ends subscriptions of a survey; one that is followed as well goes on as it was."""
        if both := [one for one in filters if one in self._followed]:
            self._link.subscribe(both, retained=False, qos=1)
        if rest := [one for one in filters if one not in self._followed]:
            self._link.unsubscribe(rest)

    def _grant(self, filters: Sequence[str], *, retained: bool, qos: int, timeout: float, must: bool = True) -> None:
        """Subscribes, and takes what comes until the broker has answered."""
        number, until = self._link.subscribe(filters, retained=retained, qos=qos), time.monotonic() + timeout
        while number not in self._granted:
            self.pump(min(1.0, max(0.0, until - time.monotonic())), {number: filters} if must else {})
            if not self.connected:
                raise Unreachable("the connection to the broker was lost")
            if time.monotonic() > until:
                raise Unreachable("the broker does not answer a subscription")
        self._granted.discard(number)

    # --- sending ---

    def send(self, command: Command, lifetime: float, issued: float | None = None) -> None:
        """Queued here until the broker has it, over reconnects. ``lifetime``: seconds after which it has expired.

        ``issued``: Unix time from which they count, now unless given. Give the first one when a command is sent again:
        else it could be carried out long after it should have expired.
        """
        if self._signer is None:
            raise Refused("commands are signed: say with which key (--key FILE)")
        self._waiting.append((command, self._wall() if issued is None else issued, lifetime))
        self._flush()

    @property
    def unsent(self) -> int:
        """Commands that the broker has not acknowledged."""
        return len(self._waiting) + len(self._under_way)

    def _flush(self) -> None:
        signer = self._signer
        while signer is not None and self.connected and self._waiting and len(self._under_way) < self._room:
            command, issued, lifetime = self._waiting[0]
            data = payload(command, issued, lifetime, signer.counter())
            # When it has expired the device still tells the result that it has, or that it never came in time.
            left = max(issued + lifetime - self._wall(), LAST_WORD)
            try:
                number = self._link.publish(command.topic, signed(data, signer.key_id, signer.sign), left)
            except Unreachable:
                return
            self._under_way[number] = self._waiting.popleft()

    # --- what happened ---

    def pump(self, timeout: float, asked: dict[int, Sequence[str]] | None = None) -> News | None:
        """Takes in the next thing; ``None`` when it is of no interest, or nothing came for ``timeout`` seconds."""
        item = self._link.take(timeout)
        match item:
            case Arrived():
                return self._arrived(item)
            case Published():
                return self._published(item)
            case Subscribed():
                self._granted.add(item.number)
                self._check(item, (asked or {}).get(item.number, ()))
            case Connected():
                self.connected, self._room = True, max(1, item.room)
                self._granted.clear()
                if self._followed:
                    self._link.subscribe(self._followed, retained=False, qos=1)
                self._waiting.extendleft(reversed(self._under_way.values()))
                self._under_way.clear()
                self._flush()
                return item
            case Lost():
                self.connected = False
                return item
        return None

    def _check(self, item: Subscribed, filters: Sequence[str]) -> None:
        denied = [one for one, code in zip(filters, item.codes, strict=False) if code >= 128]
        if denied:
            raise Refused(f"the broker does not let this console read {denied[0]}; its ACL has to allow edged/v1/#")

    def _arrived(self, item: Arrived) -> News | None:
        where = topics.parse(item.topic)
        if where is None:
            return None
        if where.kind not in ("res", "event"):
            return self.fleet.take(item.topic, item.payload)
        if (numbers := answers.sequence_of(item.payload)) is None:
            self.fleet.unreadable += 1
            return None
        new = self.logs.take(where.device, *numbers)
        if where.kind == "event":
            return Told(where.device, item.payload) if new else None
        return answers.read(where, item.payload)

    def _published(self, item: Published) -> News | None:
        sent = self._under_way.pop(item.number, None)
        self._flush()
        if sent is None or item.code not in (16, *range(128, 256)):
            return None
        unheard = item.code == 16
        why = "no device listens to it at present" if unheard else f"the broker refuses it: {item.text.lower()}"
        return NotTaken(sent[0], why, unheard)
