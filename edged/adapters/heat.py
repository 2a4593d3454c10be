"""How hot the host is, and whether it is being slowed down for it."""

from __future__ import annotations

from .files import entries, read_int, read_text

# A sensor that is not connected reads 127 or 128, sometimes -128: what no running chip has is not believed.
_COLDEST, _HOTTEST = -40.0, 125.0
# Known liars: Jetson's PMIC zone always says 100, the AUX inputs of Super I/O chips float when unused.
_NOT_SENSORS = ("PMIC", "AUX")
_RASPBERRY_PI = "devices/platform/soc/soc:firmware/get_throttled"
# The low bits say "now" (undervoltage, frequency capped, throttled, soft limit), the high ones "since boot".
_PI_NOW = 0xF


def temperature(sys: str) -> float | None:
    """The hottest sensor, Celsius; ``None`` when there is none to believe."""
    hottest: float | None = None
    for zone in entries(f"{sys}/class/thermal", "thermal_zone"):
        hottest = _hotter(hottest, f"{zone}/temp", f"{zone}/type")
    for chip in entries(f"{sys}/class/hwmon", "hwmon"):
        # Before Linux 3.15 some drivers put their files below ``device``.
        for folder in (chip, f"{chip}/device"):
            for path in entries(folder, "temp"):
                if path.endswith("_input"):
                    sensor = path.removesuffix("_input")
                    if read_int(f"{sensor}_fault") != 1:
                        hottest = _hotter(hottest, path, f"{sensor}_label")
    return hottest


def _hotter(hottest: float | None, path: str, label_path: str) -> float | None:
    value = read_int(path)
    if value is None or not _COLDEST <= value / 1000 < _HOTTEST:
        return hottest
    if hottest is not None and value / 1000 <= hottest:
        return hottest
    # The label last: it is only of interest for a sensor that would count.
    if (read_text(label_path) or "").startswith(_NOT_SENSORS):
        return hottest
    return value / 1000


class Throttling:
    """Whether the CPU is slowed for heat or undervoltage. Remembers the counters of the look before."""

    def __init__(self, sys: str) -> None:
        self._sys = sys
        self._count_before: int | None = None

    def now(self) -> bool | None:
        """``None``: this host does not tell. Counters (x86) tell from the second look on."""
        answers = [self._raspberry_pi(), self._cooling_devices(), self._counters()]
        known = [answer for answer in answers if answer is not None]
        return any(known) if known else None

    def _raspberry_pi(self) -> bool | None:
        bits = read_int(f"{self._sys}/{_RASPBERRY_PI}", base=16)
        return None if bits is None else bool(bits & _PI_NOW)

    def _cooling_devices(self) -> bool | None:
        """The kernel's own thermal control, on most ARM boards: above 0 it has lowered the top frequency."""
        states = [
            read_int(f"{device}/cur_state")
            for device in entries(f"{self._sys}/class/thermal", "cooling_device")
            if "cpufreq" in (kind := read_text(f"{device}/type") or "") or kind == "Processor"
        ]
        known = [state for state in states if state is not None]
        return any(state > 0 for state in known) if known else None

    def _counters(self) -> bool | None:
        """Thermal events counted by x86 processors."""
        counts = [
            read_int(f"{cpu}/thermal_throttle/{scope}_throttle_count")
            for cpu in entries(f"{self._sys}/devices/system/cpu", "cpu")
            if cpu.rpartition("/cpu")[2].isdigit()
            for scope in ("core", "package")
        ]
        known = [count for count in counts if count is not None]
        if not known:
            return None
        before, self._count_before = self._count_before, sum(known)
        # A processor that was taken offline makes the sum drop.
        return None if before is None else self._count_before > before
