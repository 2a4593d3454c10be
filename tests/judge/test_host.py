"""Alerts of the host."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from edged.config import Config
from edged.report.metrics import Counters, Vitals, render
from edged.report.snapshot import Snapshot
from edged.report.status import metrics_sample, status
from edged.vocabulary import facts
from edged.vocabulary.events import AlertChanged, AlertCleared, AlertRaised, CheckBroken
from edged.vocabulary.world import Disk

from .world import World, app


def world(**host: Any) -> World:
    config = Config(host=msgspec.convert(host, type(Config().host)))
    return World(config=config).run(1.0).forget()


def look(w: World, seconds: float, used: float = 0.5, **sample: Any) -> None:
    """Looks at the host every ten seconds for so long."""
    for _ in range(int(seconds / 10.0) + 1):
        w.host(used, **sample)
        w.run(10.0)


def disk(used: float, path: str = "/", **more: Any) -> tuple[Disk, ...]:
    return (Disk(path=path, total=1000, free=int(1000 * (1.0 - used)), **more),)


def raised(w: World) -> list[tuple[str, str, str]]:
    return [(e.name, e.subject, e.severity) for e in w.events(AlertRaised)]


@pytest.mark.parametrize(
    ("sample", "seconds", "expected"),
    [
        ({"used": 0.85}, 30.0, ("HighMemory", "host", "warning")),
        ({"used": 0.97}, 30.0, ("HighMemory", "host", "critical")),
        ({"cpu_busy": 0.95}, 300.0, ("HighCpu", "host", "warning")),
        ({"disks": disk(0.85)}, 30.0, ("DiskFull", "/", "warning")),
        ({"disks": disk(0.95)}, 30.0, ("DiskFull", "/", "critical")),
        ({"disks": disk(0.1, inodes=100, inodes_free=1)}, 30.0, ("DiskFull", "/", "critical")),
        ({"disks": disk(0.1, read_only=True)}, 0.0, ("ReadOnlyFs", "/", "critical")),
        ({"temperature": 78.0}, 60.0, ("HostHot", "host", "warning")),
        ({"temperature": 90.0}, 60.0, ("HostHot", "host", "critical")),
        ({"clock_synced": False}, 600.0, ("ClockSkew", "host", "warning")),
    ],
)
def test_what_is_wrong_is_raised_after_its_time_and_cleared(sample: Any, seconds: float, expected: Any) -> None:
    w = world()
    if seconds:
        look(w, seconds - 20.0, **sample)
        assert not w.told
    look(w, 20.0, **sample)
    assert raised(w) == [expected]
    well = {"cpu_busy": 0.1, "disks": disk(0.1), "temperature": 40.0, "clock_synced": True}
    look(w, 90.0, **well)
    (cleared,) = w.events(AlertCleared)
    assert (cleared.name, cleared.subject) == expected[:2]
    assert cleared.summary != w.events(AlertRaised)[0].summary


def test_a_host_that_does_not_tell_is_not_judged() -> None:
    w = world()
    look(w, 700.0)
    assert not w.told


def test_a_sensor_that_falls_silent_is_no_all_clear() -> None:
    w = world()
    look(w, 60.0, temperature=90.0)
    look(w, 600.0)
    assert w.firing("host") == {"HostHot"}


def test_inodes_are_named_when_they_are_what_is_missing() -> None:
    w = world()
    look(w, 30.0, disks=disk(0.5, inodes=100, inodes_free=5))
    assert "5 inodes are left" in w.events(AlertRaised)[0].summary


def test_each_disk_has_its_own_alert() -> None:
    w = world(disk={"paths": ["/", "/data"]})
    look(w, 30.0, disks=(*disk(0.85), *disk(0.95, "/data")))
    assert sorted(raised(w)) == [("DiskFull", "/", "warning"), ("DiskFull", "/data", "critical")]


def test_a_disk_that_is_not_watched_any_more_takes_its_alerts_with_it() -> None:
    w = world(disk={"paths": ["/", "/data"]})
    look(w, 30.0, disks=(*disk(0.1), *disk(0.95, "/data", read_only=True)))
    w.reload(replace(w.config, host=replace(w.config.host, disk=replace(w.config.host.disk, paths=("/",)))))
    look(w, 0.0, disks=disk(0.1))
    assert not w.firing() and {e.subject for e in w.events(AlertCleared)} == {"/data"}


def test_a_disk_that_cannot_be_seen_for_a_moment_keeps_its_alert() -> None:
    w = world()
    look(w, 30.0, disks=disk(0.95))
    look(w, 60.0)
    assert w.firing("host") == {"DiskFull//"}


def test_a_kill_outside_the_apps_is_told_for_ten_minutes() -> None:
    w = world()
    look(w, 0.0, oom_kills=3)
    assert not w.told
    look(w, 0.0, oom_kills=4)
    assert raised(w) == [("OomKilled", "host", "warning")]
    look(w, 580.0, oom_kills=4)
    assert w.firing("host")
    look(w, 20.0, oom_kills=4)
    assert not w.firing("host")


def test_a_count_that_was_not_known_before_is_no_kill() -> None:
    w = world()
    look(w, 0.0)
    look(w, 0.0, oom_kills=4)
    assert not w.told


def test_a_reboot_begins_the_count_anew() -> None:
    w = world()
    look(w, 0.0, oom_kills=3, boot_id="one")
    look(w, 0.0, oom_kills=4, boot_id="two")
    assert not w.told


def test_the_kill_of_an_app_is_not_told_twice() -> None:
    w = World({"a": app()}).run(1.0)
    w.host(oom_kills=0)
    w.oom("a")
    w.run(5.0)
    w.host(oom_kills=1)
    assert w.firing("a") == {"OomKilled"} and not w.firing("host")


def test_hot_names_the_throttling() -> None:
    w = world()
    look(w, 60.0, temperature=90.0, throttled=True)
    assert "slowed down" in w.events(AlertRaised)[0].summary


def test_warning_becomes_critical() -> None:
    w = world()
    look(w, 30.0, disks=disk(0.85))
    look(w, 30.0, disks=disk(0.95))
    assert [(e.old, e.severity) for e in w.events(AlertChanged)] == [("warning", "critical")]


def test_alerts_of_the_host_survive_a_restart_of_edged() -> None:
    w = world()
    look(w, 30.0, disks=disk(0.95))
    w.forget().restart_edged()
    look(w, 60.0, disks=disk(0.95))
    assert not w.events(AlertRaised) and w.firing("host") == {"DiskFull//"}


def lame(w: World, path: str) -> None:
    w.feed(facts.CheckFailed(at=w.now, check="disk", subject=path, error="no answer within 5s"))


def test_a_disk_that_cannot_be_measured_is_neither_full_nor_well() -> None:
    w = world(disk={"paths": ["/", "/net"]})
    look(w, 30.0, disks=(*disk(0.1), *disk(0.95, "/net")))
    for _ in range(3):
        lame(w, "/net")
    assert w.firing("host") == {"DiskFull//net"}
    assert w.state.host.broken == {"disk//net": "no answer within 5s"}
    assert w.state.host.disks.keys() == {"/"}, "an old figure is not shown as if it were new"
    look(w, 40.0, disks=disk(0.1, "/net"))
    assert not w.firing("host") and not w.state.host.broken
    told = [(e.subject, e.check, e.broken) for e in w.events(CheckBroken)]
    assert told == [("/net", "disk", True), ("/net", "disk", False)]


def test_a_path_that_is_not_watched_any_more_leaves_nothing_behind() -> None:
    w = world(disk={"paths": ["/", "/data", "/net"]})
    look(w, 0.0, disks=(*disk(0.1), *disk(0.1, "/data")))
    lame(w, "/net")
    w.reload(replace(w.config, host=replace(w.config.host, disk=replace(w.config.host.disk, paths=("/",)))))
    assert w.state.host.disks.keys() == {"/"} and not w.state.host.broken
    before = w.state
    lame(w, "/net")
    w.host(disks=disk(0.95, "/data"))
    assert w.state.host.disks is before.host.disks and not w.state.host.broken


def test_disks_are_shown_by_path_and_only_while_they_are_known() -> None:
    w = world(disk={"paths": ["/", "/data"]})

    def shot() -> Snapshot:
        return Snapshot(w.state, w.config, w.now, w.now)

    w.feed(facts.DiskSampled(at=w.now, disk=disk(0.5)[0]))
    assert status(shot(), {})["host"]["disks"].keys() == {"/"}, "also without a sample of the rest"
    look(w, 0.0, disks=disk(0.75, "/data"))
    vitals = Vitals(lambda: (0, 0), lambda: 0.0, dict)
    page = render(shot(), Counters(), vitals).decode()
    assert 'edged_host_disk_used_ratio{path="/"} 0.5' in page and '{path="/data"} 0.75' in page
    assert metrics_sample(shot())["host"]["disk"] == {"/": 0.5, "/data": 0.75}
    lame(w, "/data")
    assert "/data" not in render(shot(), Counters(), vitals).decode()
    assert metrics_sample(shot())["host"]["disk"] == {"/": 0.5}
