"""The one number that must outlive a lost database: how far the event sequence may have been used.

It lives beside the database and is rewritten only once per start and per ``STEP`` events, ahead of use: every
number ever given out is at or below it, and it is at most ``STEP`` ahead. A database further behind was lost or
put back from a backup, and must not give the same numbers out again.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

from ..atomic import sync_folder

STEP = 1_000
log = logging.getLogger(__name__)


class Reserve(msgspec.Struct, frozen=True):
    boot: int = 0
    sequence: int = 0
    """No event has a higher number."""
    acknowledged: int = 0
    """The broker had everything up to here when this was written."""


def read(path: Path) -> Reserve:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Reserve)
    except FileNotFoundError:
        return Reserve()
    except (OSError, msgspec.DecodeError) as error:
        # The database is the authority; this file only matters once that is gone too.
        log.error("%s cannot be read, the database alone keeps the sequence: %s", path, error)
        return Reserve()


def write(path: Path, reserve: Reserve) -> None:
    """Replaces the file, synced. Raises ``OSError``."""
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(reserve))
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    sync_folder(path.parent)
