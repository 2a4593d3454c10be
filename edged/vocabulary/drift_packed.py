"""A reference as it is kept between two readings: as objects, its labels and shares take five times the memory."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from .drift import FeatureReference, Reference

_FIELDS = FeatureReference.__struct_fields__
_HERE = "packed"
_encoder = msgspec.msgpack.Encoder()


class _Part(FeatureReference, frozen=True, kw_only=True, array_like=True):
    """The same without the names of its fields."""


_decoder = msgspec.msgpack.Decoder(_Part)


def pack(one: FeatureReference) -> bytes:
    """One feature. Equal ones give equal bytes."""
    room = bytearray()
    _encoder.encode_into([getattr(one, field) for field in _FIELDS], room)
    return bytes(room)  # a copy: what has grown has room to spare


def unpack(part: bytes) -> FeatureReference:
    """What was packed, to the last digit."""
    found = _decoder.decode(part)
    return FeatureReference(**{field: getattr(found, field) for field in _FIELDS})


class Packed(Struct, frozen=True):
    """A whole reference."""

    parts: tuple[bytes, ...]
    """Its features, each by itself."""
    rows: int
    learned: bool

    @classmethod
    def of(cls, reference: Reference) -> Packed:
        """Made once for each object, so that who counts and who judges hold the same bytes."""
        found = vars(reference).get(_HERE)
        if isinstance(found, Packed):
            return found
        made = cls(tuple(map(pack, reference.features)), reference.rows, reference.learned)
        vars(reference)[_HERE] = made
        return made

    def unpacked(self) -> Reference:
        reference = Reference(features=tuple(map(unpack, self.parts)), rows=self.rows, learned=self.learned)
        vars(reference)[_HERE] = self
        return reference
