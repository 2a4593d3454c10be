"""Removing what nobody goes back to."""

from __future__ import annotations

import time
from collections.abc import Collection

from . import links
from .layout import Home, is_slot, staging_of, sync
from .slots import TRASH, delete, discard
from .steps import step

STALE = 86400.0
"""Seconds (of the wall clock) after which something unfinished in staging belongs to nobody any more."""


def tidy(place: Home, keep: int, pinned: Collection[str], deployment: str) -> list[str]:
    """Returns the hex digests of the slots that went. Raises ``OSError``, and ``ArtifactError`` when a link is odd."""
    # An odd link ends it here: it may refer to anything.
    stay = {*pinned, *(links.read(place, name) for name in links.NAMES)}
    found = [entry for entry in place.slots.iterdir() if is_slot(entry.name) and entry.is_dir()]
    newest = sorted(found, key=lambda entry: entry.lstat().st_mtime_ns, reverse=True)
    gone = [entry for entry in newest[keep:] if entry.name not in stay]
    for entry in gone:
        discard(place, entry, "tidy.slot")
    _staging(place, deployment)
    for entry in place.root.glob(f"{links.TEMPORARY}*"):
        with step("tidy.link"):
            entry.unlink(missing_ok=True)
    # Once this is journalled as done nobody looks again: a power cut must not bring any of it back.
    sync(place.staging, "tidy.staging.gone.fsync")
    sync(place.root, "tidy.link.gone.fsync")
    return [entry.name for entry in gone]


def _staging(place: Home, deployment: str) -> None:
    own = staging_of(place, deployment) if deployment else None
    now = time.time()
    for entry in list(place.staging.iterdir()):
        if entry.name.startswith(TRASH):
            with step("tidy.trash"):
                delete(entry)
        elif entry == own or now - entry.lstat().st_mtime > STALE:
            discard(place, entry, "tidy.staging")
