"""Looking at trees like those of real boards, at other users' rights, and at databases."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edged.doctor import cgroups, clock, configuration, daemon, disk, host, state, systemd, wear
from edged.doctor.finding import Finding
from edged.doctor.identity import current, may, of_user
from edged.doctor.patient import Patient, admit, environment
from edged.ports import PortError, Unreachable

from .conftest import Admit, nobody_answers

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="asks for another user's rights, which only root can")


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def verdicts(found: Any) -> dict[str, str]:
    return {one.name: one.verdict for one in found}


def by_name(found: Any) -> dict[str, Finding]:
    return {one.name: one for one in found}


# Wear


def test_emmc_tells_its_wear_and_an_sd_card_does_not(tmp_path: Path) -> None:
    write(
        tmp_path / "block",
        {
            "mmcblk0/device/life_time": "0x02 0x0a\n",
            "mmcblk0/device/pre_eol_info": "0x01\n",
            "mmcblk0boot0/device/life_time": "0x02 0x0a\n",
            "mmcblk1/device/type": "SD\n",
            "mmcblk1/partition": "",
            "mmcblk2/device/life_time": "0x0b 0x01\n",
        },
    )
    (tmp_path / "dev/block").mkdir(parents=True)
    (tmp_path / "dev/block/179:8").symlink_to(tmp_path / "block/mmcblk1")
    found = by_name(wear.look(str(tmp_path), "179:8"))
    assert verdicts(found.values()) == {
        "disk wear mmcblk0": "warn", "disk wear mmcblk2": "fail", "disk wear": "ok",
    }  # fmt: skip
    assert "type A 10–20 % used, type B 90–100 % used, spare blocks normal" in found["disk wear mmcblk0"].text
    assert "not told by the kernel" in found["disk wear"].text


@pytest.mark.parametrize("text", ["", "rubbish", "0x00 0x00"])
def test_flash_that_tells_nothing_of_use(tmp_path: Path, text: str) -> None:
    write(tmp_path / "block/mmcblk0/device", {"life_time": text, "pre_eol_info": text})
    assert verdicts(wear.look(str(tmp_path), "")) == {"disk wear mmcblk0": "ok"}


# Control groups


@pytest.mark.parametrize(
    ("files", "version", "controllers"),
    [
        ({"sys/cgroup.controllers": "cpu io memory pids\n"}, "v2", {"cpu", "io", "memory", "pids"}),
        (
            {"proc/cgroups": "#subsys_name\thierarchy\tnum\tenabled\ncpu\t1\t1\t1\nmemory\t2\t1\t0\n",
             "sys/cpu/tasks": "", "sys/memory/tasks": ""},
            "v1", {"cpu"},
        ),
        (
            {"proc/cgroups": "cpu\t1\t1\t1\n", "sys/cpu/tasks": "", "sys/unified/cgroup.controllers": ""},
            "hybrid", {"cpu"},
        ),
        ({"proc/cgroups": "cpu\t1\t1\t1\n"}, "", set()),
        ({}, "", set()),
    ],
)  # fmt: skip
def test_hierarchies(tmp_path: Path, files: dict[str, str], version: str, controllers: set[str]) -> None:
    write(tmp_path, files)
    found = cgroups.hierarchy(tmp_path / "sys", tmp_path / "proc")
    assert (found.version, found.controllers) == (version, controllers)


# Clock


def test_the_keeper_of_the_clock(tmp_path: Path) -> None:
    write(tmp_path, {"1/comm": "systemd\n", "77/comm": "chronyd\n", "self/comm": "chronyd\n"})
    assert clock.keeper(str(tmp_path)) == "chrony"
    assert clock.keeper(str(tmp_path / "none")) == ""


# Configuration and rights


@needs_root
def test_files_for_another_user(examined: Admit, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        closed = any(above.stat().st_mode & 0o001 == 0 for above in (folder, *folder.parents))
        assert bool(may(of_user("nobody") or current(), "x", folder)) is not closed
    secret = tmp_path / "secret"
    secret.write_text("s")
    secret.chmod(0o600)
    patient = examined({"apps": {"a": {}}, "mqtt": {"url": "mqtt://h", "username": "u", "password_file": str(secret)}})
    nobody = of_user("nobody")
    assert nobody is not None and not nobody.mine
    found = by_name(configuration.look(msgspec.structs.replace(patient, daemon=nobody)))
    assert found["config mqtt.password_file"].verdict == "fail"
    assert "chgrp nobody" in found["config mqtt.password_file"].fix
    mine = by_name(configuration.look(patient))
    assert "config mqtt.password_file" not in mine


def test_another_user_as_nobody_special(monkeypatch: pytest.MonkeyPatch) -> None:
    other = of_user("nobody")
    assert other is not None
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert may(msgspec.structs.replace(other, mine=False), "r", "/etc/passwd") is None


def test_a_password_that_everybody_can_read(examined: Admit, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s")
    secret.chmod(0o644)
    patient = examined({"apps": {"a": {}}, "mqtt": {"url": "mqtt://h", "username": "u", "password_file": str(secret)}})
    assert verdicts(configuration.look(patient))["config mqtt.password_file"] == "warn"


def test_credentials_outside_of_the_service(examined: Admit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    mqtt = {"url": "mqtts://h", "username": "u", "password_file": "${CREDENTIALS_DIRECTORY}/mqtt.password"}
    patient = examined({"apps": {"a": {}}, "mqtt": mqtt})
    path = tmp_path / "etc/credstore/mqtt.password"
    assert patient.config.mqtt is not None and patient.config.mqtt.password_file == str(path)
    missing = by_name(configuration.look(patient))["config mqtt.password_file"]
    assert missing.verdict == "fail" and f"/dev/stdin {path}" in missing.fix
    path.parent.mkdir(parents=True)
    path.write_text("s")
    path.chmod(0o600)
    assert verdicts(configuration.look(patient)) == {"config": "ok", "config mqtt.password_file": "ok"}


def test_no_configuration_and_a_broken_one(examined: Admit, tmp_path: Path) -> None:
    none = admit(None, nobody_answers, run=tmp_path, etc=tmp_path)
    assert verdicts(configuration.look(none)) == {"config": "warn"}
    broken = list(configuration.look(examined({"appz": {}, "sampling": {"every": "soon"}})))
    assert [one.verdict for one in broken] == ["fail", "fail"] and "did you mean apps" in f"{broken[0]}{broken[1]}"
    gone = list(configuration.look(admit(tmp_path / "gone.yaml", nobody_answers, run=tmp_path, etc=tmp_path)))
    assert gone[0].verdict == "fail" and "there is no such file" in gone[0].text


def test_the_environment_of_the_running_service(tmp_path: Path) -> None:
    write(tmp_path, {"42/environ": "CREDENTIALS_DIRECTORY=/run/c\0A=b=c\0"})
    assert environment({"MainPID": "42"}, tmp_path) == {"CREDENTIALS_DIRECTORY": "/run/c", "A": "b=c"}
    assert environment({"MainPID": "43"}, tmp_path) is os.environ


# State folder, disk, daemon, host


def test_the_state_folder(examined: Admit, tmp_path: Path) -> None:
    patient = msgspec.structs.replace(examined(), daemon=current())
    folder = tmp_path / "state"
    assert verdicts(disk.look(patient))["disk"] in ("ok", "warn"), "measured above, since the folder is not there"
    folder.mkdir(mode=0o750)
    assert verdicts(state.look(patient)) == {"state": "ok", "state database": "ok"}
    write(folder, {"edged.db": "no database " * 1000})
    damaged = by_name(state.look(patient))["state database"]
    assert damaged.verdict == "fail" and "damaged" in damaged.text
    shutil.rmtree(folder)
    folder.write_text("")
    assert verdicts(state.look(patient)) == {"state": "fail"}


def test_the_database_of_a_newer_edged(examined: Admit, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    db = sqlite3.connect(tmp_path / "state/edged.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    assert "newer edged (schema 99" in by_name(state.look(examined()))["state database"].text


def test_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    assert disk.write(tmp_path).verdict in ("ok", "warn")
    assert list(tmp_path.iterdir()) == []
    assert disk.write(tmp_path / "gone").verdict == "fail"


def test_a_daemon_that_does_not_answer(examined: Admit, tmp_path: Path) -> None:
    def ask(socket: Path) -> dict[str, Any]:
        raise Unreachable(f"the daemon at {socket} took the request and does not answer")

    patient = examined(ask=ask)
    assert verdicts(daemon.look(patient)) == {"daemon": "ok"}
    write(tmp_path, {"state/edged.sock": ""})
    hung = by_name(daemon.look(patient))["daemon"]
    assert hung.verdict == "fail" and "does not answer" in hung.text and "systemctl restart edged" in hung.fix


def test_the_host_itself(examined: Admit, tmp_path: Path) -> None:
    assert {"host memory", "host temperature", "host pressure"} <= verdicts(host.look(examined())).keys()
    blind = msgspec.structs.replace(examined(), proc=tmp_path)
    assert verdicts(host.look(blind)) == {"host memory": "fail"}


# systemd


class Services:
    """What systemctl would tell."""

    def __init__(self, units: dict[str, dict[str, str]], error: PortError | None = None) -> None:
        self._units, self._error = units, error

    def show(self, unit: str, names: tuple[str, ...], timeout: float) -> dict[str, str]:
        if self._error:
            raise self._error
        return self._units[unit]


def booted(examined: Admit, tmp_path: Path, services: Services, config: dict[str, Any] | None = None) -> Patient:
    (tmp_path / "run/systemd/system").mkdir(parents=True, exist_ok=True)
    return examined(config, services=services)


def test_systemd_with_everything_in_order(examined: Admit, tmp_path: Path) -> None:
    unit = {
        "LoadState": "loaded", "UnitFileState": "enabled", "ActiveState": "active", "MainPID": "0",
        "WatchdogUSec": "30s", "Type": "notify", "User": "nobody", "SupplementaryGroups": "daemon nogroupatall",
    }  # fmt: skip
    docker = {"LoadState": "loaded", "UnitFileState": "enabled", "ActiveState": "active", "Restart": "always"}
    services = Services({"": {"Version": "252"}, "edged.service": unit, "docker.service": docker})
    patient = booted(examined, tmp_path, services)
    assert patient.daemon.name == "nobody" and 1 in patient.daemon.groups
    found = by_name(systemd.look(patient))
    assert found.pop("systemd polkit").text.startswith("polkit is not installed")
    assert {one.verdict for one in found.values()} == {"ok"} and "systemd watchdog" in found
    write(tmp_path, {"usr/libexec/polkitd": ""})
    assert verdicts(systemd.look(patient))["systemd polkit"] == "warn"
    rule = (Path(__file__).parents[2] / "systemd/polkit/50-edged.rules").read_text().replace('"edged"', '"nobody"')
    for place in ("usr/share/polkit-1/rules.d", "etc/polkit-1/rules.d"):
        write(tmp_path, {f"{place}/50-edged.rules": rule})
        assert verdicts(systemd.look(patient))["systemd polkit"] == "ok"
        (tmp_path / place / "50-edged.rules").unlink()


def test_systemd_that_does_not_answer_or_is_not_there(examined: Admit, tmp_path: Path) -> None:
    assert verdicts(systemd.look(examined())) == {"systemd": "warn"}
    silent = booted(examined, tmp_path, Services({}, Unreachable("systemd did not look at itself within 3s")))
    assert verdicts(systemd.look(silent)) == {"systemd": "fail"}
