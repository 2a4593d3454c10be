"""The MQTT connection that keeps itself up: one thread, one ``Link`` after the other, patient in between."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence

from ..config.model import Mqtt
from ..ports import Message, PortError, Unreachable
from .mqtt_identity import client_id
from .mqtt_link import Link, Listener

STEADY = 10.0
"""Seconds after which a connection counts as good: only then is the next attempt a quick one again."""
log = logging.getLogger(__name__)


class PahoBroker:
    """MQTT 5, QoS 1. The session outlives the connection, so commands sent meanwhile are not lost.

    These are called on the thread of the connection and must only enqueue:
    ``on_connected(connection, session_present, room)``, with how many messages may be without acknowledgement;
    ``on_disconnected(reason, unfit)``, also after each failed attempt; ``unfit``: because of a message published;
    ``on_ack(id, reason_code, text)``, where codes from 128 on mean: not taken;
    ``on_message(topic, payload, receipt, again)``: the receipt is to be given back with ``acknowledge``, or the broker
    sends it again, and says so.
    """

    def __init__(
        self,
        config: Mqtt,
        device: str,
        will: Message,
        on_connected: Callable[[int, bool, int], None],
        on_disconnected: Callable[[str, bool], None],
        on_ack: Callable[[int, int, str], None],
        on_message: Callable[[str, bytes, int, bool], None] | None = None,
        *,
        subscriptions: Sequence[str] = (),
        connect_timeout: float = 10.0,
        backoff: tuple[float, float] = (1.0, 60.0),
    ) -> None:
        """``backoff``: shortest and longest pause between two attempts, seconds."""
        self._config = config
        self._device = device
        self._will = will
        self._on_disconnected = on_disconnected
        self._listener = Listener(on_connected, on_ack, on_message)
        self._subscriptions = tuple(subscriptions)
        self._connect_timeout = connect_timeout
        self._backoff = backoff
        self._link: Link | None = None
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edged-mqtt", daemon=True)

    @property
    def callback_errors(self) -> int:
        return self._listener.errors

    @property
    def alive(self) -> bool:
        """The thread that keeps the connection up is running."""
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def publish(self, message: Message, connection: int) -> int:
        link = self._link
        if link is None or link.number != connection:
            raise Unreachable("that connection to the broker is gone")
        return link.id_of(link.publish(message).mid)

    def acknowledge(self, receipt: int) -> None:
        """From any thread. One of an earlier connection is of no use any more: the message comes again."""
        link = self._link
        if link is not None and receipt >> 16 == link.number:
            link.acknowledge(receipt & 0xFFFF)

    def drop(self, connection: int, reason: str) -> None:
        link = self._link
        if link is not None and link.number == connection:
            link.drop(reason)

    def hurry(self) -> None:
        """Somebody says that the reason may be gone: the next attempt is made at once."""
        link = self._link
        if link is None or not link.up:
            self._hurry.set()

    def stop(self, last: Message | None, timeout: float) -> None:
        """At most ``timeout`` seconds. What the broker has not acknowledged by then is lost only if it is ``last``."""
        deadline = time.monotonic() + timeout
        self._stopping.set()
        self._hurry.set()
        link = self._link
        if link is not None and link.up:
            if last is not None:
                self._say_goodbye(link, last, timeout * 0.7)
            link.disconnect()
        elif link is not None:
            link.drop("stopped")
        if self._thread.is_alive():
            self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive() and link is not None:
            link.drop("stopped")
            self._thread.join(0.1)

    def _say_goodbye(self, link: Link, last: Message, timeout: float) -> None:
        try:
            link.publish(last).wait_for_publish(timeout)
        except (PortError, RuntimeError, ValueError) as error:
            log.warning("the last message was not published: %s", error)

    def _run(self) -> None:
        number = failures = 0
        while not self._stopping.is_set():
            number += 1
            link = self._link = Link(
                number,
                self._config,
                client_id(self._config, self._device),
                self._will,
                self._subscriptions,
                self._listener,
                self._connect_timeout,
                # Only when what a message asks for is on disk: else a power cut would lose it.
                by_hand=True,
            )
            reason = self._run_link(link)
            steady = link.up_since and time.monotonic() - link.up_since >= STEADY
            # Whoever hangs up after each tenth message gets the next ten soon, or the backlog would take days.
            failures = 0 if steady else min(failures, 1) if link.progressed else failures + 1
            self._listener.tell(self._on_disconnected, "stopped" if self._stopping.is_set() else reason, link.unfit)
            if self._hurry.wait(self._pause(failures, link.refused)) and not self._stopping.is_set():
                failures = 0
                self._hurry.clear()

    def _run_link(self, link: Link) -> str:
        try:
            return link.run()
        except Exception as error:
            # Nobody else would notice: the device would stay offline until the next restart.
            self._listener.errors += 1
            log.exception("the MQTT connection failed in an unexpected way")
            return f"unexpected error: {error!r}"

    def _pause(self, failures: int, refused: bool) -> float:
        """Random, so that a fleet does not come back all at once; long after a refusal."""
        low, high = self._backoff
        if refused:
            return random.uniform(high / 2, high)
        return random.uniform(low, min(high, low * 2.0 ** min(failures + 1, 16)))
