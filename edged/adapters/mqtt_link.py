"""One MQTT connection, from connecting to its end. There is a new one, with a new paho client, each time.

paho sends unacknowledged messages again on its own when a client reconnects, in whatever order and number it has
them. The outbox does that better, so no client of paho's lives long enough to do it.
"""

from __future__ import annotations

import functools
import logging
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from ..config.model import Mqtt
from ..ports import Message, Refused, Unreachable
from .mqtt_errors import UNFIT, connect_error, disconnected_text, refused_text
from .mqtt_tls import tls_context

SESSION_EXPIRY = 7 * 86_400
"""Seconds for which the broker keeps commands for a device that is offline."""
MAX_INBOUND = 2**20
"""Bytes of one incoming message; the broker holds larger ones back."""
MAX_UNACKNOWLEDGED = 200
"""Incoming messages; the broker holds back what is more."""
_OVERHEAD = 16
"""Bytes of a PUBLISH besides topic, payload and content type, at most."""
_properties: Any = Properties  # its constructor has no types, and its attributes are set by name
log = logging.getLogger(__name__)


class Listener:
    """What a link tells. Called on the link's thread; an error in a callback must not end the connection."""

    def __init__(
        self,
        on_connected: Callable[[int, bool, int], None],
        on_ack: Callable[[int, int, str], None],
        on_message: Callable[[str, bytes, int, bool], None] | None,
    ) -> None:
        self.on_connected = on_connected
        self.on_ack = on_ack
        self.on_message = on_message
        self.errors = 0
        """Callbacks that failed."""

    def tell(self, callback: Callable[..., None] | None, *arguments: object) -> None:
        try:
            if callback is not None:
                callback(*arguments)
        except Exception:
            # paho would let its thread die of this without a word.
            self.errors += 1
            log.exception("an MQTT callback failed")


