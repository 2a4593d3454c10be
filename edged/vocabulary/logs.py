"""What is remembered of the apps' logs."""

from __future__ import annotations

from msgspec import Struct

from .log_facts import LogKind


class LogBook(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of one app, in all. Kept over restarts: ``position`` and ``kept``."""

    position: str = ""
    """Where reading goes on, see ``observe.log_position``."""
    kept: dict[str, int] = {}
    """``totals`` as they were at ``position``."""
    totals: dict[str, int] = {}
    """Lines by kind: ``lines`` (all), ``errors``, ``slow``, ``auth``, ``skipped``."""


class LogMark(Struct, frozen=True):
    at: float
    counts: dict[LogKind, int]


class LogMinute(Struct, frozen=True):
    """What one app wrote within the last minute."""

    marks: tuple[LogMark, ...] = ()
    samples: dict[LogKind, tuple[str, ...]] = {}
    """The newest lines that match, of different shape."""
