"""Which device gets it when. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from hashlib import sha256


class BadWaves(ValueError):
    """The message is for the operator."""


def parse(text: str) -> tuple[str, ...]:
    """``1,10%,50%,100%``: how many devices shall have it after each wave. Raises ``BadWaves``."""
    waves = tuple(part.strip() for part in text.split(","))
    sizes: dict[bool, float] = {True: 0.0, False: 0.0}
    for wave in waves:
        share = wave.endswith("%")
        try:
            size = float(wave.removesuffix("%")) if share else int(wave)
        except ValueError:
            size = math.nan
        if not 0 < size <= (100 if share else 10**6):
            raise BadWaves(f"{wave!r} is no wave; write a number of devices or a share, as in 1,10%,50%,100%")
        if size <= sizes[share]:
            raise BadWaves(f"the wave {wave} is no larger than the one before; each says how many have it afterwards")
        sizes[share] = size
    return waves


def order(devices: Iterable[str], bundle: str) -> list[str]:
    """The same for the same bundle, and another for the next: not always the same devices go first."""
    return sorted(set(devices), key=lambda device: sha256(f"{bundle}\n{device}".encode()).digest())


def split(devices: Sequence[str], waves: Sequence[str]) -> list[list[str]]:
    """Devices of each wave; a wave that adds none is left out. A share is rounded up."""
    groups, begin = [], 0
    for wave in waves:
        end = math.ceil(len(devices) * float(wave[:-1]) / 100 - 1e-9) if wave.endswith("%") else int(wave)
        end = min(end, len(devices))
        if end > begin:
            groups.append(list(devices[begin:end]))
            begin = end
    return groups
