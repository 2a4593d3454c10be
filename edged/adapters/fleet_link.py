"""The console's connection to the broker, over paho. Everything that happens becomes an item on one queue."""

from __future__ import annotations

import logging
import os
import queue
import random
import threading
from collections.abc import Sequence
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from ..config.model import Mqtt
from ..fleet.link import Arrived, Connected, Item, Lost, Published, Subscribed
from ..ports import Unreachable
from .mqtt_link import Link, Listener

BOUND = 20_000
"""Items that wait at most. Then reading from the broker pauses, and it is the broker that keeps or drops."""
_properties: Any = Properties  # its constructor has no types, and its attributes are set by name
log = logging.getLogger(__name__)


class FleetLink:
    """Keeps itself up on a thread of its own; see ``fleet.link.Link``. Without a session."""

    def __init__(
        self,
        config: Mqtt,
        *,
        client_id: str = "",
        connect_timeout: float = 10.0,
        backoff: tuple[float, float] = (0.5, 15.0),
    ) -> None:
        """``backoff``: shortest and longest pause between two attempts, seconds."""
        self._config = config
        self._client_id = client_id or f"edged-fleet-{os.urandom(6).hex()}"
        self._connect_timeout = connect_timeout
        self._backoff = backoff
        self._items: queue.Queue[Item] = queue.Queue(BOUND)
        self._link: _ConsoleLink | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fleet-mqtt", daemon=True)
        self._thread.start()

    def subscribe(self, filters: Sequence[str], *, retained: bool, qos: int) -> int:
        return self._up().subscribe(filters, retained, qos)

    def unsubscribe(self, filters: Sequence[str]) -> None:
        self._up().unsubscribe(filters)

    def publish(self, topic: str, payload: bytes, lifetime: float) -> int:
        return self._up().publish_for(topic, payload, lifetime)

    def take(self, timeout: float) -> Item | None:
        try:
            return self._items.get(timeout=max(0.0, timeout))
        except queue.Empty:
            return None

    def close(self) -> None:
        self._stopping.set()
        link = self._link
        if link is not None and link.up:
            link.disconnect()
            self._thread.join(2.0)
        if link is not None:
            link.drop("stopped")
        self._thread.join(1.0)

    def _up(self) -> _ConsoleLink:
        link = self._link
        if link is None or not link.up:
            raise Unreachable("not connected to the broker")
        return link

    def _tell(self, item: Item) -> None:
        while not self._stopping.is_set():
            try:
                self._items.put(item, timeout=0.5)
                return
            except queue.Full:
                continue

    def _run(self) -> None:
        number = failures = 0
        listener = Listener(
            lambda _number, _session, room: self._tell(Connected(room)),
            lambda mid, code, text: self._tell(Published(mid, code, text)),
            lambda topic, payload, _receipt, _again: self._tell(Arrived(topic, payload)),
        )
        while not self._stopping.is_set():
            number += 1
            link = _ConsoleLink(
                number, self._config, self._client_id, None, (), listener, self._connect_timeout, session_expiry=0
            )
            link.told = self._tell
            self._link = link
            reason = self._run_link(link)
            failures = 0 if link.up_since else failures + 1
            self._tell(Lost(reason, link.refused))
            low, high = self._backoff
            self._stopping.wait(random.uniform(low, min(high, low * 2.0 ** min(failures + 1, 16))))

    def _run_link(self, link: _ConsoleLink) -> str:
        try:
            return link.run()
        except Exception as error:
            # Nobody else would notice, and the console would wait for ever.
            log.exception("the MQTT connection failed in an unexpected way")
            return f"unexpected error: {error!r}"


class _ConsoleLink(Link):
    """A ``Link`` that subscribes when asked."""

    told: Any = None

    def subscribe(self, filters: Sequence[str], retained: bool, qos: int) -> int:
        handling = SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE if retained else SubscribeOptions.RETAIN_DO_NOT_SEND
        options = SubscribeOptions(qos=qos, retainHandling=handling)
        code, mid = self._opened().subscribe([(one, options) for one in filters])
        return self._number_of(code, mid)

    def unsubscribe(self, filters: Sequence[str]) -> None:
        self._number_of(*self._opened().unsubscribe(list(filters)))

    def publish_for(self, topic: str, payload: bytes, lifetime: float) -> int:
        properties = _properties(PacketTypes.PUBLISH)
        properties.MessageExpiryInterval = max(1, min(round(lifetime), 2**32 - 1))
        info = self._opened().publish(topic, payload, qos=1, properties=properties)
        return self._number_of(info.rc, info.mid)

    def _opened(self) -> Client:
        if self._client is None or not self.up:
            raise Unreachable("not connected to the broker")
        return self._client

    def _number_of(self, code: MQTTErrorCode, mid: int | None) -> int:
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise Unreachable("not connected to the broker")
        return self.id_of(mid)

    def _on_subscribe(self, _client: Client, _data: object, mid: int, codes: Any, _properties: Any) -> None:
        item = Subscribed(self.id_of(mid), tuple(code.value for code in codes))
        self._listener.tell(self.told, item)
