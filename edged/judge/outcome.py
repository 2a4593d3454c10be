"""What a rule comes to, and how outcomes add up."""

from __future__ import annotations

from msgspec import Struct

from ..config import Config
from ..vocabulary.actions import Action
from ..vocabulary.events import Event
from ..vocabulary.state import AppState, State


class Judgement(Struct, frozen=True):
    """The answer of a rule about the whole state."""

    state: State
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    touched: tuple[str, ...] = ()
    """Apps that a fact was about: they are looked at once more before the turn ends."""


class Outcome(Struct, frozen=True):
    """The answer of a rule about one app."""

    app: AppState
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()


class View(Struct, frozen=True):
    """What a rule about one app may look at."""

    state: State
    config: Config
    now: float


def earliest(*times: float | None) -> float | None:
    """The first of the given times; ``None`` counts as never."""
    known = [t for t in times if t is not None]
    return min(known) if known else None
