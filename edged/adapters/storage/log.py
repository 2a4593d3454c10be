"""Questions to the event log."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence

from ...ports import StoredEvent

COLUMNS = "sequence, boot, wall, topic, payload"


def newest(db: sqlite3.Connection, since_wall: float, types: Sequence[str], limit: int) -> list[StoredEvent]:
    """The newest ones of these types (none given: of all), oldest first."""
    condition = f"AND type IN ({', '.join('?' * len(types))})" if types else ""
    question = f"SELECT {COLUMNS} FROM event WHERE wall >= ? {condition} ORDER BY sequence DESC LIMIT ?"
    rows = db.execute(question, (since_wall, *types, limit)).fetchall()
    return [StoredEvent(*row) for row in reversed(rows)]


def oldest(db: sqlite3.Connection, after: int, limit: int, since_wall: float = -math.inf) -> list[StoredEvent]:
    """In order, those with a number above ``after``. ``since_wall``: Unix time. Raises ``sqlite3.Error``."""
    question = f"SELECT {COLUMNS} FROM event WHERE sequence > ? AND wall >= ? ORDER BY sequence LIMIT ?"
    return [StoredEvent(*row) for row in db.execute(question, (after, since_wall, limit))]
