"""Brings the answers of commands back to whoever waits for them on the local socket."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator

from ..vocabulary.events import CommandAnswered

FINAL = ("succeeded", "failed", "rejected")


class Answers:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, queue.SimpleQueue[CommandAnswered]] = {}

    def expect(self, command_id: str) -> None:
        """To be called before the command is handed over, so that no answer is missed."""
        with self._lock:
            self._waiting[command_id] = queue.SimpleQueue()

    def tell(self, event: CommandAnswered) -> None:
        with self._lock:
            waiting = self._waiting.get(event.id)
        if waiting is not None:
            waiting.put(event)

    def follow(self, command_id: str, timeout: float) -> Iterator[CommandAnswered]:
        """Answers as they come, up to the final one or until ``timeout`` seconds are over."""
        deadline = time.monotonic() + timeout
        with self._lock:
            waiting = self._waiting[command_id]
        try:
            while (left := deadline - time.monotonic()) > 0.0:
                try:
                    event = waiting.get(timeout=left)
                except queue.Empty:
                    return
                yield event
                if event.status in FINAL:
                    return
        finally:
            with self._lock:
                self._waiting.pop(command_id, None)
