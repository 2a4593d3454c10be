"""Takes each turn's outcome to disk, log and readers, off the loop's thread.

The order is fixed: log line, commit, then the actions that had to be journalled first, then answers and the
outbox. A disk that is full or gone delays no action: what could not be stored is kept, up to a bound, and tried again.
Meanwhile the state goes to room set aside; what must be given up of the events is reported with its range.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from ..ports import Batch, Clock, StorageError, Store
from ..vocabulary.actions import Action
from ..vocabulary.events import CommandAnswered, CommandPiece, Event
from ..vocabulary.facts import Fact, StorageSeen
from .payloads import topic

log = logging.getLogger(__name__)

RETRY = 5.0
PATIENCE = 5.0
"""Seconds that an action waits for its entry in the journal: a medium that hangs must not hold up a recovery."""
TIDY_EVERY = 60.0
FIRST_TIDY = 2.0
"""Seconds into a run: what the run before had to give up is told soon."""
RECEIPTS = 1000
"""Messages that the broker may have without acknowledgement, and more."""
KEEP_EVENTS = 5000
"""Events that are kept in memory while the disk does not take them."""


class Output(Struct, frozen=True, kw_only=True):
    """What one turn of the loop came to."""

    wall: float
    now: float
    events: tuple[Event, ...] = ()
    state: dict[str, bytes] = {}
    retained: dict[str, bytes] = {}
    intents: tuple[tuple[str, bytes], ...] = ()
    outcomes: tuple[tuple[str, bytes], ...] = ()
    receipts: tuple[int, ...] = ()
    """Of the broker's messages that this is all about: given back when it is on disk."""
    actions: tuple[Action, ...] = ()
    """To be begun when the intents are on disk."""


class Sinks(Struct, frozen=True):
    """Where things go from here."""

    encode: Callable[[int, int, float, Event], bytes]
    line: Callable[[Event, float], None]
    act: Callable[[Action], None]
    answer: Callable[[CommandAnswered], None]
    count: Callable[[Event], None]
    kick: Callable[[], None]
    post: Callable[[Fact], None]
    acknowledge: Callable[[int], None]
    """Gives a receipt back to the broker."""
    tidy: Callable[[], None]
    """Enforces the bounds of the store; called now and then."""


