"""Follows commands to their ends. Pure: times are given."""

from __future__ import annotations

from collections.abc import Iterable

from .answers import Answer, later
from .commands import Command
from .parcels import Damaged, Parcel

NUDGE = 60.0
"""Seconds of silence after which a command is sent once more. A device does nothing twice for a repeated id but tells
how it stands, so this makes up for any message that was lost on the way."""
RETRY = 10.0
"""Seconds after which a command is sent again that was rejected for now."""


class Tracked:
    """One command."""

    __slots__ = ("answer", "command", "content", "heard", "note", "parcel", "refused")

    def __init__(self, command: Command, now: float) -> None:
        self.command = command
        self.answer: Answer | None = None
        self.heard = now
        """Monotonic time of the last answer, or of sending."""
        self.note = ""
        """What the operator should know besides the answer."""
        self.content: bytes | None = None
        """A large result, put together."""
        self.parcel: Parcel | None = None
        self.refused = False
        """By the broker: no device has it."""

    @property
    def state(self) -> str:
        return self.answer.state if self.answer is not None else "sent"

    @property
    def final(self) -> bool:
        return self.answer is not None and self.answer.final


class Tracker:
    def __init__(self, commands: Iterable[Command], now: float) -> None:
        self.all = {(one.device, one.id): Tracked(one, now) for one in commands}
        self.open = len(self.all)

    def find(self, command: Command) -> Tracked | None:
        return self.all.get((command.device, command.id))

    def take(self, answer: Answer, now: float) -> Tracked | None:
        """The command it is about, when the answer says something new."""
        tracked = self.all.get((answer.device, answer.id))
        if tracked is None or not later(tracked.answer, answer):
            return None
        if answer.passing:
            tracked.heard = now - NUDGE + RETRY
            return tracked
        tracked.heard = now
        tracked.answer = answer
        self._unpack(tracked, answer)
        self.open -= answer.final
        return tracked

    def _unpack(self, tracked: Tracked, answer: Answer) -> None:
        try:
            if answer.phase == "data" and answer.state == "running":
                tracked.parcel = tracked.parcel or Parcel()
                tracked.parcel.take(answer)
            elif answer.final:
                tracked.content = (tracked.parcel or Parcel()).open(answer.result)
                tracked.parcel = None
        except Damaged as damage:
            tracked.note = str(damage)

    def give_up(self, tracked: Tracked) -> None:
        """The broker will not take it."""
        self.open -= not tracked.final and not tracked.refused
        tracked.refused = True

    def silent(self, now: float, after: float = NUDGE) -> list[Command]:
        """Commands that are open and of which nothing was heard for so long; their silence counts anew from now."""
        quiet = [one for one in self.all.values() if not one.final and not one.refused and now - one.heard >= after]
        for one in quiet:
            one.heard = now
        return [one.command for one in quiet]
