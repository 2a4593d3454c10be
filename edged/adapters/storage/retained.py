"""The retained topics, mirrored in memory: there are few, and they are compared with every turn of the loop.

Which of them the broker has is known in memory only: that costs no write per acknowledgement, and after a start
they are all sent again, which also puts right what the broker has lost or the last will has overwritten.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from ...ports import Retained


class RetainedTopics:
    """Not thread-safe: the store's lock guards it."""

    def __init__(self) -> None:
        self._wanted: dict[str, Retained] = {}
        self._unsent: dict[str, None] = {}
        self._cleared: list[Retained] = []
        self._version = 0

    def load(self, rows: Iterable[tuple[str, bytes, int]]) -> None:
        known = self._wanted
        self._wanted = {topic: Retained(topic, payload, version) for topic, payload, version in rows}
        self._unsent = {
            topic: None for topic, one in self._wanted.items() if topic in self._unsent or known.get(topic) != one
        }
        self._version = max([self._version, *(one.version for one in self._wanted.values())])

    def changed(self, wanted: Mapping[str, bytes]) -> list[Retained]:
        """New versions of the topics whose content differs from what is wanted already."""
        found: list[Retained] = []
        for topic, payload in wanted.items():
            known = self._wanted.get(topic)
            if payload != (known.payload if known else b""):
                found.append(Retained(topic, payload, self._version + len(found) + 1))
        return found

    @staticmethod
    def write(db: sqlite3.Connection, changed: list[Retained]) -> None:
        rows = [(one.topic, one.version, one.payload) for one in changed]
        # Not INSERT OR REPLACE: that writes the page of the index too, each time.
        question = "INSERT INTO retained VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET version=?2, payload=?3"
        db.executemany(question, rows)

    def update(self, changed: list[Retained]) -> None:
        """What ``changed`` returned has been written."""
        for one in changed:
            self._wanted[one.topic] = one
            self._unsent.pop(one.topic, None)  # to the end: they are sent in the order of their changes
            self._unsent[one.topic] = None
            self._version = one.version

    def unsent(self, limit: int) -> list[Retained]:
        return [self._wanted[topic] for topic, _ in zip(self._unsent, range(limit), strict=False)]

    def acknowledge(self, topic: str, version: int) -> None:
        known = self._wanted.get(topic)
        if known is None or known.version != version:
            return
        self._unsent.pop(topic, None)
        if not known.payload:
            del self._wanted[topic]
            self._cleared.append(known)

    def forget(self, topic: str | None) -> None:
        for one in self._wanted if topic is None else (topic,):
            if one in self._wanted:
                self._unsent[one] = None

    @property
    def has_cleared(self) -> bool:
        """Rows of cleared topics are waiting to be deleted."""
        return bool(self._cleared)

    def delete_cleared(self, db: sqlite3.Connection) -> None:
        # By version: the topic may have been given new content in the meantime.
        rows = [(one.topic, one.version) for one in self._cleared]
        db.executemany("DELETE FROM retained WHERE topic=? AND version=?", rows)

    def cleared_deleted(self) -> None:
        self._cleared.clear()
