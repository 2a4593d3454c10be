"""One segment: the whole state, then every fact in order, in frames that are checked one by one."""

from __future__ import annotations

import bz2
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import NODEFAULT, UNSET, Struct
from msgspec.structs import FieldInfo, fields, replace

from ..config import App, Config
from ..vocabulary.actions import Action
from ..vocabulary.drift import Reference
from ..vocabulary.drift_packed import Packed
from ..vocabulary.event import Event
from ..vocabulary.facts import Fact
from ..vocabulary.inputs import Inputs
from ..vocabulary.state import State
from .packing import Unpacker, Unreadable
from .secrets import clean

MAGIC = b"edged flight 1\n"
_FRAME = struct.Struct(">cII")
"""Kind, length, CRC-32 of what follows."""
HEAD, ITEMS, PACKED, RAW, TAIL = b"H", b"Z", b"B", b"R", b"T"
_ITEMS = (ITEMS, PACKED, RAW)
"""``ITEMS``: as edged wrote them before, with zlib, which takes a third more for them than bzip2."""
BLOCK = 4
"""Of bzip2, in 100 kB: half an hour of facts, for 4 MB of memory."""
DECISIONS, CONFIG = -3, -4
"""First of an item: what the fact before led to; the configuration in force from the next fact on."""
LARGEST = 64 * 2**20
"""Bytes of one frame, unpacked."""

encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class Head(Struct, frozen=True, kw_only=True):
    """What a segment begins with."""

    version: str
    """Of edged."""
    number: int
    boot: int
    now: float
    """edged's clock when the first fact was judged, and Unix time of the same moment."""
    wall: float
    digest: str
    """Of the configuration's file."""
    config: dict[str, Any]
    state: dict[str, Any]
    gap: bool = False
    """Facts before it were lost."""


class Turn(Struct, frozen=True):
    """One fact, as the judge was given it."""

    now: float
    fact: Fact
    config: Config | None = None
    """A new one, in force from this fact on."""
    decided: tuple[Any, ...] = ()
    """What it led to then, as ``decisions`` writes it."""


class Damaged(Exception):
    """A segment that cannot be read on; the message says why."""


def decisions(actions: Sequence[Action], events: Sequence[Event]) -> list[Any]:
    """As they are compared: in order, without secrets."""
    return [clean(msgspec.to_builtins(one)) for one in (*actions, *events)]


def picture(state: State) -> dict[str, Any]:
    """The whole state; what is only for readers is left out."""
    inputs = {
        name: replace(one, verdicts=None, reference=one.reference.unpacked() if one.reference is not None else None)
        for name, one in state.inputs.items()
    }
    apps = {name: replace(app, config=_given(app.config)) for name, app in state.apps.items()}
    tree: dict[str, Any] = clean(msgspec.to_builtins(replace(state, inputs=inputs, apps=apps)))
    return tree


def config_picture(config: Config) -> dict[str, Any]:
    tree: dict[str, Any] = clean(_given(config))
    return tree


