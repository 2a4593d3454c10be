"""Durations, sizes and shares as people write them. Pure; used for the file, for labels and for the CLI."""

from __future__ import annotations

import re
from decimal import Decimal

_DURATION_UNITS = {
    "w": Decimal(604800),
    "d": Decimal(86400),
    "h": Decimal(3600),
    "m": Decimal(60),
    "s": Decimal(1),
    "ms": Decimal("0.001"),
}
_SIZE_UNITS = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_BINARY = ("TiB", "GiB", "MiB", "KiB")
_DECIMAL = ("TB", "GB", "MB", "kB")
# The digits are bounded so that no input can become a huge or infinite number.
_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,9})?"
# Each unit at most once and from large to small, so that `1m1h` is caught as the slip it probably is.
_DURATION = re.compile("".join(f"(?:({_NUMBER}){unit})?" for unit in _DURATION_UNITS), re.ASCII)
_SIZE = re.compile(f"({_NUMBER})({'|'.join(_SIZE_UNITS)})?", re.ASCII)
_SHARE = re.compile(f"({_NUMBER})(%?)", re.ASCII)

# 100 years: beyond it, adding to a clock overflows dates.
_LONGEST = 36500 * 86400
# What a signed 64-bit integer holds, as databases and JSON readers do.
_LARGEST = 2**63 - 1

_DURATION_HINT = "write it like 500ms, 5s, 2m, 1h or 7d"
_SIZE_HINT = "write it like 64MiB, 10MB or 100B"
_SHARE_HINT = "write it like 80% or 0.8"


class Unreadable(ValueError):
    """A text that is not what it should be. ``reason`` and ``hint`` never repeat the text itself."""

    def __init__(self, text: str, reason: str, hint: str = "") -> None:
        super().__init__(f"{text!r} {reason}; {hint}" if hint else f"{text!r} {reason}")
        self.reason = reason
        self.hint = hint


def parse_duration(text: str) -> float:
    """``1h30m`` -> 5400.0 seconds. Only a zero may stand without a unit."""
    text = text.strip()
    if text == "0":
        return 0.0
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        if re.fullmatch(_NUMBER, text, re.ASCII):
            raise Unreadable(text, "has no unit", _DURATION_HINT)
        raise Unreadable(text, "is not a duration", _DURATION_HINT)
    parts = zip(match.groups(), _DURATION_UNITS.values(), strict=True)
    # Decimal, so that 700ms is 0.7 and not 0.7000000000000001.
    seconds = sum((Decimal(number) * unit for number, unit in parts if number), Decimal(0))
    if seconds > _LONGEST:
        raise Unreadable(text, "is longer than 100 years", _DURATION_HINT)
    return float(seconds)


def format_duration(seconds: float) -> str:
    """5400.0 -> ``1h30m``; to the millisecond. ``parse_duration`` reads it back."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    milliseconds = round(seconds * 1000)
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    text = ""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000)):
        count, milliseconds = divmod(milliseconds, size)
        text += f"{count}{unit}" if count else ""
    if milliseconds or not text:
        whole, rest = divmod(milliseconds, 1000)
        text += f"{whole}.{rest:03}".rstrip("0").rstrip(".") + "s"
    return text


def parse_size(text: str) -> int:
    """``64MiB`` -> 67108864 bytes. A bare number is bytes."""
    text = text.strip()
    match = _SIZE.fullmatch(text)
    if match is None:
        raise Unreadable(text, "is not a size", _SIZE_HINT)
    exact = Decimal(match[1]) * _SIZE_UNITS[match[2] or "B"]
    if exact > _LARGEST:
        raise Unreadable(text, "is larger than any disk", _SIZE_HINT)
    if exact != int(exact) and match[2] in (None, "B"):
        raise Unreadable(text, "is not a whole number of bytes", _SIZE_HINT)
    return int(exact)


def format_size(size: int) -> str:
    """67108864 -> ``64MiB``, 10000000 -> ``10MB``; what is no round number gets one decimal: ``1.2MiB``."""
    if size < 0:
        return "-" + format_size(-size)
    if size < 1000:
        return f"{size}B"
    exact = [(size // _SIZE_UNITS[unit], unit) for unit in _BINARY + _DECIMAL if size % _SIZE_UNITS[unit] == 0]
    if exact and min(exact)[0] < 10_000:
        count, unit = min(exact, key=lambda pair: pair[0])
        return f"{count}{unit}"
    for unit in _BINARY:
        # Compared after rounding, so that it never says 1024.0KiB.
        if round(size / _SIZE_UNITS[unit], 1) >= 1:
            return f"{size / _SIZE_UNITS[unit]:.1f}{unit}"
    return f"{size}B"


def parse_share(text: str) -> float:
    """``80%`` or ``0.8`` -> 0.8."""
    text = text.strip()
    match = _SHARE.fullmatch(text)
    if match is None:
        raise Unreadable(text, "is not a share", _SHARE_HINT)
    share = Decimal(match[1]) / (100 if match[2] else 1)
    if share > 1:
        hint = f"write it like {text}% or {Decimal(text) / 100}" if not match[2] and share <= 100 else _SHARE_HINT
        raise Unreadable(text, "is more than 100%", hint)
    return float(share)


def format_share(share: float) -> str:
    """0.8 -> ``80%``; at most two decimals."""
    return f"{share * 100:.2f}".rstrip("0").rstrip(".") + "%"


def parse_bool(text: str) -> bool:
    """YAML's words for yes and no."""
    word = text.strip().lower()
    if word in ("true", "yes", "on"):
        return True
    if word in ("false", "no", "off"):
        return False
    raise Unreadable(text, "is neither true nor false", "write true or false")
