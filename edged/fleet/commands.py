"""Commands: what is signed, and how it travels. Pure: key, time and counter are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from ..bundles.dsse import COMMAND_TYPE, Envelope, Signature, encode, pae
from ..report.payloads import rfc3339
from . import topics

Sign = Callable[[bytes], bytes]
"""message -> Ed25519 signature, 64 bytes."""

_encode = msgspec.json.Encoder(order="deterministic").encode


class Command(Struct, frozen=True):
    """One command for one device. A repeated ``id`` makes the device tell its stored result again."""

    id: str
    type: str
    device: str
    args: dict[str, Any] = {}

    @property
    def topic(self) -> str:
        return topics.command(self.device, self.type, self.id)


def payload(command: Command, issued: float, lifetime: float, counter: int) -> bytes:
    """The very bytes that are signed. ``issued``: Unix time; ``lifetime``: seconds until it expires."""
    return _encode(
        {
            "id": command.id,
            "type": command.type,
            "device": command.device,
            "args": command.args,
            "issued": rfc3339(issued),
            "expires": rfc3339(issued + lifetime),
            "counter": counter,
        }
    )


def signed(data: bytes, key_id: str, sign: Sign) -> bytes:
    """The DSSE envelope around ``data``."""
    return encode(Envelope(COMMAND_TYPE, data, (Signature(key_id, sign(pae(COMMAND_TYPE, data))),)))


def next_counter(last: int, wall: float) -> int:
    """Greater than ``last``, and microseconds of the clock when that is ahead.

    So consoles that share a key do not use the same number twice, a console that lost its file goes on above what it
    used before, and a clock put back changes nothing.
    """
    return max(last + 1, int(wall * 1e6))
