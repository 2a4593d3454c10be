"""The wall clock: events are stamped with it, certificates and commands are judged by it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ..adapters.files import entries, read_text
from ..adapters.timesync import clock_synced
from .finding import Finding, fail, ok, warn
from .patient import Patient

RELEASED = datetime(2025, 6, 1, tzinfo=UTC).timestamp()
"""No box can run this program before it was written."""
_KEEPERS = {
    "systemd-timesyn": "systemd-timesyncd",  # the kernel keeps 15 characters
    "chronyd": "chrony",
    "ntpd": "ntpd",
    "openntpd": "OpenNTPD",
    "ptp4l": "ptp4l",
    "phc2sys": "phc2sys",
}
_SET = "sudo timedatectl set-ntp true"


def look(patient: Patient) -> Iterator[Finding]:
    installed = max(RELEASED, Path(__file__).stat().st_mtime)
    has_rtc = bool(entries(str(patient.sys / "class/rtc"), "rtc"))
    yield judge(patient.wall(), installed, clock_synced(str(patient.run)), keeper(str(patient.proc)), has_rtc)


def keeper(proc: str) -> str:
    """The time daemon that runs here, or nothing."""
    for folder in entries(proc):
        if folder.rpartition("/")[2].isdigit() and (name := read_text(f"{folder}/comm")) in _KEEPERS:
            return _KEEPERS[name]
    return ""


def judge(wall: float, earliest: float, synced: bool | None, who: str, has_rtc: bool) -> Finding:
    """``earliest``: the time now is later than that for sure. Unix times."""
    install = _SET if who else "sudo apt-get install chrony"
    now = datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if wall < earliest:
        fix = f"sudo date -s '{datetime.fromtimestamp(earliest, UTC):%Y-%m-%d}'; {install}"
        return fail("clock", f"it says {now}, which is before edged was installed: TLS will refuse certificates", fix)
    by = f" by {who}" if who else ""
    rtc = "" if has_rtc else "; no battery-backed clock, so it is wrong after each power cut until the network is there"
    if synced:
        return ok("clock", f"{now}, synchronised{by}{rtc}")
    if synced is None and who:
        return ok("clock", f"{now}, kept{by} (whether it is in step is not told){rtc}")
    state = f"{who} runs, but has not got the time yet" if who else "no time daemon runs"
    return warn("clock", f"{now}, not synchronised: {state}{rtc}", install)
