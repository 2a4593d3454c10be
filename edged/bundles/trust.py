"""``trust.yaml``: whose signatures count, and for what."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import asdict

from ..config import document
from ..config.problem import ConfigError, cap
from ..config.reader import Reader
from ..config.types import DeviceId, Secret, Section
from ..vocabulary.trust import Role, TrustedKey

SIGNERS = frozenset({"deployer", "admin"})
"""Roles whose keys may sign bundles."""

KeyId = Annotated[str, Meta(title="key id", min_length=1, max_length=128)]


Key = TrustedKey


class Entry(Section, frozen=True, kw_only=True):
    """One key as it is written in the file."""

    id: KeyId
    public: str
    role: Role
    expires: str = ""
    devices: tuple[DeviceId, ...] = ()


class File(Section, frozen=True, kw_only=True):
    keys: tuple[Entry, ...] = ()


class Trust(Struct, frozen=True, kw_only=True):
    keys: tuple[TrustedKey, ...] = ()


class KeyFile(Section, frozen=True, kw_only=True):
    """A private key as ``edged key new`` writes it; ``private`` is the base64 of Ed25519's 32 byte seed."""

    id: KeyId
    private: Secret


def load(path: Path) -> Trust:
    """Reads the trust file. Raises ``ConfigError`` with everything that is wrong with it."""
    return parse(document.read_bytes(path), str(path))


def parse(data: bytes, file: str) -> Trust:
    """``load`` for bytes; ``file`` is for messages."""
    reader = Reader(file, None, None)
    trust: File = reader.struct(File, document.parse(data, file))
    seen: dict[str, int] = {}
    for index, key in enumerate(trust.keys):
        _check(reader, index, key, seen, trust.keys[:index])
    if reader.problems:
        raise ConfigError(cap(sorted(set(reader.problems), key=lambda p: (p.line, p.column))))
    return Trust(keys=tuple(TrustedKey(**asdict(entry)) for entry in trust.keys))


def load_key(path: Path) -> tuple[str, bytes]:
    """(id, seed) of a private key file. Raises ``ConfigError``, which never shows the key."""
    file = str(path)
    reader = Reader(file, None, None)
    key: KeyFile = reader.struct(KeyFile, document.parse(document.read_bytes(path), file))
    if not reader.problems and len(_bytes(key.private)) != 32:
        _note(reader, ("private",), "is not the base64 of 32 bytes", "make a new key with `edged key new`")
    if reader.problems:
        raise ConfigError(tuple(reader.problems))
    return key.id, _bytes(key.private)


def _check(reader: Reader, index: int, key: Entry, seen: dict[str, int], before: tuple[Entry, ...]) -> None:
    here = ("keys", str(index))
    if (*here, "id") not in reader.bad:
        if key.id in seen:
            _note(reader, (*here, "id"), f"is the id of an earlier key too, on line {seen[key.id]}")
        seen.setdefault(key.id, _line(reader, (*here, "id")))
    if (*here, "public") not in reader.bad and len(_bytes(key.public)) != 32:
        _note(reader, (*here, "public"), "is not the base64 of 32 bytes", "`edged key show FILE` prints it")
    if any(other.public == key.public for other in before):
        _note(reader, (*here, "public"), "is the public key of an earlier entry too: one key, one role")
    if key.expires and (*here, "expires") not in reader.bad and not _is_time(key.expires):
        _note(reader, (*here, "expires"), "is no time with a time zone", "write it like 2027-01-01T00:00:00Z")


def _note(reader: Reader, path: tuple[str, ...], reason: str, hint: str = "") -> None:
    spot = reader.spots.get(path)
    reader.note(path, spot, reason, hint, spot.value if spot else "")


def _line(reader: Reader, path: tuple[str, ...]) -> int:
    return reader.spots[path].line if path in reader.spots else 0


def _bytes(text: str) -> bytes:
    """Nothing when it is not base64."""
    try:
        data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        return b""
    return data if base64.b64encode(data).decode() == text else b""


def _is_time(text: str) -> bool:
    try:
        moment = datetime.fromisoformat(text)
        moment.timestamp()
    except (ValueError, OverflowError):
        return False
    return moment.tzinfo is not None
