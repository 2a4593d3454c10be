"""What was counted in the apps' logs."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from .fact import Fact

LogKind = Literal["errors", "slow", "auth"]
LOG_KINDS: tuple[LogKind, ...] = ("errors", "slow", "auth")


class LogCount(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one app wrote since it was last told of."""

    app: str
    lines: int = 0
    """All of them, also those that were skipped."""
    counts: dict[LogKind, int] = {}
    """Lines that match, by kind; one may be of several kinds. Only kinds that have any."""
    late: dict[LogKind, int] = {}
    """The part of ``counts`` that was written more than a minute before it was read: no burst of now."""
    skipped: int = 0
    """Lines that nobody looked at, since there were too many. Beyond what was read it is an estimate."""
    samples: dict[LogKind, tuple[str, ...]] = {}
    """A few of the lines that match, cut and without secrets."""
    position: str = ""
    """Where reading goes on after a restart. Kept together with what was counted up to there; empty: as before."""


class LogsCounted(Fact, frozen=True, kw_only=True):
    """Sent when there is something to tell: matches within two seconds, mere lines once a minute."""

    apps: tuple[LogCount, ...]
