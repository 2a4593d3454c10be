"""What edged's own HTTP servers are asked, and answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

from msgspec import Struct


class Request(Struct, frozen=True):
    path: str
    query: dict[str, list[str]]
    body: bytes
    peer: str
    """``local:uid=1000(ann)`` on the Unix socket, the address on TCP."""
    stream: BinaryIO | None = None
    """With PUT: the body, which was not read yet."""
    length: int = 0
    """Bytes of it."""
    headers: Mapping[str, str] = {}
    """By name in lower case."""


class Response(Struct, frozen=True):
    status: int
    body: bytes | Iterator[bytes]
    """An iterator is sent as it comes, until the connection is closed."""
    content_type: str = "application/json"
    headers: Mapping[str, str] = {}
    """Further ones."""


Routes = Mapping[tuple[str, str], Callable[[Request], Response]]
"""(method, path) -> what answers it."""
