"""Host samples from made up /proc and /sys trees, and from this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edged.adapters import timesync
from edged.adapters.host import LocalHost
from edged.ports import Host, PortError

MEMINFO = """MemTotal:        8000000 kB
MemFree:         1000000 kB
MemAvailable:    6000000 kB
Buffers:          100000 kB
Cached:           500000 kB
SwapCached:            0 kB
SwapTotal:       2000000 kB
SwapFree:        1500000 kB
"""
PROC = {
    "meminfo": MEMINFO,
    "stat": "cpu  1000 0 500 8000 400 50 50 0 300 0\ncpu0 1 0 0 0 0 0 0 0 0 0\ncpu1 1 0 0 0 0 0 0 0 0 0\nintr 5\n",
    "loadavg": "0.50 1.25 2.00 1/100 1234\n",
    "uptime": "12345.67 40000.00\n",
    "vmstat": "nr_free_pages 5\noom_kill 3\ncompact_fail 0\n",
    "sys/kernel/random/boot_id": "9ad80345-e392-4d72-b16e-6a2c4f4209d1\n",
    "pressure/cpu": "some avg10=12.50 avg60=0 avg300=0 total=1\nfull avg10=99.00 avg60=0 avg300=0 total=0\n",
    "pressure/memory": "some avg10=2.00 avg60=0 avg300=0 total=1\nfull avg10=1.00 avg60=0 avg300=0 total=1\n",
    "pressure/io": "some avg10=4.00 avg60=0 avg300=0 total=1\nfull avg10=3.00 avg60=0 avg300=0 total=1\n",
}
PI = "devices/platform/soc/soc:firmware/get_throttled"


def fill(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    fill(tmp_path / "proc", PROC)
    return tmp_path / "proc"


@pytest.fixture
def sys(tmp_path: Path) -> Path:
    (tmp_path / "sys").mkdir()
    return tmp_path / "sys"


@pytest.fixture
def host(proc: Path, sys: Path, tmp_path: Path) -> LocalHost:
    return LocalHost(proc, sys, tmp_path / "run")


def test_a_whole_sample(host: Host) -> None:
    sample = host.sample()
    assert sample.memory_total == 8000000 * 1024
    assert sample.memory_available == 6000000 * 1024
    assert (sample.swap_total, sample.swap_used) == (2000000 * 1024, 500000 * 1024)
    assert sample.cpu_count == 2
    assert sample.load == (0.5, 1.25, 2.0)
    assert sample.pressure == {
        "cpu.some": 0.125, "memory.some": 0.02, "memory.full": 0.01, "io.some": 0.04, "io.full": 0.03,
    }  # fmt: skip
    assert sample.boot_id == "9ad80345-e392-4d72-b16e-6a2c4f4209d1"
    assert sample.uptime == 12345.67
    assert sample.oom_kills == 3
    assert (sample.temperature, sample.throttled) == (None, None)


def test_a_poor_kernel_tells_less(proc: Path, host: LocalHost) -> None:
    for name in PROC:
        if name != "meminfo":
            (proc / name).unlink()
    sample = host.sample()
    assert sample.memory_total == 8000000 * 1024
    assert (sample.pressure, sample.oom_kills, sample.cpu_busy, sample.boot_id) == ({}, None, None, "")


def test_without_meminfo_there_is_no_sample(proc: Path, host: LocalHost) -> None:
    (proc / "meminfo").write_text("garbage\n")
    with pytest.raises(PortError, match="does not tell the size of the memory"):
        host.sample()
    (proc / "meminfo").unlink()
    with pytest.raises(PortError, match="meminfo: No such file"):
        host.sample()


def test_old_kernels_without_mem_available(proc: Path, host: LocalHost) -> None:
    (proc / "meminfo").write_text(MEMINFO.replace("MemAvailable", "Something"))
    assert host.sample().memory_available == 1600000 * 1024


@pytest.mark.parametrize(
    ("after", "busy"),
    [
        ("cpu  1060 0 520 8010 410 50 50 0 350 0", 0.8),  # iowait is idle, guest is part of user
        ("cpu  1000 0 500 8100 400 50 50 0 300 0", 0.0),
        ("cpu  1000 0 500 8000 400 50 50 100 300 0", 1.0),  # stolen
        ("cpu  1100 0 500 8000 390 50 50 0 300 0", 1.0),  # iowait ran backwards
        ("cpu  1000 0 500 8000 400 50 50 0 300 0", None),  # no time went by
    ],
)
def test_cpu_busy_since_the_sample_before(proc: Path, host: LocalHost, after: str, busy: float | None) -> None:
    assert host.sample().cpu_busy is None
    (proc / "stat").write_text(after + "\ncpu0 1 0 0 0 0 0 0 0 0 0\n")
    found = host.sample().cpu_busy
    assert found == (pytest.approx(busy) if busy is not None else None)


def test_the_hottest_sensor_that_can_be_believed(sys: Path, host: LocalHost) -> None:
    fill(sys, {
        "class/thermal/thermal_zone0/temp": "48500\n",
        "class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "class/thermal/thermal_zone1/temp": "100000\n",
        "class/thermal/thermal_zone1/type": "PMIC-Die\n",
        "class/hwmon/hwmon0/temp1_input": "61250\n",
        "class/hwmon/hwmon0/temp1_label": "Package id 0\n",
        "class/hwmon/hwmon0/temp2_input": "127000\n",
        "class/hwmon/hwmon0/temp3_input": "99000\n",
        "class/hwmon/hwmon0/temp3_label": "AUXTIN1\n",
        "class/hwmon/hwmon0/temp4_input": "98000\n",
        "class/hwmon/hwmon0/temp4_fault": "1\n",
        "class/hwmon/hwmon0/temp5_input": "-128000\n",
        "class/hwmon/hwmon0/temp6_input": "\n",
        "class/hwmon/hwmon0/temp1_crit": "110000\n",
        "class/hwmon/hwmon1/device/temp1_input": "52000\n",
    })  # fmt: skip
    assert host.sample().temperature == 61.25


def test_only_liars_means_not_known(sys: Path, host: LocalHost) -> None:
    fill(sys, {"class/hwmon/hwmon0/temp1_input": "255000\n"})
    assert host.sample().temperature is None


@pytest.mark.parametrize(("bits", "throttled"), [("0\n", False), ("50005\n", True), ("50000\n", False), ("8\n", True)])
def test_throttling_of_a_raspberry_pi(sys: Path, host: LocalHost, bits: str, throttled: bool) -> None:
    fill(sys, {PI: bits})
    assert host.sample().throttled is throttled


def test_throttling_by_the_kernels_own_cooling(sys: Path, host: LocalHost) -> None:
    fill(sys, {
        "class/thermal/cooling_device0/type": "cpufreq-cpu0\n",
        "class/thermal/cooling_device0/cur_state": "0\n",
        "class/thermal/cooling_device1/type": "pwm-fan\n",
        "class/thermal/cooling_device1/cur_state": "3\n",
    })  # fmt: skip
    assert host.sample().throttled is False
    fill(sys, {"class/thermal/cooling_device0/cur_state": "2\n"})
    assert host.sample().throttled is True


def test_throttling_by_rising_counters(sys: Path, host: LocalHost) -> None:
    counter = "devices/system/cpu/cpu1/thermal_throttle/core_throttle_count"
    fill(sys, {counter: "7\n", "devices/system/cpu/cpufreq/boost": "1\n"})
    assert [host.sample().throttled for _ in range(2)] == [None, False]
    fill(sys, {counter: "9\n"})
    assert [host.sample().throttled for _ in range(2)] == [True, False]


def test_clock_sync_where_the_kernel_may_not_be_asked(
    sys: Path, proc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = LocalHost(proc, sys, tmp_path / "run")
    monkeypatch.setattr(timesync, "_kernel_says_unsynced", lambda: None)
    assert host.sample().clock_synced is None
    fill(tmp_path / "run", {"systemd/timesync/synchronized": ""})
    assert host.sample().clock_synced is True


def test_this_machine() -> None:
    host: Host = LocalHost()
    host.sample()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        sample = host.sample()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    assert 0 < sample.memory_available < sample.memory_total
    assert sample.cpu_count == os.cpu_count()
    assert sample.clock_synced in (True, False, None)
    assert len(sample.boot_id) == 36
    assert sample.uptime > 0
    assert 0 < host.disk("/", 5.0).used_share < 1


def test_usage_comes_from_the_cgroups_below_sys(host: LocalHost) -> None:
    with pytest.raises(PortError, match="cgroups are not mounted"):
        host.usage("a" * 64, None)
