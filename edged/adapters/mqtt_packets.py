"""The few MQTT 5 packets that a visit to a broker needs. Pure: bytes out, bytes in."""

from __future__ import annotations

from typing import Any, NamedTuple

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

PINGREQ = bytes((PacketTypes.PINGREQ << 4, 0))
_LONGEST = 2**21
"""Bytes of one packet: nothing that a visit waits for is near that."""
_properties: Any = Properties  # its constructor has no types, and its attributes are set by name


class Malformed(ValueError):
    """What arrived is not MQTT 5."""


class Packet(NamedTuple):
    kind: int
    """One of ``PacketTypes``."""
    flags: int
    body: bytes


def connect(client_id: str, username: str, password: str, keepalive: int, session_expiry: int) -> bytes:
    """Without a clean start: a session that is there stays as it is. Both times in seconds."""
    flags = (0x80 if username else 0) | (0x40 if username and password else 0)
    body = _text("MQTT") + bytes((5, flags)) + keepalive.to_bytes(2, "big")
    body += _pack(PacketTypes.CONNECT, SessionExpiryInterval=session_expiry) + _text(client_id)
    if username:
        body += _text(username)
        body += _text(password) if password else b""
    return _packet(PacketTypes.CONNECT, 0, body)


def publish(topic: str, number: int, *, retain: bool) -> bytes:
    """An empty message with QoS 2. ``number``: its packet id."""
    body = _text(topic) + number.to_bytes(2, "big") + _pack(PacketTypes.PUBLISH)
    return _packet(PacketTypes.PUBLISH, 0b0100 | retain, body)


def subscribe(number: int, *filters: str) -> bytes:
    """With QoS 0; what is retained comes at once."""
    body = number.to_bytes(2, "big") + _pack(PacketTypes.SUBSCRIBE)
    return _packet(PacketTypes.SUBSCRIBE, 0b0010, body + b"".join(_text(one) + b"\0" for one in filters))


def disconnect(session_expiry: int) -> bytes:
    """``session_expiry``: seconds for which the broker is to keep the session, now that it is known whose it is."""
    body = b"\0" + _pack(PacketTypes.DISCONNECT, SessionExpiryInterval=session_expiry)
    return _packet(PacketTypes.DISCONNECT, 0, body)


class Accepted(NamedTuple):
    """What a CONNACK says."""

    code: int
    text: str
    session: bool
    """There was a session for this client id."""
    room: int
    """Messages that may be without an answer at a time."""
    qos: int
    """The highest that is taken."""


def connack(body: bytes) -> Accepted:
    session, code = body[0] & 1, body[1]
    try:
        properties = _properties(PacketTypes.CONNACK)
        if body[2:]:  # MQTT 3 has none
            properties.unpack(body[2:])
    except Exception as error:
        raise Malformed(f"its CONNACK cannot be read: {error!r}") from error
    room, qos = getattr(properties, "ReceiveMaximum", 65_535), getattr(properties, "MaximumQoS", 2)
    return Accepted(code, reason_text(PacketTypes.CONNACK, code), bool(session), room, qos)


def numbered(packet: Packet) -> tuple[int, int]:
    """Packet id and reason code of a PUBREC; without a code it is success."""
    return int.from_bytes(packet.body[:2], "big"), packet.body[2] if len(packet.body) > 2 else 0


def suback_codes(body: bytes) -> bytes:
    length, after = _variable(body, 2)
    return body[after + length :]


def topic_of(body: bytes) -> str:
    """Of a PUBLISH."""
    length = int.from_bytes(body[:2], "big")
    return body[2 : 2 + length].decode("utf-8", "replace")


def reason_text(kind: int, code: int) -> str:
    try:
        return str(ReasonCode(kind, identifier=code))
    except (KeyError, ValueError):  # paho knows no such code
        return f"reason code {code}"


class Parser:
    """Cuts a stream into packets."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[Packet]:
        """Whole packets so far. Raises ``Malformed``."""
        self._data += data
        packets: list[Packet] = []
        while len(self._data) >= 2:
            try:
                length, begin = _variable(self._data, 1)
            except IndexError:
                break
            if length > _LONGEST:
                raise Malformed(f"a packet of {length} bytes")
            if len(self._data) < begin + length:
                break
            first = self._data[0]
            packets.append(Packet(first >> 4, first & 0x0F, bytes(self._data[begin : begin + length])))
            del self._data[: begin + length]
        return packets


def _variable(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """A variable byte integer, and where it ends. ``IndexError``: there is more of it to come."""
    value = 0
    for shift in (0, 7, 14, 21):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
    raise Malformed("a length of more than four bytes")


def _pack(kind: int, **values: int) -> bytes:
    properties = _properties(kind)
    for name, value in values.items():
        setattr(properties, name, value)
    packed: bytes = properties.pack()
    return packed


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _packet(kind: int, flags: int, body: bytes) -> bytes:
    length, left = bytearray(), len(body)
    while True:
        left, low = left >> 7, left & 0x7F
        length.append(low | (0x80 if left else 0))
        if not left:
            return bytes((kind << 4 | flags, *length)) + body