class Recorder:
    """One thread between the loop and everything durable."""

    def __init__(self, store: Store, clock: Clock, sinks: Sinks, trouble: str = "") -> None:
        """``trouble``: what was told of the store already; the first commit shows that it is over."""
        self._store, self._clock, self._sinks = store, clock, sinks
        self._pending: deque[Output] = deque()
        self._held: dict[str, tuple[float, Action]] = {}
        """Actions that wait for the journal, by id, and since when."""
        self._ordered: dict[str, Action] = {}
        """Those of an order from afar: without the journal they are not begun, for the broker would bring it again."""
        self._lock = threading.Condition()
        self._stopped = False
        self._unstored: list[Batch] = []
        self._receipts: deque[int] = deque(maxlen=RECEIPTS)
        self._aside: Batch | None = None
        """All that is unstored but its events, as one."""
        self._error, self._stow_error = trouble, ""
        self._retry_at = 0.0
        self._tidied = time.monotonic() - max(0.0, TIDY_EVERY - FIRST_TIDY)
        self._idle = True
        self.last_beat = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="edged-recorder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, output: Output) -> None:
        """Never waits for the disk."""
        with self._lock:
            self._pending.append(output)
            now = time.monotonic()
            self._held.update({a.id: (now, a) for a in output.actions if not output.receipts})
            self._ordered.update({a.id: a for a in output.actions if output.receipts})
            self._lock.notify()

    def overtake(self) -> None:
        """Begins what has waited for the journal longer than ``PATIENCE``. For another thread than the recorder's."""
        late_since = time.monotonic() - PATIENCE
        with self._lock:
            late = [action for since, action in self._held.values() if since < late_since]
            for action in late:
                del self._held[action.id]
        for action in late:
            self._sinks.act(action)
        if late:
            self._tell(f"the state folder has not taken a write for {PATIENCE:g} s; actions go on without the journal")

    def flush(self, timeout: float) -> bool:
        """Waits until everything handed over so far was dealt with."""
        deadline = time.monotonic() + timeout
        with self._lock:
            while (self._pending or not self._idle) and self._thread.is_alive():
                if (
                    not self._lock.wait(min(0.05, max(0.0, deadline - time.monotonic())))
                    and time.monotonic() >= deadline
                ):
                    return False
        return True

    def stop(self, timeout: float) -> None:
        self.flush(timeout)
        with self._lock:
            self._stopped = True
            self._lock.notify()
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._lock:
                self._idle = True
                self._lock.notify_all()
                while not self._pending and not self._stopped and time.monotonic() - self._tidied < TIDY_EVERY:
                    self.last_beat = time.monotonic()
                    wait = RETRY if self._unstored else 5.0
                    if not self._lock.wait(wait) and self._unstored:
                        break
                if self._stopped and not self._pending:
                    return
                outputs, self._idle = list(self._pending), False
                self._pending.clear()
            self.last_beat = time.monotonic()
            self._take(outputs)
            self._tidy()

    def _take(self, outputs: list[Output]) -> None:
        for output in outputs:
            for event in output.events:
                if not isinstance(event, CommandPiece):
                    self._sinks.line(event, output.wall)
                    self._sinks.count(event)
            self._receipts.extend(output.receipts)
        safe = self._commit(outputs)
        if safe:
            while self._receipts:
                self._sinks.acknowledge(self._receipts.popleft())
        for output in outputs:
            for action in output.actions:
                with self._lock:
                    ordered = self._ordered.pop(action.id, None) is not None
                    waits = self._held.pop(action.id, None) is not None or (ordered and safe)
                if waits:
                    self._sinks.act(action)
        for output in outputs:
            for event in output.events:
                if isinstance(event, CommandAnswered):
                    self._sinks.answer(event)
        if any(output.events or output.retained for output in outputs):
            self._sinks.kick()

    def _tidy(self) -> None:
        now = time.monotonic()
        if now - self._tidied < TIDY_EVERY:
            return
        self._tidied = now
        try:
            self._sinks.tidy()
        except StorageError as error:
            self._tell(str(error))

    def _commit(self, outputs: list[Output]) -> bool:
        """Stores everything, after what could not be stored before; on failure the rest is kept for the next try.

        True when what an order asks for outlives a restart: in the database, or at least in the room set aside.
        """
        fresh = list(map(_batch, outputs))
        waiting = _merged([*self._unstored, *fresh])
        now = time.monotonic()
        if self._unstored and now < self._retry_at:
            return self._put_aside(waiting, fresh)
        while waiting:
            try:
                self._store.commit(waiting[0], self._sinks.encode)
            except StorageError as error:
                self._retry_at = now + RETRY
                safe = self._put_aside(waiting, fresh)
                self._tell(str(error))
                return safe
            waiting.pop(0)
        self._unstored = []
        if self._error and self._settled():
            self._tell("")
        return True

    def _put_aside(self, waiting: list[Batch], fresh: list[Batch]) -> bool:
        """Events wait in memory; everything else also goes where there is room for it on a full disk."""
        self._unstored = _bounded(waiting)
        bare = [replace(batch, events=()) for batch in fresh]
        if self._aside is None:
            bare = [replace(batch, events=()) for batch in waiting]
        if not bare:
            return not self._stow_error
        self._aside = _merged([*([self._aside] if self._aside else []), *bare])[0]
        try:
            self._store.stow(self._aside, sum(len(batch.events) + batch.skipped for batch in self._unstored))
        except StorageError as error:
            if self._stow_error != str(error):
                self._stow_error = str(error)
                log.error("not even the state can be stored, a restart would forget what is new: %s", error)
            return False
        return True

    def _settled(self) -> bool:
        """Everything is in the database again: what was put aside is of no use any more, and must not outlive it."""
        try:
            self._store.settle()
        except StorageError as error:
            self._tell(str(error))
            return False
        self._aside, self._stow_error = None, ""
        self._tidied = time.monotonic() - TIDY_EVERY  # it reports what was given up
        return True

    def _tell(self, error: str) -> None:
        if error != self._error:
            self._error = error
            self._sinks.post(StorageSeen(at=self._clock.now(), ok=not error, error=error))


def _bounded(batches: list[Batch]) -> list[Batch]:
    """The newest events up to ``KEEP_EVENTS``; of the older ones their number, and state, intents and outcomes."""
    count = 0
    for index in range(len(batches) - 1, -1, -1):
        count += len(batches[index].events)
        if count > KEEP_EVENTS:
            old = [replace(b, events=(), skipped=b.skipped + len(b.events)) for b in batches[: index + 1]]
            return _merged([*old, *batches[index + 1 :]])
    return batches


def _batch(output: Output) -> Batch:
    return Batch(
        wall=output.wall,
        now=output.now,
        state=output.state,
        retained=output.retained,
        intents=output.intents,
        outcomes=output.outcomes,
        events=tuple((where, event) for event in output.events if (where := topic(event))),
    )


def _merged(batches: list[Batch]) -> list[Batch]:
    """Turns that came close together are one transaction: the sync is what costs.

    Events keep the wall time of their own turn: turns that both tell something are merged only within 50 ms.
    """
    merged: list[Batch] = []
    for batch in batches:
        last = merged[-1] if merged else None
        if last is not None and (not batch.events or not last.events or abs(batch.wall - last.wall) < 0.05):
            merged[-1] = Batch(
                wall=batch.wall if batch.events else last.wall,
                now=batch.now,
                state={**last.state, **batch.state},
                retained={**last.retained, **batch.retained},
                events=(*last.events, *batch.events),
                intents=(*last.intents, *batch.intents),
                outcomes=(*last.outcomes, *batch.outcomes),
                skipped=last.skipped + batch.skipped,
            )
        else:
            merged.append(batch)
    return merged
