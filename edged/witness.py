"""What the loop tells whoever takes down what it did."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from .config import Config
from .vocabulary.actions import Action
from .vocabulary.event import Event
from .vocabulary.facts import Fact
from .vocabulary.state import State


class Turn(Struct, frozen=True):
    """One fact, and what it led to."""

    now: float
    """Moment on edged's clock at which it was judged."""
    fact: Fact
    config: Config
    before: State
    after: State
    actions: tuple[Action, ...]
    events: tuple[Event, ...]


class Witness(Protocol):
    """Takes down every turn. Called in each of them: never waits, never raises."""

    def saw(self, turn: Turn) -> None: ...
