"""scripts/install on a fresh Debian: a device's life with edged, from its first start to its last."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import yaml

from tests.fixtures.engine import Engine
from tests.fixtures.machine import Machine

from .conftest import Checkout

pytestmark = pytest.mark.engine
CONFIG = "/etc/edged/edged.yaml"
WITH_SECRET = {"mqtt": {"url": "mqtt://127.0.0.1:1", "username": "${BROKER_USER}"}}


def configure(machine: Machine, extra: dict[str, Any] | None = None) -> None:
    """What keeps a test apart from others on this host's network, and what the test is about."""
    config = {"http": {"listen": f"127.0.0.1:{machine.port}"}, "docker": {"restart": {"after": 0}}} | (extra or {})
    machine.put(CONFIG, yaml.safe_dump(config))


def status(machine: Machine) -> dict[str, Any]:
    """The daemon's picture. Exit code 1 is a critical alert, such as a full disk of this host."""
    done = machine.run("edged status --json")
    assert done.returncode in (0, 1), done.stdout
    picture: dict[str, Any] = json.loads(done.stdout)
    return picture


def fingerprint(machine: Machine) -> str:
    """All that an installation puts onto a machine, with times."""
    return machine.sh("find /opt /etc /usr/local -newer /proc/1 -printf '%p %T@ %l %m %u:%g\\n' | sort")


@pytest.mark.timeout(600)
def test_a_life_with_edged(machine: Machine, engine: Engine, checkout: Checkout) -> None:
    engine.run("camera")
    assert "sudo scripts/install" in checkout.run("scripts/install", user="nobody").stdout
    configure(machine)
    checkout.become("0.9.0")

    # Installed, it runs: as its own user, and seeing the engine.
    first = checkout.run("scripts/install")
    assert first.returncode == 0, first.stdout
    assert (machine.show("ActiveState"), machine.show("UnitFileState")) == ("active", "enabled")
    assert machine.sh("ps -o user= -C edged").split() == ["edged"]
    deadline = time.monotonic() + 20.0
    while not status(machine)["engine"]["up"]:
        assert time.monotonic() < deadline, machine.journal()
        time.sleep(0.1)
    assert "edged 0.9.0 online" in first.stdout

    # The weekly check is planned, and its unit may do what it has to.
    assert machine.show("ActiveState", "edged-report.timer") == "active"
    checked = machine.run("systemctl start edged-report.service")
    assert checked.returncode == 0, machine.journal("edged-report.service")
    files = machine.sh("ls /var/lib/edged/reports").split()
    assert sorted(name.rpartition(".")[2] for name in files) == ["html", "json", "txt"], files
    assert "EDGED ITSELF" in machine.sh("cat /var/lib/edged/reports/*.txt")

    # Again: nothing changes.
    before, pid = fingerprint(machine), machine.show("MainPID")
    again = checkout.run("scripts/install")
    assert again.returncode == 0 and "in service already: nothing to change" in again.stdout, again.stdout
    assert (fingerprint(machine), machine.show("MainPID")) == (before, pid)

    # A configuration that the new release refuses: the one before goes on.
    configure(machine, {"nonsense": 1})
    checkout.become("0.9.1")
    refused = checkout.run("scripts/install")
    assert refused.returncode == 1 and f"{CONFIG}:" in refused.stdout and "nonsense" in refused.stdout, refused.stdout
    assert "0.9.0-" in refused.stdout and "stays in service" in refused.stdout
    assert machine.show("MainPID") == pid and "/0.9.0-" in machine.sh("realpath /opt/edged/bin/edged")

    # A variable that only the unit has is no error. State and configuration are kept.
    configure(machine, WITH_SECRET)
    machine.put("/etc/systemd/system/edged.service.d/local.conf", "[Service]\nEnvironment=BROKER_USER=press-7\n")
    kept = machine.sh(f"sha256sum {CONFIG}")
    upgraded = checkout.run("scripts/install")
    assert upgraded.returncode == 0 and "edged 0.9.1 online, run 2" in upgraded.stdout, upgraded.stdout
    assert machine.sh(f"sha256sum {CONFIG}") == kept
    assert machine.sh("ls /opt/edged/releases").startswith("0.9.1-"), "the release before is gone"

    # A release that does not come up: the one before is put back.
    checkout.become("0.9.2")
    checkout.edit("edged/app/daemon.py", lambda text: f"{text}\nraise RuntimeError('a bad day')\n")
    broken = checkout.run("scripts/install")
    assert broken.returncode == 1 and "a bad day" in broken.stdout and "runs again" in broken.stdout, broken.stdout
    assert (status(machine)["version"], machine.show("ActiveState")) == ("0.9.1", "active")

    # Removed: what is the operator's stays until it is purged.
    assert checkout.run("scripts/install --uninstall").returncode == 0
    assert machine.show("LoadState") == "not-found"
    assert machine.run("ls /opt/edged /usr/local/bin/edged").stdout.count("No such file") == 2
    assert machine.sh(f"sha256sum {CONFIG}") == kept and "edged.db" in machine.sh("ls /var/lib/edged")
    assert checkout.run("scripts/install --uninstall --purge").returncode == 0
    assert machine.run("ls -d /etc/edged /var/lib/edged").stdout.count("No such file") == 2
    assert machine.run("getent passwd edged; getent group edged").stdout == ""
    assert "edged" not in machine.sh("find /etc -xdev -name '*edged*'")
    assert engine.pid("camera"), "containers are left alone"
