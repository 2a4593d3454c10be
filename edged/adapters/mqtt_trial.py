"""A short visit to the broker under another client id: whether it lets us in, and what it lets us do.

Messages are published with QoS 2 and never released. mosquitto judges such a message when it comes (PUBREC carries the
reason code) and passes it on when it is released, so who may write what is found out without a single message being
delivered, retained or counted. Here in plain packets, because paho releases each one by itself.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct
from paho.mqtt.packettypes import PacketTypes

from ..config.model import Mqtt
from . import mqtt_packets as packets
from .mqtt_errors import connect_error, disconnected_text, refused_text
from .mqtt_link import SESSION_EXPIRY
from .mqtt_tls import tls_context

_LINGER = 60
"""Seconds for which the broker keeps the visit's session if there is no goodbye, which drops it."""
_GRACE = 0.3
"""Seconds for what is retained, after the broker has answered everything."""
_OBJECTIONS = 0.2
"""Seconds for what the broker has against our certificate."""
_HUNG_UP = "the broker hung up after the TLS handshake: our certificate, most likely"
_GOODBYE = 0.5
"""Seconds."""
_MANY = 10_000
"""Retained messages after which no more are taken."""


class Topic(Struct, frozen=True):
    """An empty message to be tried. ``retain``: as the true ones are."""

    name: str
    retain: bool = True


class Trial(Struct, frozen=True, kw_only=True):
    connected: bool
    reason: str = ""
    """Why it did not let us in, or why there are fewer answers than questions."""
    stranger: bool = False
    """The broker gave us somebody else's session in spite of our own client id; nothing was tried."""
    answers: dict[str, tuple[int, str]] = {}
    """topic -> reason code, from 128 on: not taken; and its text."""
    subscribed: dict[str, tuple[int, str]] = {}
    """The same for each topic filter."""
    received: tuple[str, ...] = ()
    """Topics of what came for these filters."""


def try_broker(
    config: Mqtt,
    connection: socket.socket,
    client_id: str,
    topics: Sequence[Topic],
    filters: Sequence[str],
    timeout: float,
) -> Trial:
    """Takes over ``connection``, asks, and leaves neither a message nor a session behind.

    ``client_id``: one that nobody has had before. ``timeout``: seconds in all, but for a short goodbye.
    Never raises for what the broker or the network does.
    """
    visit = _Visit(config, client_id, topics, filters, timeout)
    url = urlsplit(config.url)
    try:
        with connection:
            visit.run(connection, url.hostname or "", url.scheme == "mqtts")
    except packets.Malformed as error:
        visit.reason = f"unexpected answer: {error}"
    except IndexError:
        visit.reason = "unexpected answer: a packet that is too short"
    except EOFError as error:
        visit.reason = str(error)
    except TimeoutError:
        visit.reason = f"no answer within {timeout:.1f} s"
    except (OSError, ValueError) as error:
        default = 8883 if url.scheme == "mqtts" else 1883
        visit.reason = connect_error(error, url.hostname or "", url.port or default, timeout)
    return visit.result()


