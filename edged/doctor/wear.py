"""How far flash memory is used up, where the kernel tells it (eMMC 5.0 and later)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from ..adapters.files import entries, read_text
from .finding import Finding, fail, ok, warn

_EXCEEDED = 0x0B
_WORN = 0x09
"""80–90 % used."""
_LESS = 'lower its writes: sampling.every, history.max_size in edged.yaml; Docker: "log-driver": "local"'


class Flash(Struct, frozen=True, kw_only=True):
    """Registers of one eMMC device, as JEDEC JESD84-B50 defines them; ``None``: not told."""

    device: str
    life: tuple[int, ...]
    """Type A (SLC) and B (MLC): tenths of the life time used, counted from 1; 11: exceeded; 0: not told."""
    reserve: int | None
    """Spare blocks: 1 normal, 2 four fifths used, 3 nearly all used."""


def look(sys: str, device: str) -> Iterator[Finding]:
    """All eMMC devices, and a word about the one with the state folder (``major:minor``) if it is another kind."""
    emmc = {one.device: one for one in read_emmc(sys)}
    for one in emmc.values():
        yield judge(one)
    own = name_of(sys, device)
    if own and own not in emmc:
        yield ok("disk wear", f"{own}: not told by the kernel{_asking(own)}")


def read_emmc(sys: str) -> Iterator[Flash]:
    for path in entries(f"{sys}/block", "mmcblk"):
        # mmcblk0boot0 and the like are parts of the same chip; an SD card has no life_time.
        text = read_text(f"{path}/device/life_time")
        name = path.rpartition("/")[2]
        if text is None or not name.removeprefix("mmcblk").isdigit():
            continue
        life = tuple(number for word in text.split() if (number := _hex(word)) is not None)
        yield Flash(device=name, life=life, reserve=_hex(read_text(f"{path}/device/pre_eol_info") or ""))


def judge(flash: Flash) -> Finding:
    name, told = f"disk wear {flash.device}", describe(flash)
    worst = max(flash.life, default=0)
    if worst >= _EXCEEDED or flash.reserve == 3:
        return fail(
            name, f"{told}: it may fail any day", "sudo rsync -a /var/lib/edged/ BACKUP/   then replace the device"
        )
    if worst >= _WORN or flash.reserve == 2:
        return warn(name, f"{told}: plan its replacement", _LESS)
    return ok(name, told)


def describe(flash: Flash) -> str:
    parts = [f"type {kind} {_used(value)}" for kind, value in zip("AB", flash.life, strict=False) if value]
    reserve = {1: "spare blocks normal", 2: "spare blocks 80 % used", 3: "spare blocks nearly used up"}
    if flash.reserve in reserve:
        parts.append(reserve[flash.reserve])
    return ", ".join(parts) or "the device does not tell its life time"


def _used(value: int) -> str:
    return "life time exceeded" if value >= _EXCEEDED else f"{(value - 1) * 10}–{value * 10} % used"


def name_of(sys: str, device: str) -> str:
    """The whole disk that a partition (``major:minor``) belongs to; empty for what is no disk (tmpfs, overlay)."""
    link = Path(sys, "dev/block", device)
    if not device or not link.exists():
        return ""
    real = os.path.realpath(link)
    return Path(real).parent.name if Path(real, "partition").exists() else Path(real).name


def _asking(name: str) -> str:
    if name.startswith("nvme"):
        return f"; ask with: sudo nvme smart-log /dev/{name}"
    return f"; ask with: sudo smartctl -a /dev/{name}" if name.startswith("sd") else ""


def _hex(text: str) -> int | None:
    try:
        return int(text, 16)
    except ValueError:
        return None
