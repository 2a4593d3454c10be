"""Files out of and into a container, as streams of tar."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator

from ..ports import Refused, Unreachable
from .docker_http import Exchange


def limited(exchange: Exchange, path: str, max_bytes: int, deadline: float) -> Generator[bytes, None, None]:
    """The body as it comes, until ``deadline`` (monotonic). Raises ``Refused`` beyond ``max_bytes``."""
    got = 0
    try:
        for data in exchange.blocks(deadline):
            got += len(data)
            if got > max_bytes:
                raise Refused(f"{path} in the container is larger than {max_bytes} bytes")
            yield data
    except TimeoutError:
        raise Unreachable(f"the engine did not send all of {path} in time") from None


class Once:
    """A body that is sent once, or not at all: an empty one would be taken for a success."""

    def __init__(self, blocks: Iterator[bytes], deadline: float) -> None:
        self._blocks = blocks
        self._deadline = deadline
        self._begun = False

    def __iter__(self) -> Iterator[bytes]:
        if self._begun:
            raise Unreachable("the engine was replaced meanwhile; what was sent has to be sent again")
        self._begun = True
        return self._limited()

    def _limited(self) -> Iterator[bytes]:
        for block in self._blocks:
            if time.monotonic() > self._deadline:
                raise Unreachable("the engine did not take all of it in time")
            if block:  # an empty chunk would end the body
                yield block
