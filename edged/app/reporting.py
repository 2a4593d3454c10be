"""The pair of broker and outbox: made, changed on reload and ended together."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from ..adapters.mqtt import PahoBroker
from ..config import Config
from ..ports import Clock, Message, Store
from ..report.connection_log import ConnectionLog
from ..report.outbox import Outbox
from ..report.payloads import topic_prefix
from ..vocabulary.facts import BrokerSeen, Fact, StorageSeen

log = logging.getLogger(__name__)


class Reporting:
    """Without ``mqtt`` in the configuration it does nothing, and events are only kept locally."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        post: Callable[[Fact], None],
        status_payload: Callable[[str], bytes],
        offer: Callable[[str, bytes, int, bool], None],
    ) -> None:
        """``offer`` takes what comes in on the command topics, with its receipt."""
        self._offer = offer
        self._store, self._clock, self._post, self._payload = store, clock, post, status_payload
        self._pair: tuple[PahoBroker, Outbox] | None = None
        self._device = ""
        self._changing = threading.Lock()
        self._log = ConnectionLog()

    def start(self, config: Config) -> None:
        self._device = config.device.id
        if config.mqtt is None:
            return
        outbox = Outbox(self._store, config.device.id, config.mqtt.in_flight, self._seen, self._stored)
        status = f"{topic_prefix(config.device.id)}/status"
        broker = PahoBroker(
            config.mqtt,
            config.device.id,
            Message(status, self._payload("offline"), retain=True),
            outbox.connected,
            outbox.disconnected,
            outbox.acknowledged,
            self._offer,
            subscriptions=(f"{topic_prefix(config.device.id)}/cmd/+/+",),
        )
        self._pair = broker, outbox
        outbox.start(broker)
        broker.start()

    def stop(self, timeout: float) -> None:
        """Sends what can be sent, says good-bye, disconnects."""
        pair, self._pair = self._pair, None
        if pair is None:
            return
        broker, outbox = pair
        outbox.stop(timeout / 2)
        status = f"{topic_prefix(self._device)}/status"
        broker.stop(Message(status, self._payload("offline"), retain=True), timeout / 2)

    def change(self, config: Config) -> None:
        """To another broker, or none, in the background: the old one may take seconds to let go."""

        def swap() -> None:
            with self._changing:
                self.stop(4.0)
                self._store.forget_retained_acks()
                # Before the new one tells anything: what is known is of the broker before.
                self._seen(False, "no broker is configured" if config.mqtt is None else "connecting as configured now")
                self.start(config)

        threading.Thread(target=swap, name="edged-swap-broker", daemon=True).start()

    def acknowledge(self, receipt: int) -> None:
        """What came in with this receipt is dealt with. One of a broker before is of no use to this one."""
        pair = self._pair
        if pair is not None:
            pair[0].acknowledge(receipt)

    def bring_again(self, receipt: int) -> None:
        """With the next connection the broker sends everything again that this one has not acknowledged."""
        pair = self._pair
        if pair is not None:
            pair[0].drop(receipt >> 16, "what came in did not fit")

    def hurry(self) -> None:
        """A password or certificate may have been changed, in its file: tries to connect at once."""
        pair = self._pair
        if pair is not None:
            pair[0].hurry()

    def kick(self) -> None:
        pair = self._pair
        if pair is not None:
            pair[1].kick()

    def offer(self, sample: bytes) -> None:
        pair = self._pair
        if pair is not None:
            pair[1].offer_metrics(sample)

    def last_beat(self) -> float | None:
        pair = self._pair
        return pair[1].last_beat if pair is not None else None

    def status(self) -> dict[str, Any]:
        """For ``edged status``."""
        pair = self._pair
        if pair is None:
            return {}
        stats = pair[1].stats()
        return {
            "spool_messages": stats.messages,
            "spool_bytes": stats.bytes,
            "in_flight": stats.in_flight,
            "sent": stats.sent_total,
            "refused": stats.refused_total,
        }

    def _seen(self, connected: bool, detail: str) -> None:
        # Not an event: an offline broker would fill the spool with the news that it is offline.
        if line := self._log.line(connected, detail, time.monotonic()):
            log.log(logging.INFO if connected and not detail else logging.WARNING, "broker: %s", line)
        self._post(BrokerSeen(at=self._clock.now(), connected=connected, detail=detail))

    def _stored(self, ok: bool, error: str) -> None:
        self._post(StorageSeen(at=self._clock.now(), ok=ok, error=error))
