"""``edged.reload`` and ``edged.config.deploy``: edged's own configuration."""

from __future__ import annotations

import msgspec

from ...vocabulary.facts import CommandReceived
from ..answer import rejected
from ..outcome import Judgement, View
from ..own_config import EDGED, reload, trial

LARGEST = 256 * 1024
"""Bytes of a configuration."""
SHORTEST, LONGEST = 1.0, 240.0
"""Seconds on trial: whoever waits for the answer is given up on after five minutes."""


class ReloadArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class ApplyArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    config: str
    """The whole text of the new file: whoever is far away has no path on the device."""
    hold: float = 60.0
    """Seconds that it has to prove itself."""


def reload_config(args: ReloadArgs, fact: CommandReceived, view: View) -> Judgement:
    return _busy(fact, view) or reload(view.state, fact, view.now)


def apply_config(args: ApplyArgs, fact: CommandReceived, view: View) -> Judgement:
    if not SHORTEST <= args.hold <= LONGEST:
        return _no(fact, view, "bad_arguments", f"hold must be from {SHORTEST:g} to {LONGEST:g} seconds")
    try:
        size = len(args.config.encode())
    except UnicodeEncodeError:
        return _no(fact, view, "bad_arguments", "config is not text")
    if size > LARGEST:
        return _no(fact, view, "too_large", f"the configuration has {size} bytes; at most {LARGEST} are taken")
    if not args.config.strip():
        return _no(fact, view, "bad_arguments", "the configuration is empty")
    return _busy(fact, view) or trial(view.state, fact, args.config, args.hold, view.now)


def _busy(fact: CommandReceived, view: View) -> Judgement | None:
    running = view.state.config.trial
    if running is None:
        return None
    return _no(fact, view, "busy", f"{running.type} by {running.origin} is under way: {running.phase}")


def _no(fact: CommandReceived, view: View, code: str, why: str) -> Judgement:
    return Judgement(view.state, events=(rejected(fact, EDGED, code, why),))
