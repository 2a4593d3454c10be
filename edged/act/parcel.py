"""Packs what a command asked for into pieces that fit into messages. Pure.

The pieces are the base64 of one gzip stream, cut; the digest is that of the content before compression.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from typing import Any

PIECE = 45 * 1024
"""Bytes of the stream in one piece: its message stays below 64 KiB."""
MOST_PACKED = 2**20
"""Bytes of the whole stream."""
_CUT = 64 * 1024


class TooLarge(ValueError):
    """It does not fit, however well it is compressed."""


def pack(content: bytes, content_type: str, *, cut: bool = False, truncated: bool = False) -> dict[str, Any]:
    """``{"pieces", "digest", "bytes", "content_type", "truncated"}``.

    ``cut``: what does not fit loses its beginning (older log lines); else it raises ``TooLarge``. ``truncated``: it
    was cut before.
    """
    while len(stream := gzip.compress(content, compresslevel=6, mtime=0)) > MOST_PACKED:
        if not cut:
            raise TooLarge(f"{len(stream)} bytes, packed; at most {MOST_PACKED} can be sent")
        content, truncated = _without_beginning(content), True
    pieces = [base64.b64encode(stream[at : at + PIECE]).decode() for at in range(0, len(stream), PIECE)]
    return {
        "pieces": pieces,
        "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "bytes": len(content),
        "content_type": content_type,
        "truncated": truncated,
    }


def _without_beginning(content: bytes) -> bytes:
    rest = content[_CUT:]
    return rest[rest.find(b"\n") + 1 :]
