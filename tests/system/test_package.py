"""scripts/package: the Debian package, through all that dpkg does with it."""

from __future__ import annotations

import json

import pytest

from tests.fixtures.engine import Engine
from tests.fixtures.machine import Machine

from .conftest import Checkout

pytestmark = pytest.mark.engine
CONFIG = "/etc/edged/edged.yaml"
QUIET = "DEBIAN_FRONTEND=noninteractive dpkg --force-unsafe-io"
"""Asks nothing, and does not sync each of two thousand files."""


def repack(machine: Machine, deb: str, version: str, change: str = "true") -> str:
    """The same package as another version, its code changed by a command that runs in the folder ``edged``.

    Quicker to handle without its two big libraries, which the daemon never imports.
    """
    old, new = (name.strip() for name in (machine.sh(f"dpkg-deb -f {deb} Version"), version))
    made = f"/srv/edged_{new}.deb"
    machine.sh(
        f"""set -e
        rm -rf /srv/tree && dpkg-deb -R {deb} /srv/tree && cd /srv/tree
        name=$(ls opt/edged/releases) && next={new}-${{name#*-}}
        mv opt/edged/releases/$name opt/edged/releases/$next
        sed -i "s/$name/$next/g" DEBIAN/postinst opt/edged/releases/$next/bin/edged
        sed -i "s/^Version: .*/Version: {new}/" DEBIAN/control
        cd opt/edged/releases/$next/lib/python3.11/site-packages/edged
        rm -r ../onnxruntime ../numpy ../numpy.libs
        sed -i 's/"{old}"/"{new}"/' __init__.py
        {change}
        dpkg-deb -Znone -b /srv/tree {made}"""
    )
    return made


def state(machine: Machine) -> tuple[str, str, str]:
    """Version that answers, release that `current` leads to without its digest, and systemd's word."""
    done = machine.run("edged status --json")
    picture = json.loads(done.stdout) if done.returncode in (0, 1) else {"version": done.stdout}
    release = machine.sh("basename $(readlink /opt/edged/current)").partition("-")[0]
    return picture["version"], release, machine.show("ActiveState")


@pytest.mark.timeout(600)
def test_a_package_from_install_to_purge(machine: Machine, engine: Engine, checkout: Checkout) -> None:
    engine.run("camera")
    checkout.become("0.9.0")
    built = checkout.run("scripts/package -o /srv")
    assert built.returncode == 0, built.stdout
    first = built.stdout.splitlines()[-1]
    assert first.startswith("/srv/edged_0.9.0_") and "python3.11" in machine.sh(f"dpkg-deb -f {first} Depends")
    second = repack(machine, first, "0.9.1")
    broken = repack(machine, first, "0.9.2", "echo 'raise RuntimeError(\"a bad day\")' >>app/daemon.py")

    # Not over an edged that came from elsewhere.
    machine.sh("mkdir -p /opt/edged && ln -s releases/x /opt/edged/current")
    refused = machine.run(f"{QUIET} -i {first}")
    assert refused.returncode != 0 and "/opt/edged/share/edged/uninstall" in refused.stdout
    machine.sh("rm -r /opt/edged && dpkg --purge edged")

    # Installed where services may not be started: then it is not. The file it brings is in order, and gets a port that
    # is free on this host.
    machine.put("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    assert "policy-rc.d forbids it" in machine.sh(f"{QUIET} -i {first}")
    assert machine.show("ActiveState") == "inactive"
    machine.sh(f"rm /usr/sbin/policy-rc.d; echo 'http: {{listen: \"127.0.0.1:{machine.port}\"}}' >>{CONFIG}")
    assert machine.run("systemctl start edged").returncode == 0, machine.journal()
    assert state(machine) == ("0.9.0", "0.9.0", "active") and machine.show("UnitFileState") == "enabled"
    assert machine.sh(f"stat -c '%a %U:%G' {CONFIG} /etc/edged").split("\n")[1] == "750 root:edged"
    assert machine.sh("dpkg -V edged | grep -v /etc/edged/edged.yaml || true") == ""
    assert "package" in checkout.run("scripts/install").stdout

    # Upgraded: a new daemon; configuration and state are kept.
    kept = machine.sh(f"sha256sum {CONFIG}")
    assert "edged 0.9.1 online, run 2" in machine.sh(f"{QUIET} -i {second}")
    assert state(machine) == ("0.9.1", "0.9.1", "active") and machine.sh(f"sha256sum {CONFIG}") == kept

    # A configuration with errors: the release before runs on, and can be started again.
    pid = machine.show("MainPID")
    machine.sh(f"echo 'nonsense: 1' >>{CONFIG}")
    refused = machine.run(f"{QUIET} -i {broken}")
    assert refused.returncode != 0 and "nonsense" in refused.stdout and "stays in service" in refused.stdout
    assert (state(machine), machine.show("MainPID")) == (("0.9.1", "0.9.1", "active"), pid)
    machine.sh(f"sed -i /nonsense/d {CONFIG} && systemctl restart edged")
    assert state(machine) == ("0.9.1", "0.9.1", "active")

    # One that does not come up: the release before is put back.
    failed = machine.run(f"{QUIET} --configure edged")
    assert failed.returncode != 0 and "a bad day" in failed.stdout and "runs again" in failed.stdout, failed.stdout
    assert state(machine) == ("0.9.1", "0.9.1", "active")

    # The way out: a release that works. What a person stopped stays stopped.
    machine.sh("systemctl stop edged")
    assert "stopped before, and stays so" in machine.sh(f"{QUIET} -i {first}")
    assert machine.show("ActiveState") == "inactive"
    machine.sh("systemctl start edged")
    assert state(machine) == ("0.9.0", "0.9.0", "active")
    assert machine.sh("ls -A /opt/edged/releases").count("\n") == 1, "no release is left behind"

    # Removed and installed again: nothing of the operator's is lost.
    machine.sh("dpkg --remove edged")
    assert machine.show("LoadState") == "not-found" and machine.run("ls /opt/edged").returncode != 0
    assert machine.sh(f"sha256sum {CONFIG}") == kept and "edged.db" in machine.sh("ls /var/lib/edged")
    machine.sh(f"{QUIET} -i {first}")
    assert state(machine) == ("0.9.0", "0.9.0", "active") and machine.sh(f"sha256sum {CONFIG}") == kept

    # Purged: nothing is left.
    machine.sh("dpkg --purge edged")
    assert machine.run("getent passwd edged; getent group edged").stdout == ""
    assert machine.sh("find / -xdev -name '*edged*' -not -path '/srv/*'") == ""
    assert machine.sh("pgrep -x edged", check=False) == ""
    assert engine.pid("camera"), "containers are left alone"