def _given(value: Any) -> Any:
    """A configuration without its defaults: some of them, like an empty path, would not be taken from a file."""
    if isinstance(value, Struct):
        pairs = ((field, getattr(value, field.name)) for field in fields(value))
        return {field.encode_name: _given(own) for field, own in pairs if own is not UNSET and own != _default(field)}
    if isinstance(value, dict):
        return {key: _given(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [_given(own) for own in value]
    return value


def _default(field: FieldInfo) -> Any:
    return field.default if field.default_factory is NODEFAULT else field.default_factory()


def state_of(tree: dict[str, Any], config: Config) -> State:
    """Raises ``Damaged``."""
    try:
        state = msgspec.convert(tree, State)
        apps = {}
        for name, app in state.apps.items():
            own = msgspec.convert(app.config, App)
            same = config.apps.get(name)
            apps[name] = replace(app, config=same if same == own else own)
        inputs = {name: _inputs(one) for name, one in tree.get("inputs", {}).items()}
    except msgspec.MsgspecError as error:
        raise Damaged(f"its state was written by another edged: {error}") from error
    return replace(state, apps=apps, inputs=inputs)


def _inputs(tree: dict[str, Any]) -> Inputs:
    found = msgspec.convert(tree, Inputs)
    if found.reference is None:
        return found
    return replace(found, reference=Packed.of(msgspec.convert(found.reference, Reference)))


def config_of(tree: dict[str, Any]) -> Config:
    """Raises ``Damaged``."""
    try:
        return msgspec.convert(tree, Config)
    except msgspec.MsgspecError as error:
        raise Damaged(f"its configuration was written by another edged: {error}") from error


# Frames


def frame(kind: bytes, body: bytes) -> bytes:
    """``body``: what ``encode`` makes of the content; of items, what ``row`` makes."""
    if kind in (HEAD, ITEMS):
        body = zlib.compress(body, 9)
    elif kind == PACKED:
        body = bz2.compress(body, BLOCK)
    return _FRAME.pack(kind, len(body), zlib.crc32(body)) + body


def row(count: int, items: bytes) -> bytes:
    """Items that were encoded one by one, as one list."""
    return b"\xdd" + count.to_bytes(4, "big") + items


def frames(data: bytes) -> Iterator[tuple[bytes, Any]]:
    """(kind, content) of each frame. Raises ``Damaged`` where it is cut off or not what was written."""
    at = 0
    while at < len(data):
        if len(data) - at < _FRAME.size:
            raise Damaged("it is cut off")
        kind, length, checksum = _FRAME.unpack_from(data, at)
        body = data[at + _FRAME.size : at + _FRAME.size + length]
        at += _FRAME.size + length
        if kind not in (HEAD, TAIL, *_ITEMS):
            raise Damaged("it is damaged")
        if len(body) < length:
            raise Damaged("it is cut off")
        if zlib.crc32(body) != checksum:
            raise Damaged("it is damaged: a checksum is wrong")
        yield kind, _content(kind, body)


def _content(kind: bytes, body: bytes) -> Any:
    try:
        if kind in (HEAD, ITEMS):
            unpacker = zlib.decompressobj()
            body = unpacker.decompress(body, LARGEST)
            if unpacker.unconsumed_tail:
                raise Damaged("it is damaged: a frame is too large")
        elif kind == PACKED:
            packed = bz2.BZ2Decompressor()
            body = packed.decompress(body, LARGEST)
            if not packed.eof:
                raise Damaged("it is damaged: a frame is too large")
        return _decode(body)
    except (zlib.error, OSError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise Damaged(f"it is damaged: {error}") from error


class Segment:
    """The content of one file. Raises ``Damaged`` when not even its beginning can be read."""

    def __init__(self, data: bytes, *, bare: bool = False) -> None:
        """``bare``: only its head is of interest."""
        if not data.startswith(MAGIC):
            raise Damaged("it is no recording of edged's, or of another version of it")
        self._frames = frames(data[len(MAGIC) :])
        kind, content = next(self._frames, (b"", None))
        if kind != HEAD:
            raise Damaged("it does not begin with a state")
        try:
            self.head = msgspec.convert(content, Head)
        except msgspec.MsgspecError as error:
            raise Damaged(f"it was written by another edged: {error}") from error
        if bare:
            return
        self.config = config_of(self.head.config)
        self.state = state_of(self.head.state, self.config)

    def turns(self) -> Iterator[Turn]:
        """Raises ``Damaged`` after the last one that can be read."""
        unpacker = Unpacker(self.head.now)
        waiting: Turn | None = None
        config: Config | None = None
        for item in self._items():
            try:
                if item[0] == DECISIONS and waiting is not None:
                    waiting = replace(waiting, decided=tuple(item[1]))
                    continue
                if item[0] == CONFIG:
                    config = config_of(item[1])
                    continue
                now, fact = unpacker.unpack(item)
            except (Unreadable, LookupError, TypeError) as error:
                if waiting is not None:
                    yield waiting
                raise Damaged(str(error)) from error
            if waiting is not None:
                yield waiting
            waiting, config = Turn(now, fact, config), None
        if waiting is not None:
            yield waiting

    def _items(self) -> Iterator[Any]:
        for kind, content in self._frames:
            if kind in _ITEMS:
                yield from content
