"""What an examination tells: one thing looked at, what was seen there, and what mends it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Verdict = Literal["ok", "warn", "fail", "skip"]
WITH_SUDO = "run with sudo: sudo edged doctor"


class Finding(Struct, frozen=True, kw_only=True):
    """One line for the operator. ``warn`` works today and will hurt some day; ``fail`` does not work now."""

    examination: str
    subject: str = ""
    """What of it; empty for the thing itself."""
    verdict: Verdict
    text: str
    fix: str = ""
    """A command to copy, or an exact edit. For ``skip``: what would make it known."""

    def __post_init__(self) -> None:
        # To be told of trouble without a way out helps nobody on site.
        if self.verdict != "ok" and not self.fix:
            raise ValueError(f"{self.name}: {self.verdict} without a fix")

    @property
    def name(self) -> str:
        return f"{self.examination} {self.subject}".rstrip()


def ok(name: str, text: str) -> Finding:
    """``name``: the examination, and after a blank what of it."""
    return _finding(name, "ok", text, "")


def warn(name: str, text: str, fix: str) -> Finding:
    return _finding(name, "warn", text, fix)


def fail(name: str, text: str, fix: str) -> Finding:
    return _finding(name, "fail", text, fix)


def skip(name: str, text: str, fix: str = WITH_SUDO) -> Finding:
    """It could not be found out."""
    return _finding(name, "skip", text, fix)


def _finding(name: str, verdict: Verdict, text: str, fix: str) -> Finding:
    examination, _, subject = name.partition(" ")
    return Finding(examination=examination, subject=subject, verdict=verdict, text=text, fix=fix)
