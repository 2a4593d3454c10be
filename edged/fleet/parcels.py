"""Results that are too large for one message: compressed, in pieces, with a digest of the whole. Pure.

Each piece is an answer ``running`` with the phase ``data`` and the result
``{"encoding": "gzip+base64", "chunk": i, "chunks": n, "digest": "sha256:…", "data": …}``: the base64 of a slice of one
gzip stream. The final answer's result has the same ``digest`` (of the content before compression), ``bytes`` and
``chunks``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from typing import Any

from .answers import Answer

MOST_PIECES = 4096
MOST_BYTES = 64 * 2**20
"""Of one result, both compressed and not."""


class Damaged(ValueError):
    """The message is for the operator."""


class Parcel:
    """The pieces of one command's result."""

    def __init__(self) -> None:
        self._pieces: dict[int, bytes] = {}
        self._size = 0

    def take(self, answer: Answer) -> bool:
        """Whether this was a piece. Raises ``Damaged`` when it cannot be one."""
        result = answer.result
        if answer.state != "running" or answer.phase != "data" or "data" not in result:
            return False
        number = result.get("chunk")
        if result.get("encoding") != "gzip+base64" or not isinstance(number, int) or not 0 <= number <= MOST_PIECES:
            raise Damaged("a piece of the result has an unknown encoding or number")
        try:
            data = base64.b64decode(str(result["data"]), validate=True)
        except (binascii.Error, ValueError):
            raise Damaged(f"piece {number} of the result is no base64") from None
        self._size += len(data) - len(self._pieces.get(number, b""))
        if self._size > MOST_BYTES:
            raise Damaged(f"the result is larger than {MOST_BYTES} bytes")
        self._pieces[number] = data
        return True

    def open(self, final: dict[str, Any]) -> bytes | None:
        """The content, as the final answer's result describes it; ``None``: it describes none. Raises ``Damaged``."""
        chunks, digest, size = final.get("chunks"), final.get("digest"), final.get("bytes")
        if not isinstance(chunks, int) or not isinstance(digest, str):
            return None
        if len(self._pieces) != chunks:
            raise Damaged(f"{len(self._pieces)} of {chunks} pieces of the result have arrived: ask for it again")
        inflate = zlib.decompressobj(wbits=31)
        try:
            packed = b"".join(piece for _, piece in sorted(self._pieces.items()))
            data = inflate.decompress(packed, MOST_BYTES)
        except zlib.error as error:
            raise Damaged(f"the result cannot be unpacked: {error}") from None
        if not inflate.eof:
            raise Damaged(f"the result is cut off, or larger than {MOST_BYTES} bytes")
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest or size not in (None, len(data)):
            raise Damaged("the result's digest or size is not what the device said")
        return data