class Link:
    def __init__(
        self,
        number: int,
        config: Mqtt,
        client_id: str,
        will: Message | None,
        subscriptions: Sequence[str],
        listener: Listener,
        timeout: float,
        session_expiry: int = SESSION_EXPIRY,
        by_hand: bool = False,
    ) -> None:
        """``by_hand``: incoming messages are acknowledged by ``acknowledge``, and not as soon as they are here.
        ``timeout``: seconds for connecting, and again for the broker's answer to it."""
        self.number = number
        self.up = False
        self.up_since = 0.0
        """Monotonic time at which the broker accepted."""
        self.progressed = False
        """The broker acknowledged something that was published."""
        self.refused = False
        """The broker said no: trying again soon will not change its mind."""
        self.unfit = False
        """The connection ended because of a message that was published."""
        self._config = config
        self._client_id = client_id
        self._will = will
        self._subscriptions = subscriptions
        self._listener = listener
        self._timeout = timeout
        self._session_expiry = session_expiry
        self._by_hand = by_hand
        self._reason = ""
        self._closing = ""
        self._max_packet = 0
        self._errors = _LastError()
        self._client: Client | None = None

    def run(self) -> str:
        """Connects and stays until the connection ends. Returns why it did, for the operator."""
        url = urlsplit(self._config.url)
        host, port = url.hostname or "", url.port or (8883 if url.scheme == "mqtts" else 1883)
        try:
            client = self._client = self._make_client(url.scheme == "mqtts")
            properties = _properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = self._session_expiry
            properties.MaximumPacketSize = MAX_INBOUND
            properties.ReceiveMaximum = MAX_UNACKNOWLEDGED
            keepalive = min(max(1, round(self._config.keepalive)), 65_535)
            client.connect(host, port, keepalive, clean_start=False, properties=properties)
        except (OSError, ValueError) as error:
            return connect_error(error, host, port, self._timeout)
        try:
            self._loop(client)
        finally:
            self.up = False
            opened: Any = client.socket()
            if opened is not None:
                opened.close()
            self._let_go(client)
        return self._closing or self._reason or f"connection lost{self._errors.text()}"

    def _loop(self, client: Client) -> None:
        deadline = time.monotonic() + self._timeout
        while client.socket() is not None and not self._closing:
            if client.loop(1.0 if self.up else 0.1) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return
            if _too_much(client):
                self._reason = "the broker sends what it was told not to: messages that are too large, or at QoS 2"
                return
            if not self.up_since and time.monotonic() > deadline:
                self._reason = f"the broker accepted the connection but said nothing for {self._timeout:g} s"
                return

    def _let_go(self, client: Client) -> None:
        """Out of the circle of references it is freed with this connection, and so are the two sockets by which paho
        wakes itself: with a broker that hangs up again and again they would pile up until a collection."""
        client.on_connect = client.on_disconnect = client.on_publish = client.on_message = client.on_subscribe = None
        self._client = None

    def _make_client(self, tls: bool) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2, self._client_id, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=self._by_hand
        )
        client.connect_timeout = self._timeout
        client.max_inflight_messages = 0  # no queue of paho's behind ours
        client.enable_logger(self._errors.logger)
        config = self._config
        if config.username:
            password = config.password
            if config.password_file:  # read each time: a changed password needs no restart
                password = Path(config.password_file).read_text(encoding="utf-8").rstrip("\r\n")
            client.username_pw_set(config.username, password or None)
        if tls:
            client.tls_set_context(tls_context(config))
        if self._will is not None:
            client.will_set(self._will.topic, self._will.payload, qos=1, retain=self._will.retain)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_socket_open = _no_delay
        # Its presence alone keeps paho from writing to the socket on the thread that publishes, at the same
        # time as ours does.
        client.on_socket_register_write = _nothing
        return client

    def publish(self, message: Message) -> MQTTMessageInfo:
        client = self._client
        if client is None or not self.up:
            raise Unreachable("not connected to the broker")
        size = len(message.topic.encode()) + len(message.payload) + len(message.content_type) + _OVERHEAD
        if self._max_packet and size > self._max_packet:
            raise Refused(f"a message of {size} bytes is larger than the broker takes ({self._max_packet})")
        try:
            properties = _content_type(message.content_type) if message.content_type else None
            info = client.publish(message.topic, message.payload, 1, message.retain, properties)
        except ValueError as error:
            raise Refused(f"not a topic to publish on: {message.topic!r}: {error}") from error
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise Unreachable("not connected to the broker")
        return info

    def id_of(self, mid: int) -> int:
        """paho's message ids begin anew with each client; ours are unique over all of them."""
        return self.number << 16 | mid

    def acknowledge(self, mid: int) -> None:
        """An incoming message is dealt with. One at QoS 0 has no number, and wants none."""
        client = self._client
        if mid and client is not None and self.up:
            client.ack(mid, 1)

    def disconnect(self) -> None:
        """Says goodbye: the broker will not publish the will."""
        client = self._client
        if client is not None:
            client.disconnect()

    def drop(self, reason: str) -> None:
        """Ends the connection, from any thread, without a word to the broker."""
        self._closing = reason
        client = self._client
        opened: Any = client.socket() if client is not None else None
        if opened is not None:
            with suppress(OSError):  # it may have ended by itself just now
                # The plain socket's method: TLS would begin to say goodbye while our thread is reading.
                socket.socket.shutdown(opened, socket.SHUT_RDWR)

    def _on_connect(self, client: Client, _data: object, flags: Any, code: Any, properties: Any) -> None:
        if code.is_failure:
            self.refused = True
            self._reason = refused_text(code.value, str(code), self._config.username)
            return
        # One place stays free for the goodbye.
        room = max(1, getattr(properties, "ReceiveMaximum", 65_535) - 1)
        self._max_packet = getattr(properties, "MaximumPacketSize", 0)
        if self._subscriptions:
            options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
            client.subscribe([(topic, options) for topic in self._subscriptions])
        self.up_since = time.monotonic()
        self.up = True
        self._listener.tell(self._listener.on_connected, self.number, bool(flags.session_present), room)

    def _on_disconnect(self, _client: Client, _data: object, flags: Any, code: Any, _properties: Any) -> None:
        self.up = False
        from_broker = flags.is_disconnect_packet_from_server
        # Protocol error, by paho's judgement: mosquitto answers what is too large with a code that MQTT does not
        # have there.
        self.unfit = code.value in UNFIT if from_broker else code.value == 130
        if from_broker and code.value == 142:
            self.progressed = False  # two devices with one id would take turns, as fast as they can connect
        if not self._reason and from_broker:
            self._reason = disconnected_text(code.value, str(code))
        elif not self._reason and code.value == 141:
            self._reason = f"the broker has not answered for {self._config.keepalive:g} s"

    def _on_publish(self, _client: Client, _data: object, mid: int, code: Any, _properties: Any) -> None:
        value = code.value
        self.progressed = True
        listener = self._listener
        listener.tell(listener.on_ack, self.id_of(mid), value, str(code) if value >= 128 else "")

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._listener.tell(self._deliver, message)

    def _deliver(self, message: MQTTMessage) -> None:
        if self._listener.on_message is not None:
            self._listener.on_message(message.topic, bytes(message.payload), self.id_of(message.mid), message.dup)

    def _on_subscribe(self, _client: Client, _data: object, _mid: int, codes: Any, _properties: Any) -> None:
        for topic, code in zip(self._subscriptions, codes, strict=False):
            if code.is_failure:
                log.error("the broker refuses the subscription to %s: %s", topic, code)


def _too_much(client: Any) -> bool:
    """paho gathers whatever a broker sends, however large, and keeps all at QoS 2 until they are released."""
    return client._in_packet["remaining_length"] > MAX_INBOUND or bool(client._in_messages)


class _LastError(logging.Handler):
    """paho tells the cause of a lost connection (a TLS alert, say) only to a logger."""

    def __init__(self) -> None:
        super().__init__()
        # Not one of the process's loggers: nothing below ERROR is even formatted.
        self.logger = logging.Logger("paho", logging.ERROR)
        self.logger.addHandler(self)
        self._text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self._text = record.getMessage()

    def text(self) -> str:
        return f": {self._text.removeprefix('failed to receive on socket: ')}" if self._text else ""


@functools.cache
def _content_type(kind: str) -> Any:
    """The properties of a PUBLISH that says what its payload is; there are few kinds."""
    properties = _properties(PacketTypes.PUBLISH)
    properties.ContentType = kind
    return properties


def _no_delay(_client: Client, _data: object, opened: Any) -> None:
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _nothing(*_arguments: object) -> None: ...
