"""Which events are on their way to the broker, up to where it has them all, and what may be sent next. Pure."""

from __future__ import annotations

from collections import deque

AHEAD = 10
"""Windows that may be handed over beyond an event that is never answered. Then nothing more is sent, and the silence
ends the connection: what the broker has beyond the gap stays bounded."""


class Window:
    """Order and acknowledgements of the event log's tail.

    After a refusal nothing more is sent until all that is under way has been answered; then, at ``retry_at``, the
    first event without acknowledgement goes alone. A broker that says no is asked once, not a hundred times.
    """

    def __init__(self, retry: tuple[float, float]) -> None:
        """``retry``: shortest and longest pause after a refusal, seconds."""
        self._retry = retry
        self._pause = 0.0
        self._probing = False
        self._said = False
        """The broker said no, rather than hanging up: the next connection may well find it of another mind."""
        self._fed: deque[int] = deque()
        """Handed over since ``through``, in order."""
        self._unanswered: set[int] = set()
        self._acked: set[int] = set()
        """Acknowledged although an earlier one is not: not to be sent again."""
        self.through = 0
        """Every event up to this number is done with."""
        self.retry_at: float | None = None
        """Set while the broker refuses events: when to ask again."""

    @property
    def cursor(self) -> int:
        """The highest number handed over."""
        return self._fed[-1] if self._fed else self.through

    def room(self, size: int, under_way: int, now: float) -> int:
        """How many events to hand over now, with ``under_way`` of at most ``size`` messages of all kinds.

        Refills when half empty: many at a time is cheaper than one by one.
        """
        if self.retry_at is not None:
            return 1 if not self._fed and now >= self.retry_at else 0
        if len(self._fed) >= AHEAD * size:
            return 0
        return size - under_way if under_way * 2 <= size else 0

    def feed(self, sequence: int) -> bool:
        """The next event of the log. False: it was acknowledged earlier and must not be sent again."""
        self._fed.append(sequence)
        if sequence in self._acked:
            self._advance()
            return False
        self._unanswered.add(sequence)
        self._probing = self.retry_at is not None
        return True

    def ack(self, sequence: int) -> None:
        self._unanswered.discard(sequence)
        self._acked.add(sequence)
        self._advance()
        if self._probing:
            self._probing = False
            self.retry_at = None
            self._pause = 0.0
        self._rewind()

    def refuse(self, sequence: int, now: float, said: bool = True) -> None:
        """The broker does not take this event: keep it, ask again later."""
        self._unanswered.discard(sequence)
        self._said = said
        if self.retry_at is None or self._probing:
            shortest, longest = self._retry
            self._pause = min(max(shortest, self._pause * 2), longest)
            self.retry_at = now + self._pause
            self._probing = False
        self._rewind()

    def forget(self, now: float) -> None:
        """The connection is gone, or new: what has no acknowledgement is sent again, and a refusal may be over."""
        self._fed.clear()
        self._unanswered.clear()
        self._acked = {sequence for sequence in self._acked if sequence > self.through}
        self._probing = False
        if self.retry_at is not None and self._said:
            self.retry_at = now

    def _advance(self) -> None:
        while self._fed and self._fed[0] in self._acked:
            self.through = self._fed.popleft()
            self._acked.discard(self.through)

    def _rewind(self) -> None:
        if self.retry_at is not None and not self._unanswered:
            self._fed.clear()
