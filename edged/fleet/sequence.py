"""Proves that nothing of a device's event log was lost, and removes what comes twice. Pure."""

from __future__ import annotations

AHEAD = 4096
"""Numbers that may be known beyond a gap. Then the oldest gap is given up, and what it held is lost."""


class Log:
    """One device's numbers, as one reader sees them. ``sequence`` counts up without a gap within a device's life."""

    def __init__(self) -> None:
        self._boot = 0
        self._first = self._through = 0
        """Everything in between was seen, or given up."""
        self._beyond: set[int] = set()
        self._older: dict[tuple[int, int], None] = {}
        self.lost = 0
        """Numbers that were given up."""

    def take(self, boot: int, sequence: int) -> bool:
        """False: it was here before."""
        if not self._first:
            self._boot, self._first, self._through = boot, sequence, sequence
            return True
        if boot < self._boot or sequence < self._first:
            return self._take_older(boot, sequence)
        self._boot = boot
        if sequence <= self._through or sequence in self._beyond:
            return False
        self._beyond.add(sequence)
        self._advance()
        if len(self._beyond) > AHEAD:
            oldest = min(self._beyond)
            self.lost += oldest - self._through - 1
            self._through = oldest - 1
            self._advance()
        return True

    def _take_older(self, boot: int, sequence: int) -> bool:
        """From before this reader's time (a stored result told again), or of another life of the device."""
        key = (boot, sequence)
        if key in self._older:
            return False
        self._older[key] = None
        if len(self._older) > AHEAD:
            del self._older[next(iter(self._older))]
        return True

    def _advance(self) -> None:
        while self._through + 1 in self._beyond:
            self._through += 1
            self._beyond.discard(self._through)

    @property
    def missing(self) -> tuple[tuple[int, int], ...]:
        """Ranges (first, last) that have not come yet though later ones have."""
        ranges, through = [], self._through
        for number in sorted(self._beyond):
            if number > through + 1:
                ranges.append((through + 1, number - 1))
            through = number
        return tuple(ranges)


class Logs:
    """Those of all devices."""

    def __init__(self) -> None:
        self._of: dict[str, Log] = {}

    def take(self, device: str, boot: int, sequence: int) -> bool:
        return self._of.setdefault(device, Log()).take(boot, sequence)

    def missing(self) -> dict[str, tuple[tuple[int, int], ...]]:
        """Devices of which something is missing, with the ranges."""
        return {device: gaps for device, log in self._of.items() if (gaps := log.missing)}
