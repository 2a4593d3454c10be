"""This process's memory, from the kernel."""

from __future__ import annotations

from pathlib import Path


def resident() -> int:
    """Bytes of RSS now."""
    return _field("VmRSS")


def peak() -> int:
    """The highest RSS since the start or since ``forget_peak``, in bytes."""
    return _field("VmHWM")


def forget_peak() -> None:
    """Begins a new peak. Without it (an odd kernel) the peak only counts what goes above that of the start."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _field(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024
    raise OSError(f"/proc/self/status has no {name}")
