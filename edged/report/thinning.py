"""Samples that wait for a connection: all of them for a while, then fewer, but always of the whole time."""

from __future__ import annotations

from collections.abc import Sequence


class ThinnedSamples:
    """At most ``limit`` samples. When full, every second one goes, and from then on every second one is taken.

    So three weeks offline are shown evenly, at a pace of hours, instead of the last few hours only. The newest
    sample is always kept. Not thread-safe.
    """

    def __init__(self, limit: int = 240) -> None:
        self._limit = limit
        self._kept: list[bytes] = []
        self._newest: bytes | None = None
        self._stride = 1
        self._skipped = 0
        self.dropped = 0
        """Samples thinned out so far."""

    def __len__(self) -> int:
        return len(self._kept) + (self._newest is not None)

    def offer(self, sample: bytes) -> None:
        if self._newest is not None:
            self._skipped += 1
            if self._skipped == self._stride:
                self._keep(self._newest)
            else:
                self.dropped += 1
        self._newest = sample

    def _keep(self, sample: bytes) -> None:
        self._skipped = 0
        self._kept.append(sample)
        if len(self._kept) >= self._limit:
            self.dropped += len(self._kept) // 2
            del self._kept[1::2]
            self._stride *= 2

    def take(self, limit: int) -> list[bytes]:
        """Removes and returns the oldest samples."""
        taken, self._kept = self._kept[:limit], self._kept[limit:]
        if not self._kept and self._newest is not None and len(taken) < limit:
            taken.append(self._newest)
            self._newest = None
        if not len(self):
            self._stride, self._skipped = 1, 0
        return taken

    def put_back(self, samples: Sequence[bytes]) -> None:
        """Samples that were taken and not delivered; they are the oldest."""
        self._kept[:0] = samples
        while len(self._kept) > self._limit:
            self.dropped += len(self._kept) // 2
            del self._kept[1::2]
