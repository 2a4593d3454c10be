"""``trust.yaml``: whose signatures count, and for what."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from ..config import document
from ..config.problem import ConfigError, cap
from ..config.reader import Reader
from ..config.types import DeviceId, Secret, Section

Role = Literal["viewer", "operator", "deployer", "admin"]
SIGNERS = frozenset({"deployer", "admin"})
"""Roles whose keys may sign bundles."""

KeyId = Annotated[str, Meta(title="key id", min_length=1, max_length=128)]


class Key(Section, frozen=True, kw_only=True):
    """One public key. ``expires`` is RFC 3339 or empty; no ``devices`` means all."""

    id: KeyId
    public: str
    role: Role
    expires: str = ""
    devices: tuple[DeviceId, ...] = ()

    @property
    def raw(self) -> bytes:
        """The public key, 32 bytes."""
        return base64.b64decode(self.public)

    def expired(self, now: float) -> bool:
        """At Unix time ``now``."""
        return bool(self.expires) and now >= datetime.fromisoformat(self.expires).timestamp()


class Trust(Section, frozen=True, kw_only=True):
    keys: tuple[Key, ...] = ()


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
    trust: Trust = reader.struct(Trust, document.parse(data, file))
    seen: dict[str, int] = {}
    for index, key in enumerate(trust.keys):
        _check(reader, index, key, seen)
    if reader.problems:
        raise ConfigError(cap(sorted(set(reader.problems), key=lambda p: (p.line, p.column))))
    return trust


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


def _check(reader: Reader, index: int, key: Key, seen: dict[str, int]) -> None:
    here = ("keys", str(index))
    if (*here, "id") not in reader.bad:
        if key.id in seen:
            _note(reader, (*here, "id"), f"is the id of an earlier key too, on line {seen[key.id]}")
        seen.setdefault(key.id, _line(reader, (*here, "id")))
    if (*here, "public") not in reader.bad and len(_bytes(key.public)) != 32:
        _note(reader, (*here, "public"), "is not the base64 of 32 bytes", "`edged key show FILE` prints it")
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
