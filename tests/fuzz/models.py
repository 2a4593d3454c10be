"""Hostile ONNX files, written as protobuf by hand."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.bundles.maker import MODEL

LOCATIONS = (
    b"w.bin", b"../../outside/secret", b"/etc/passwd", b"", b".", b"w.bin/..", b"*/_ORT_MEM_ADDR_/*", b"\xff",
    b"w.bin\0/etc",
    b"sub\\..\\x", b"x" * 5000, b"manifest.json", b"W.BIN",
)  # fmt: skip
_FIELDS = (1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 20, 22, 23, 25, 2**28, 0)


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def external(location: bytes) -> bytes:
    """A tensor that reads its values from elsewhere."""
    return field(8, b"w") + b"\x70\x01" + field(13, field(1, b"location") + field(2, location))


def hostile(random_: random.Random, mutated: Callable[[random.Random, bytes], bytes]) -> bytes:
    """One file; some are good."""
    tensor = external(random_.choice(LOCATIONS))
    place = random_.choice([
        lambda: field(7, field(5, tensor)),
        lambda: field(7, field(15, field(1, tensor))),
        lambda: field(7, field(1, field(5, field(5, tensor)))),
        lambda: field(7, field(1, field(5, field(random_.choice([6, 11]), field(5, tensor))))),
        lambda: field(25, field(7, field(5, field(10, tensor)))),
        lambda: field(20, field(1, field(5, tensor))),
        lambda: field(7, nested(random_)),
        lambda: field(7, b"\x0a\x00" * random_.choice([10, 10_000])),
        lambda: field(8, field(1, b"ai.onnx") + b"\x10" + varint(random_.choice([1, 17, 22, 2**63]))),
        lambda: b"\x08" + varint(random_.choice([0, 1, 11, 2**64 - 1])),
        lambda: varint(random_.choice(_FIELDS) << 3 | random_.randrange(8)) + random_.randbytes(random_.randrange(30)),
        lambda: varint(7 << 3 | 2) + varint(random_.choice([2**31, 2**63, 2**64 - 1])) + b"x",
        lambda: b"",
    ])()  # fmt: skip
    data = random_.choice([MODEL + place, place + MODEL, place, b"\x08\x08" + field(8, b"\x10\x11") + place])
    return mutated(random_, data) if random_.random() < 0.4 else data


def nested(random_: random.Random) -> bytes:
    inner = b""
    for _ in range(random_.choice([3, 30, 200])):
        inner = field(1, field(5, field(random_.choice([6, 11]), inner)))
    return inner
