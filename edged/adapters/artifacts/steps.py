"""Names for every step after which something is on disk, or in a container, that was not there before.

``at`` is called with ``NAME:before`` and ``NAME:after``. Nothing in edged replaces it: a test does, from its own entry
script, to end the process exactly there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


def nothing(point: str) -> None:
    """Does nothing."""


at: Callable[[str], None] = nothing


@contextmanager
def step(name: str) -> Iterator[None]:
    at(f"{name}:before")
    yield
    at(f"{name}:after")
