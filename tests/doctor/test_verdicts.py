"""The functions that decide: what was seen -> ok, warn, fail or skip, and always a way out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edged.adapters.storage.inspection import Inspection
from edged.config import App, Config, Data, Health, HostWatch
from edged.config.load import Loaded
from edged.config.problem import Problem
from edged.doctor import (
    broker,
    certificates,
    cgroups,
    clock,
    configuration,
    containers,
    daemon,
    disk,
    engine,
    host,
    state,
    systemd,
    wear,
)
from edged.doctor.certificate import Validity
from edged.doctor.cgroups import Hierarchy
from edged.doctor.containers import Seen
from edged.doctor.finding import Finding, ok, skip, warn
from edged.doctor.identity import Identity
from edged.doctor.wear import Flash
from edged.vocabulary.world import Disk, HostSample

EDGED = Identity(name="edged", uid=990, gid=990, mine=False)
ME = Identity(name="me", uid=1000, gid=1000)
ROOT = Identity(name="root", uid=0, gid=0)
MIB = 2**20
DAY = 86400.0
UNIT = {
    "LoadState": "loaded", "UnitFileState": "enabled", "ActiveState": "active", "Result": "success", "NRestarts": "0",
    "MainPID": "42", "WatchdogUSec": "30s", "Type": "notify", "User": "edged", "NeedDaemonReload": "no",
}  # fmt: skip
DOCKER = {"LoadState": "loaded", "UnitFileState": "enabled", "ActiveState": "active", "Restart": "always"}
VERSION = {"Version": "24.0.7", "ApiVersion": "1.43", "MinAPIVersion": "1.12"}
INFO = {"LiveRestoreEnabled": True, "LoggingDriver": "local", "MemoryLimit": True}
ROOM = Disk(path="/d", total=1000 * MIB, free=500 * MIB, inodes=100_000, inodes_free=90_000)
SAMPLE = HostSample(
    memory_total=1000 * MIB, memory_available=500 * MIB, swap_total=0, swap_used=0, cpu_count=2, cpu_busy=0.1,
    load=(0.0, 0.0, 0.0), pressure={}, temperature=40.0, throttled=False, clock_synced=True, boot_id="b", uptime=1.0,
    oom_kills=0,
)  # fmt: skip
GOOD = {"HostConfig": {"Memory": 1, "RestartPolicy": {"Name": "always"}, "LogConfig": {"Type": "local"}}, "Config": {}}
PICTURE: dict[str, Any] = {
    "config": {"errors": []}, "storage_error": "",
    "broker": {"configured": True, "connected": True, "detail": "", "sent": 3, "refused": 0, "spool_messages": 1},
}  # fmt: skip


def seen(health: Health | None = None, inspected: dict[str, Any] | None = None) -> Seen:
    config = App(health=health or Health(tcp="127.0.0.1:1"))
    return Seen(app="a", config=config, container="c", inspected=GOOD | (inspected or {}))


def problem(reason: str, line: int = 1) -> Problem:
    return Problem(file="/f", line=line, reason=reason)


def loaded(**config: Any) -> Loaded:
    return Loaded(config=Config(**config), path="/f", digest="")


def tell(found: Finding | Iterable[Finding]) -> list[Finding]:
    return [found] if isinstance(found, Finding) else list(found)


def dates(begins: float, ends: float) -> Finding:
    return certificates.judge("broker x", "it", Validity(begins * DAY, ends * DAY), 1000 * DAY, "renew it")


def told(**changes: Any) -> Iterator[Finding]:
    return daemon.judge(PICTURE | changes)


def unit(**changes: str) -> Iterator[Finding]:
    return systemd.judge_unit(UNIT | changes)


def room(wanted: int = 0, **changes: Any) -> Iterator[Finding]:
    return disk.judge_room(msgspec.structs.replace(ROOM, **changes), wanted, 0)


def sample(**changes: Any) -> Iterator[Finding]:
    return host.judge(msgspec.structs.replace(SAMPLE, **changes), HostWatch())


def flash(*life: int, reserve: int | None = 1) -> Finding:
    return wear.judge(Flash(device="mmcblk0", life=life, reserve=reserve))


def answering(**changes: str) -> Finding:
    return engine.answering(VERSION | changes, {}, "1.24", "1.44")


V2 = Hierarchy(version="v2", controllers=frozenset({"cpu", "memory", "pids"}))
URL = "unix:///var/run/docker.sock"
CASES: list[tuple[str, Finding | Iterable[Finding], str, str]] = [
    # what, findings, verdicts in order, a piece of the text or the fix of the worst
    ("config in order", configuration.judge(Path("/f"), loaded(apps={"a": App()})), "ok", "1 app"),
    ("nothing watched", configuration.judge(Path("/f"), loaded(discover="off")), "warn", "nothing is watched"),
    ("no apps", configuration.judge(Path("/f"), loaded(discover="labels")), "warn", "edged.enable=true"),
    ("broken config", configuration.broken(Path("/f"), (problem("bad"), problem("worse"))), "fail fail", "edged check"),
    ("closed config", configuration.broken(Path("/f"), (problem("Permission denied", 0),)), "skip", "sudo"),
    ("no config", configuration.broken(Path("/no/f"), (problem("no such", 0),)), "fail", "-c"),
    ("secret shown", configuration.exposed("mqtt.password_file", "/p", 0o644, EDGED), "warn", "chmod 0640 /p"),
    ("secret kept", configuration.exposed("mqtt.password_file", "/p", 0o640, EDGED), "", ""),
    ("public file", configuration.exposed("mqtt.ca_file", "/p", 0o644, EDGED), "", ""),
    ("keys shown", configuration.exposed("commands.trust", "/p", 0o664, EDGED), "", ""),
    ("keys for all", configuration.exposed("commands.trust", "/p", 0o666, EDGED), "fail", "chmod o-w /p"),
    ("config for all", configuration.exposed("", "/p", 0o646, EDGED), "fail", "chmod o-w /p"),
    ("unknown access", configuration.readable("config", Path("/etc/passwd"), EDGED, None), "skip", "sudo"),
    ("missing file", configuration.readable("config", Path("/no/f"), EDGED, False), "fail", "there is no /no/f"),
    ("closed file", configuration.readable("config", Path("/etc/passwd"), EDGED, False), "fail", "chgrp edged"),
    ("engine answers", answering(), "ok", "version 24.0.7, API 1.43"),
    ("engine too old", answering(ApiVersion="1.18"), "fail", "needs API 1.24"),
    ("engine too new", answering(ApiVersion="1.99", MinAPIVersion="1.60"), "fail", "pip install"),
    ("no version", answering(ApiVersion=""), "fail", "API ?"),
    ("group docker", engine.access("/s", EDGED, False), "fail", "usermod -aG docker edged && sudo systemctl restart"),
    ("my group", engine.access("/s", ME, False), "fail", "usermod -aG docker me, then log in again"),
    ("in the group", engine.access("/s", EDGED, True), "ok", "may use /s"),
    ("group unknown", engine.access("/s", EDGED, None), "skip", "sudo"),
    ("engine down", engine.unreachable(URL, f"{URL}: nobody listens", "docker.service", ME), "fail", "enable --now"),
    ("engine hangs", engine.unreachable(URL, f"{URL}: does not answer within 3s", "d", ME), "fail", "restart d"),
    ("no engine", engine.unreachable(URL, f"{URL}: is not a container engine", "d", ME), "fail", "docker.url"),
    ("not allowed", engine.unreachable(URL, f"{URL}: permission denied", "d", ME), "fail", "usermod"),
    ("I may not", engine.unreachable(URL, f"{URL}: permission denied", "d", EDGED), "skip", "sudo"),
    ("engine set up", engine.settings(VERSION, INFO), "ok", "go on"),
    ("no live-restore", engine.settings(VERSION, INFO | {"LiveRestoreEnabled": False}), "warn", "live-restore"),
    ("swarm", engine.settings(VERSION, INFO | {"LiveRestoreEnabled": False, "Swarm": {"LocalNodeState": "active"}}),
     "", ""),
    ("logs unread", engine.settings(VERSION, INFO | {"LoggingDriver": "none"}), "ok warn", "log-driver"),
    ("old remote logs", engine.settings({"Version": "19.03"}, INFO | {"LoggingDriver": "fluentd"}),
     "ok warn", "evidence"),
    ("dual logging", engine.settings({"Version": "20.10"}, INFO | {"LoggingDriver": "fluentd"}), "ok", ""),
    ("no limits", engine.settings(VERSION, INFO | {"MemoryLimit": False}), "ok warn", "--only cgroups"),
    ("apps in order", containers.judge([seen()], []), "ok", "1 found: a; restart policy always"),
    ("app missing", containers.judge([], ["b"]), "warn", "no container for b"),
    ("app unchecked", containers.judge([seen(Health())], []), "ok warn", "apps.a.health"),
    ("its own check", containers.judge([seen(Health(), {"Config": {"Healthcheck": {"Test": ["CMD", "x"]}}})], []),
     "ok", ""),
    ("unlimited, growing", containers.judge([seen(None, {"HostConfig": {"LogConfig": {"Type": "json-file"}}})], []),
     "ok warn warn", "docker update --memory"),
    ("cgroups v2", cgroups.judge(V2, ""), "ok", "v2 with cpu, memory, pids"),
    ("no cgroups", cgroups.judge(Hierarchy(version="", controllers=frozenset()), ""), "fail", "cgroupfs-mount"),
    ("no memory", cgroups.judge(Hierarchy(version="v1", controllers=frozenset({"cpu"})), "/boot/cmdline.txt"),
     "ok fail", "sed -i '1 s/$/ cgroup_enable=memory cgroup_memory=1/' /boot/cmdline.txt"),
    ("no cpu", cgroups.judge(Hierarchy(version="v1", controllers=frozenset({"memory"})), ""),
     "ok fail", "cgroup_disable"),
    ("clock in step", clock.judge(2e9, 1e9, True, "chrony", True), "ok", "synchronised by chrony"),
    ("clock in the past", clock.judge(1e8, 1e9, True, "chrony", True), "fail", "sudo date -s '2001-09-09'"),
    ("nobody keeps it", clock.judge(2e9, 1e9, False, "", False), "warn", "apt-get install chrony"),
    ("not yet", clock.judge(2e9, 1e9, False, "chrony", True), "warn", "has not got the time yet"),
    ("not told", clock.judge(2e9, 1e9, None, "chrony", True), "ok", "not told"),
    ("room", room(), "ok", "500MiB of 1000MiB free"),
    ("little room", room(free=10 * MIB), "fail", "only 10MiB"),
    ("not enough", room(wanted=600 * MIB), "warn", "grow by 600MiB"),
    ("read-only", room(read_only=True), "fail", "remount,rw /d"),
    ("no inodes", room(inodes_free=5), "ok fail", "5 of 100000 inodes"),
    ("tmpfs", disk.judge_kind(Path("/s"), "tmpfs", False), "warn", "lost at each reboot"),
    ("network", disk.judge_kind(Path("/s"), "nfs4", True), "warn", "network file systems"),
    ("overlay", disk.judge_kind(Path("/s"), "overlay", False), "warn", "writable partition"),
    ("ext4", disk.judge_kind(Path("/s"), "ext4", False), "", ""),
    ("quick", disk.judge_write(Path("/s"), 0.01), "ok", "10 ms"),
    ("slow", disk.judge_write(Path("/s"), 2.0), "warn", "iotop"),
    ("fresh flash", flash(1, 1), "ok", "type A 0–10 % used, type B 0–10 % used, spare blocks normal"),
    ("worn", flash(9, 1), "warn", "80–90 % used"),
    ("worn out", flash(1, 11), "fail", "life time exceeded"),
    ("few spares", flash(1, reserve=2), "warn", "80 % used"),
    ("no spares", flash(1, reserve=3), "fail", "replace the device"),
    ("untold", flash(0, 0, reserve=0), "ok", "does not tell"),
    ("state absent", state.absent(Path("/s"), EDGED, True), "ok", "made when edged starts"),
    ("state cannot be made", state.absent(Path("/s"), ME, False), "fail", "install -d -o me"),
    ("state in order", state.folder_found(Path("/s"), EDGED, 0o750, True), "ok", "mode 0750"),
    ("state closed", state.folder_found(Path("/s"), EDGED, 0o750, False), "fail", "install -d -o edged"),
    ("state open", state.folder_found(Path("/s"), EDGED, 0o777, True), "fail", "chmod 0750 /s"),
    ("state unknown", state.folder_found(Path("/s"), EDGED, 0o750, None), "skip", "sudo"),
    ("sound", state.judge(Path("/db"), Inspection(events=3, waiting=1, boot=2)),
     "ok", "sound; 3 events, 1 not yet sent"),
    ("not to its end", state.judge(Path("/db"), Inspection(complete=False)), "ok", "did not come to its end"),
    ("damaged", state.judge(Path("/db"), Inspection(damage=("row 1",))), "fail", "row 1"),
    ("newer", state.judge(Path("/db"), Inspection(schema=99)), "fail", "schema 99"),
    ("valid", dates(0, 1100), "ok", "(100 days)"),
    ("ends soon", dates(0, 1029), "warn", "expires in 29 days"),
    ("not soon", dates(0, 1031), "ok", "(31 days)"),
    ("expired", dates(0, 999), "fail", "renew it"),
    ("not yet valid", dates(1001, 1100), "fail", "--only clock"),
    ("no name", broker.unresolved("h", "why"), "fail", "getent ahosts h"),
    ("refused port", broker.unreached("h", 1, ConnectionRefusedError()), "fail", "nobody listens on h:1"),
    ("silent port", broker.unreached("h", 1, TimeoutError()), "fail", "firewall"),
    ("no route", broker.unreached("h", 1, OSError(113, "No route to host")), "fail", "ip route"),
    ("old TLS", broker.untrusted("h", 1, OSError(1, "odd"), ""), "fail", "openssl s_client -connect h:1"),
    ("new systemd", systemd.judge_version("252.38-1~deb12u1"), "ok", "252.38"),
    ("old systemd", systemd.judge_version("249"), "warn", "systemd-analyze verify"),
    ("unit runs", unit(), "ok ok", "enabled, active as user edged, pid 42"),
    ("no unit", unit(LoadState="not-found"), "fail", "systemd/edged.service"),
    ("masked", unit(LoadState="masked"), "fail", "unmask edged"),
    ("bad unit", unit(LoadState="bad-setting"), "fail", "verify"),
    ("failed", unit(ActiveState="failed", Result="watchdog"), "fail ok", "has failed: watchdog"),
    ("disabled", unit(UnitFileState="disabled"), "fail ok", "enable --now edged"),
    ("stopped", unit(ActiveState="inactive"), "fail ok", "start edged"),
    ("edited", unit(NeedDaemonReload="yes"), "ok warn ok", "daemon-reload"),
    ("restarted", unit(NRestarts="7"), "ok warn ok", "restarted 7 times"),
    ("no watchdog", unit(WatchdogUSec="0"), "ok fail", "WatchdogSec=30"),
    ("not notify", unit(Type="simple"), "ok fail", "Type is simple"),
    ("drop-in", unit(DropInPaths="/a.conf /b.conf"), "ok ok ok", ""),
    ("engine's unit", systemd.judge_engine("d", DOCKER), "ok", "Restart=always"),
    ("unknown unit", systemd.judge_engine("d", {"LoadState": "not-found"}), "warn", "docker.restart.unit"),
    ("no unit needed", systemd.judge_engine("d", {"LoadState": "not-found"}, False), "", ""),
    ("not at boot", systemd.judge_engine("d", DOCKER | {"UnitFileState": "disabled"}), "fail", "systemctl enable d"),
    ("by its socket", systemd.judge_engine("d", DOCKER | {"UnitFileState": "disabled", "TriggeredBy": "d.socket"}),
     "ok", ""),
    ("no restart", systemd.judge_engine("d", DOCKER | {"Restart": "no"}), "warn", "Restart=always"),
    ("polkit rule", systemd.judge_rules(EDGED, "d", [Path("/r")], False), "ok", "by /r"),
    ("rules hidden", systemd.judge_rules(EDGED, "d", [], True), "skip", "sudo"),
    ("no rule", systemd.judge_rules(EDGED, "d", [], False), "warn", "50-edged.rules"),
    ("daemon well", told(), "ok", "3 messages sent, none refused, 1 wait"),
    ("no broker", told(broker=PICTURE["broker"] | {"configured": False}), "", ""),
    ("offline", told(broker=PICTURE["broker"] | {"connected": False, "detail": "why"}), "fail", "not connected: why"),
    ("refusing", told(broker=PICTURE["broker"] | {"refused": 4}), "warn", "refused 4 messages"),
    ("reload refused", told(config={"errors": ["e1"]}), "fail ok", "an older one: e1"),
    ("disk full", told(storage_error="full"), "fail ok", "--only disk,state"),
    ("no socket", daemon.unheard(7), "fail", "kill -TERM 7"),
    ("host well", sample(), "ok ok ok", "500MiB of 1000MiB"),
    ("little memory", sample(memory_available=100 * MIB), "warn ok ok", "docker stats"),
    ("no memory left", sample(memory_available=10 * MIB), "fail ok ok", "only 10MiB"),
    ("oom kills", sample(oom_kills=2), "ok warn ok ok", "killed 2 process"),
    ("hot", sample(temperature=99.0), "ok warn ok", "99 °C"),
    ("throttled", sample(throttled=True), "ok warn ok", "undervoltage"),
    ("no sensor", sample(temperature=None), "ok ok ok", ""),
]  # fmt: skip
RANK = {"fail": 3, "warn": 2, "skip": 1, "ok": 0}


@pytest.mark.parametrize(("found", "verdicts", "text"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_verdict(found: Finding | Iterable[Finding], verdicts: str, text: str) -> None:
    findings = tell(found)
    assert [finding.verdict for finding in findings] == verdicts.split(), findings
    for finding in findings:
        assert finding.text and (finding.verdict == "ok" or finding.fix), finding
    if findings:
        worst = max(findings, key=lambda finding: RANK[finding.verdict])
        assert text in f"{worst.text} {worst.fix}", worst


@pytest.mark.parametrize("verdict", ["warn", "fail", "skip"])
def test_trouble_without_a_way_out_cannot_be_told(verdict: Any) -> None:
    with pytest.raises(ValueError, match=r"disk wear: .* without a fix"):
        Finding(examination="disk", subject="wear", verdict=verdict, text="t")


def test_names() -> None:
    assert (ok("disk", "t").examination, ok("disk", "t").subject) == ("disk", "")
    wears = warn("disk wear mmcblk0", "t", "f")
    assert (wears.examination, wears.subject, wears.name) == ("disk", "wear mmcblk0", "disk wear mmcblk0")
    assert skip("disk", "t").fix == "run with sudo: sudo edged doctor"


def test_all_that_has_a_bound_is_counted_as_what_the_disk_must_hold() -> None:
    mib = 2**20
    assert disk.wanted(Config()) == (256 + 64 + 32 + 64) * mib, "events, figures, recording, evidence"
    kept = App(data=Data(path="/data", max_size=100 * mib))
    assert disk.wanted(Config(apps={"a": kept, "b": kept, "c": App()})) == (416 + 200) * mib
