"""Whether the host's wall clock is being kept right by NTP or the like."""

from __future__ import annotations

from .files import exists

_TIME_ERROR = 5
_STA_UNSYNC = 0x40
# struct timex begins: unsigned modes; long offset, freq, maxerror, esterror; int status.
_LONGS_BEFORE_STATUS = 5
_TIMEX_SIZE = 512


def clock_synced(run: str) -> bool | None:
    """Asks the kernel, which every time daemon tells. ``None``: not allowed to ask and nobody else knows.

    systemd's ``ProtectClock=`` forbids even asking; then systemd-timesyncd's mark below ``run`` is looked
    for, whose absence proves nothing: the time daemon may be another one.
    """
    unsynced = _kernel_says_unsynced()
    if unsynced is not None:
        return not unsynced
    try:
        return True if exists(f"{run}/systemd/timesync/synchronized") else None
    except OSError:
        return None


def _kernel_says_unsynced() -> bool | None:
    import ctypes

    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    # Zeroed, so ``modes`` is 0: only ask. Larger than any timex, whose end differs between C libraries.
    buffer = ctypes.create_string_buffer(_TIMEX_SIZE)
    state = adjtimex(buffer)
    if state < 0:
        return None
    at = _LONGS_BEFORE_STATUS * ctypes.sizeof(ctypes.c_long)
    status = ctypes.c_int.from_buffer(buffer, at).value
    return bool(state == _TIME_ERROR or status & _STA_UNSYNC)
