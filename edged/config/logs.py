"""The section ``logs``: which lines of an app's log are counted, and how many a minute are a matter for an alert."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from .types import Count, Section

Pattern = Annotated[str, Meta(title="regular expression", max_length=500)]


class Logs(Section, frozen=True, kw_only=True):
    """Regular expressions, searched for in each line. An empty one counts nothing."""

    errors: Pattern = "ERROR|CRITICAL|FATAL"
    slow: Pattern = "(?i)slow|timeout|timed out|latency"
    auth: Pattern = "(?i)unauthorized|login failed|authentication fail"
    warn_per_minute: Count = 10


Switch = Literal["on", "off"]
DEFAULT = Logs()


def asked(given: Logs | Switch | None, discovered: bool) -> Logs | None:
    """What is to be counted; ``None``: nothing. Where nothing is said, apps of the file are read and others not."""
    if isinstance(given, Logs):
        return given
    if given is None:
        return None if discovered else DEFAULT
    return DEFAULT if given == "on" else None
