"""Tar files with odd members and lying headers, written block by block."""

from __future__ import annotations

import random
from collections.abc import Sequence

Files = dict[str, bytes]
_KINDS = (b"0", b"\0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"S", b"x", b"g", b"L", b"K", b"V", b"D", b"M", b"A")
_SIZES = (
    b"77777777777\0", b"00000000000\0", b"-0000000001\0", b"\x80" + b"\xff" * 11, b"\xff" * 12,
    b"\x80" + b"\0" * 10 + b"\x05",
    b"\x80\0\0\0\0\0\x01\0\0\0\0\0", b"            ", b"0x000000010\0", b"\0" * 12, b"00000001000\0", b"99999999999\0",
)  # fmt: skip


def header(name: bytes, size: bytes, kind: bytes = b"0", link: bytes = b"", magic: bytes = b"ustar\x0000") -> bytes:
    """One block. Fields are cut, not checked."""
    raw = bytearray(512)
    fields = (
        (0, name[:100]), (100, b"0104777\0"), (108, b"0000000\0"), (116, b"0000000\0"), (124, size[:12]),
        (136, b"00000000000\0"), (156, kind[:1]), (157, link[:100]), (257, magic), (345, name[100:255]),
    )  # fmt: skip
    for at, field in fields:
        raw[at : at + len(field)] = field
    return summed(bytes(raw))


def summed(block: bytes) -> bytes:
    """The block with its sum made right."""
    raw = bytearray(block)
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw)


def member(name: str, data: bytes, kind: bytes = b"0", link: bytes = b"") -> bytes:
    raw = name.encode("utf-8", "surrogateescape")
    return header(raw, b"%011o\0" % len(data), kind, link) + padded(data)


def padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 512)


def pack(files: Files) -> bytes:
    return b"".join(member(name, data) for name, data in files.items()) + b"\0" * 1024


def pax(records: dict[bytes, bytes], kind: bytes = b"x") -> bytes:
    body = b""
    for key, value in records.items():
        length = len(key) + len(value) + 3
        while len(str(length)) + len(key) + len(value) + 3 != length:
            length = len(str(length)) + len(key) + len(value) + 3
        body += b"%d %b=%b\n" % (length, key, value)
    return member("PaxHeader", body, kind)


def odd(random_: random.Random, files: Files, names: Sequence[str]) -> bytes:
    """Members of a good bundle, with others before, between and after."""
    parts = [member(name, data) for name, data in files.items()]
    for _ in range(random_.choice([0, 1, 1, 2, 4])):
        parts.insert(random_.randrange(len(parts) + 1), _odd_member(random_, next(iter(files)), random_.choice(names)))
    return b"".join(parts) + b"\0" * random_.choice([1024, 1024, 1024, 512, 0, 10240])


def _odd_member(random_: random.Random, first: str, name: str) -> bytes:
    raw = name.encode("utf-8", "surrogateescape")
    data = random_.choice([b"", b"x", b"x" * 600])
    return random_.choice([
        lambda: member(name, data),
        lambda: member(first, data),
        lambda: member(name, b"", b"5"),
        lambda: member("l", b"", random_.choice([b"1", b"2"]), raw) + member("l/x", data) + member("l", data),
        lambda: member("sub", b"", b"2", b"/tmp") + member("sub/escaped", data),
        lambda: member("dev", b"", random_.choice([b"3", b"4", b"6"])),
        lambda: member("kind", data, random_.choice(_KINDS)),
        lambda: member("././@LongLink", raw + b"\0", b"L") + member("short", data),
        lambda: member("././@LongLink", b"y/" * random_.choice([10, 60_000]) + b"\0", b"L") + member("s", data),
        lambda: pax({b"path": raw}) + member("short", data),
        lambda: pax({b"size": random_.choice([b"0", b"5", b"-1", b"9" * 17, b"9" * 40, b"x"])}) + member("p", data),
        lambda: pax({b"GNU.sparse.major": b"1", b"GNU.sparse.name": raw}) + member("s", data),
        lambda: pax({b"GNU.sparse.map": b"0,1,99999999,1", b"GNU.sparse.size": b"99999999"}) + member("s", data),
        lambda: pax({b"path": raw, b"linkpath": raw}, b"g") + member("g", data),
        lambda: pax({b"comment": b"c" * random_.choice([5, 70_000])}) + member("c", data),
        lambda: member("PaxHeader", random_.choice([b"99 path=x\n", b"-5 a=b\n", b"5", b"9 path=\n"]), b"x"),
        lambda: header(raw, random_.choice(_SIZES)) + padded(data),
        lambda: b"".join(member(f"many/{n}", b"") for n in range(random_.choice([5, 40]))),
        lambda: b"\0" * 512,
    ])()  # fmt: skip


def lying(random_: random.Random, archive: bytes) -> bytes:
    """Fields of random headers replaced, with the sums made right again so that it is believed."""
    raw = bytearray(archive)
    blocks = len(raw) // 512
    for _ in range(random_.choice([1, 1, 2, 3])):
        at = 512 * random_.randrange(max(1, blocks))
        block = bytearray(raw[at : at + 512])
        if len(block) < 512 or block[257:262] != b"ustar":
            at, block = 0, bytearray(raw[:512])
        where, what = random_.choice([
            (124, random_.choice(_SIZES)),
            (156, random_.choice(_KINDS)),
            (random_.randrange(512), random_.randbytes(random_.choice([1, 2, 12]))),
            (0, random_.choice([b"../x\0", b"/x\0", b"\0", b"manifest.json\0", b"\xff\xfe\0"])),
            (345, random_.choice([b"..\0", b"/tmp\0", b"a/b\0"])),
            (257, random_.choice([b"ustar  \0", b"\0" * 8, b"ustar\x0099"])),
        ])  # fmt: skip
        block[where : where + len(what)] = what
        raw[at : at + 512] = summed(bytes(block[:512]))
    return bytes(raw)
