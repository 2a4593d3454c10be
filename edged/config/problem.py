"""What is wrong with a configuration, in words for the operator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

_LONGEST_VALUE = 80
MOST = 1000
HIDDEN = "***"


class Problem(Struct, frozen=True, kw_only=True):
    """One thing wrong at one place. ``line`` and ``column`` count from 1; 0 means the file as a whole."""

    file: str
    line: int = 0
    column: int = 0
    key: str = ""
    """Dotted path, as in ``apps.detector.memory.warn``."""
    value: str = ""
    """As it was written, quoted and cut; ``***`` for a secret, empty when a value would not help."""
    reason: str
    hint: str = ""


class ConfigError(Exception):
    """The configuration cannot be used. Carries everything that is wrong with it, in the file's order."""

    def __init__(self, errors: tuple[Problem, ...]) -> None:
        super().__init__(errors)
        self.errors = errors

    def __str__(self) -> str:
        return render(self.errors)


def cap(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """At most ``MOST`` of them, and a word about the rest: a file made to flood must not flood logs and reports."""
    if len(problems) <= MOST:
        return tuple(problems)
    last = Problem(file=problems[0].file, reason=f"there is more wrong; only the first {MOST} problems are shown")
    return (*problems[:MOST], last)


def render(problems: Iterable[Problem]) -> str:
    """One line each: ``file:line: key: value: reason (hint)``, leaving out what is empty."""
    return "\n".join(_line(problem) for problem in problems)


def show(text: str) -> str:
    """A value for a message: quoted, cut to 80 characters, and without what may be a password in a URL."""
    # Up to the last @, because an unescaped password may itself contain / or @.
    start, end = text.find("//"), text.rfind("@")
    quoted = repr(f"{text[: start + 2]}{HIDDEN}{text[end:]}" if 0 <= start < end else text)
    return quoted if len(quoted) <= _LONGEST_VALUE else quoted[: _LONGEST_VALUE - 1] + "…"


def cut(text: str) -> str:
    """A key for a message: cut, and without anything that would upset a terminal."""
    plain = text if text.isprintable() else repr(text)[1:-1]
    return plain if len(plain) <= _LONGEST_VALUE else plain[: _LONGEST_VALUE - 1] + "…"


def _line(problem: Problem) -> str:
    place = f"{problem.file}:{problem.line}" if problem.line else problem.file
    parts = [part for part in (place, problem.key, problem.value, problem.reason) if part]
    return ": ".join(parts) + (f" ({problem.hint})" if problem.hint else "")