class _Visit:
    def __init__(
        self, config: Mqtt, client_id: str, topics: Sequence[Topic], filters: Sequence[str], timeout: float
    ) -> None:
        self.reason = ""
        self._config = config
        self._client_id = client_id
        self._topics = topics
        self._filters = filters
        self._until = time.monotonic() + timeout
        self._parser = packets.Parser()
        self._waiting: list[packets.Packet] = []
        self._connected = self._stranger = False
        self._asked: dict[int, str] = {}
        self._answers: dict[str, tuple[int, str]] = {}
        self._subscribed: dict[str, tuple[int, str]] = {}
        self._received: list[str] = []

    def result(self) -> Trial:
        return Trial(
            connected=self._connected, reason=self.reason, stranger=self._stranger, answers=self._answers,
            subscribed=self._subscribed, received=tuple(self._received),
        )  # fmt: skip

    def run(self, connection: socket.socket, host: str, tls: bool) -> None:
        connection.settimeout(self._left())
        if not tls:
            self._talk(connection)
            return
        with tls_context(self._config).wrap_socket(connection, server_hostname=host) as secured:
            self._hear_out(secured)
            self._talk(secured)

    def _hear_out(self, connection: socket.socket) -> None:
        """With TLS 1.3 a broker refuses our certificate when the handshake is over for us.

        Whoever writes first may find the connection closed, and never read why.
        """
        connection.settimeout(_OBJECTIONS)
        try:
            said = connection.recv(65_536)
        except TimeoutError:
            return
        if not said:
            raise EOFError(_HUNG_UP)
        self._waiting = self._parser.feed(said)

    def _talk(self, connection: socket.socket) -> None:
        accepted = self._connect(connection)
        if accepted is None:
            return
        # Nobody else has our client id. So this is the daemon's session, and it shall have it back.
        self._stranger = accepted.session
        try:
            if not self._stranger:
                self._ask(connection, accepted)
        finally:
            _say_goodbye(connection, SESSION_EXPIRY if self._stranger else 0)

    def _connect(self, connection: socket.socket) -> packets.Accepted | None:
        config = self._config
        password = config.password
        if config.username and config.password_file:
            password = Path(config.password_file).read_text(encoding="utf-8").rstrip("\r\n")
        connection.settimeout(self._left())
        try:
            connection.sendall(packets.connect(self._client_id, config.username, password, _LINGER, _LINGER))
        except OSError as error:
            if not isinstance(connection, ssl.SSLSocket):
                raise
            raise EOFError(_HUNG_UP) from error
        packet = self._next(connection)
        if packet.kind != PacketTypes.CONNACK:
            raise packets.Malformed(f"a packet of type {packet.kind} instead of a CONNACK")
        accepted = packets.connack(packet.body)
        if accepted.code:
            # 1: the way of MQTT 3 to say so.
            code = 132 if accepted.code == 1 else accepted.code
            self.reason = refused_text(code, accepted.text, config.username)
            return None
        self._connected = True
        return accepted

    def _ask(self, connection: socket.socket, accepted: packets.Accepted) -> None:
        topics = self._topics if accepted.qos >= 2 else ()
        if topics != self._topics:
            self.reason = f"the broker takes no messages of QoS 2, only up to {accepted.qos}"
        elif len(topics) > accepted.room:
            self.reason = f"the broker takes only {accepted.room} messages at a time"
        topics = topics[: accepted.room]
        questions = b""
        for number, topic in enumerate(topics, 1):
            self._asked[number] = topic.name
            questions += packets.publish(topic.name, number, retain=topic.retain)
        if self._filters:
            questions += packets.subscribe(len(topics) + 1, *self._filters)
        with suppress(OSError):  # a broker that hangs up says why, and that can still be read
            connection.sendall(questions)
        while len(self._answers) < len(topics) or len(self._subscribed) < len(self._filters):
            self._take(self._next(connection))
        if self._filters:
            self._collect(connection)

    def _collect(self, connection: socket.socket) -> None:
        """What is retained: mosquitto sends it before it answers a ping; the others are given a moment more."""
        connection.sendall(packets.PINGREQ)
        while (packet := self._next(connection)).kind != PacketTypes.PINGRESP and len(self._received) < _MANY:
            self._take(packet)
        self._until = min(self._until, time.monotonic() + _GRACE)
        try:
            while len(self._received) < _MANY:
                self._take(self._next(connection))
        except TimeoutError:
            return

    def _take(self, packet: packets.Packet) -> None:
        match packet.kind:
            case PacketTypes.PUBREC:
                number, code = packets.numbered(packet)
                if number in self._asked:
                    self._answers[self._asked[number]] = (code, packets.reason_text(PacketTypes.PUBREC, code))
            case PacketTypes.SUBACK:
                codes = packets.suback_codes(packet.body)
                for topic_filter, code in zip(self._filters, codes, strict=False):
                    self._subscribed[topic_filter] = (code, packets.reason_text(PacketTypes.SUBACK, code))
                if len(codes) < len(self._filters):
                    raise packets.Malformed("a SUBACK with fewer answers than questions")
            case PacketTypes.PUBLISH:
                self._received.append(packets.topic_of(packet.body))

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0.0:
            raise TimeoutError
        return left

    def _next(self, connection: socket.socket) -> packets.Packet:
        """The next packet. Raises ``TimeoutError``, ``EOFError`` with what the broker said, ``OSError``."""
        while not self._waiting:
            connection.settimeout(self._left())
            try:
                data = connection.recv(65_536)
            except ConnectionError:
                data = b""
            if not data:
                raise EOFError("the broker ended the connection")
            self._waiting = self._parser.feed(data)
        packet = self._waiting.pop(0)
        if packet.kind == PacketTypes.DISCONNECT:
            code = packet.body[0] if packet.body else 0
            raise EOFError(disconnected_text(code, packets.reason_text(PacketTypes.DISCONNECT, code)))
        return packet


def _say_goodbye(connection: socket.socket, session_expiry: int) -> None:
    """And waits for the broker to hang up: closing with something unread could take the goodbye back."""
    with suppress(OSError):  # it may be gone already
        connection.settimeout(_GOODBYE)
        connection.sendall(packets.disconnect(session_expiry))
        until = time.monotonic() + _GOODBYE
        while time.monotonic() < until and connection.recv(65_536):
            pass
