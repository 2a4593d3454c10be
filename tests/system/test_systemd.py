"""edged.service under a real systemd: the whole life of the unit, and what its hardening leaves possible."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.broker import Mosquitto, Reader
from tests.fixtures.engine import REPO, Engine
from tests.fixtures.machine import Machine
from tests.fixtures.patience import PATIENCE
from tests.fixtures.unit import Hangs, Unit

pytestmark = pytest.mark.engine

Make = Callable[..., Unit]
QUICK = {"restart": {"backoff": "100ms", "max_backoff": "500ms", "stop_timeout": "1s", "policy_grace": "1s"}}
SHORT = "WatchdogSec=3\nTimeoutAbortSec=10\n"
"""On a busy machine the stacks of all threads take longer to write than the second that the unit gives."""
"""Instead of the unit's 30 s: tests are not to wait."""


def same_run(engine: Engine, name: str) -> tuple[int, str]:
    """Differs after any restart of the container."""
    state = engine.inspect(name)["State"]
    return state["Pid"], state["StartedAt"]


# The unit itself


def test_the_unit_is_sound_and_hardened(device: Machine) -> None:
    assert device.sh("systemd-analyze verify edged.service") == ""
    # In tenths: exit code 1 when the exposure is above.
    shown = device.sh("systemd-analyze security --no-pager --threshold=20 edged.service")
    assert re.search(r"exposure level for edged.service: [012]\.\d OK", shown)


def test_ready_means_that_it_answers_to_those_who_may_ask(device: Machine, unit: Make) -> None:
    unit().start()
    for user in ("root", "worker"):  # worker is in the group edged
        assert "edged 0" in device.sh("edged status", user=user)
    stranger = device.run("edged status", user="nobody")
    assert stranger.returncode == 4 and "group edged" in stranger.stdout
    assert device.sh("stat -c '%a %U %G' /run/edged/edged.sock").split() == ["660", "edged", "edged"]
    assert device.sh("stat -c '%a %U %G' /var/lib/edged").split() == ["750", "edged", "edged"]
    assert re.search(r'Status: "watching, run 1"', device.sh("systemctl status --no-pager edged"))
    assert device.show("User") == "edged" and "NoNewPrivs:\t1" in device.sh(
        f"cat /proc/{device.show('MainPID')}/status"
    )


def test_stopping_is_quick_and_leaves_containers_alone(engine: Engine, device: Machine, unit: Make) -> None:
    engine.run("worker")
    daemon = unit({"apps": {"worker": {}}}).start()
    daemon.wait_state("worker", "healthy")
    before = same_run(engine, "worker")
    begun = time.monotonic()
    daemon.stop()
    assert time.monotonic() - begun < 5.0 * PATIENCE
    assert (device.show("ActiveState"), device.show("Result")) == ("inactive", "success")
    daemon.start()
    assert daemon.status()["previous_end"] == "clean"
    assert same_run(engine, "worker") == before


def test_reloading_always_ends(engine: Engine, device: Machine, unit: Make) -> None:
    engine.run("worker")
    daemon = unit({"apps": {"worker": {}}}).start()
    for good in (True, False, True):
        daemon.configure({"apps": {"worker": {"priority": 5}}} if good else {"appz": {}})
        daemon.reload()
        daemon.wait_event("config.reloaded" if good else "config.refused")
        daemon.wait(lambda: device.show("SubState") == "running", 10.0, "the reload ends")
        assert bool(daemon.status()["config"]["errors"]) is not good
    assert daemon.status()["boot"] == 1
    # Many at once: the last word is not "reloading" either.
    for _ in range(20):
        device.sh("systemctl kill -s HUP --kill-whom=main edged")
    daemon.wait(lambda: device.show("SubState") == "running", 10.0, "the reloads end")
    assert daemon.alive() and device.show("NRestarts") == "0"


def test_a_file_with_mistakes_fails_the_unit_and_says_why(device: Machine, unit: Make) -> None:
    unit({"appz": {}})
    assert device.run("systemctl start edged").returncode == 1
    assert (device.show("ActiveState"), device.show("ExecMainStatus"), device.show("NRestarts")) == ("failed", "2", "0")
    assert "did you mean" in device.journal() and "apps" in device.journal()


def test_another_state_folder_needs_leave(device: Machine, unit: Make) -> None:
    device.sh("install -d -o edged -g edged /srv/edged")
    daemon = unit({"state_dir": "/srv/edged"})
    device.sh("systemctl start --no-block edged")
    daemon.wait(lambda: "the state folder /srv/edged cannot be used" in device.journal(), 10.0, "the reason is told")
    device.drop_in("[Service]\nReadWritePaths=/srv/edged\n")
    device.sh("systemctl restart edged")
    assert device.path("/srv/edged/edged.db").exists()
    daemon.stop()
    device.sh("rm -rf /srv/edged")


# It does not stay down


def test_killed_it_runs_again_and_containers_never_notice(engine: Engine, device: Machine, unit: Make) -> None:
    engine.run("worker")
    daemon = unit({"apps": {"worker": {}}}).start()
    daemon.wait_state("worker", "healthy")
    before = same_run(engine, "worker")
    for boot in range(1, 7):  # more often than systemd's usual limit of 5 in 10 s
        daemon.kill()
        assert daemon.runs_anew(boot, 15.0)["previous_end"] == "crash"
    assert same_run(engine, "worker") == before


@pytest.mark.parametrize("place", ["loop", "tcp"])
def test_hung_it_is_ended_and_runs_again(engine: Engine, device: Machine, unit: Make, place: str) -> None:
    """The loop, or a check whose own time-out fails. ``scripts/bench hang`` has the unit's own WatchdogSec and more."""
    engine.run("worker")
    needed = {"tcp": f"127.0.0.1:{device.port}", "every": "500ms", "timeout": "500ms"}
    daemon = unit({"apps": {"worker": {}}, "dependencies": {"page": needed}})
    hangs = Hangs(daemon, SHORT)
    daemon.start()
    daemon.wait_state("worker", "healthy")
    before = same_run(engine, "worker")
    hung = hangs.loop() if place == "loop" else hangs.worker(place)
    status = daemon.runs_anew(1, 45.0)
    # The bar is 2 s; the rest is for a busy machine.
    assert time.monotonic() - hung < (3.0 + 2.0) * PATIENCE
    assert re.match("watchdog: .*(loop|page)", status["previous_end"]), status["previous_end"]
    assert "watchdog" in daemon.text().lower()
    assert same_run(engine, "worker") == before


# What it may do, and what not


STAND_IN = """[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'echo started >>/run/standin'
"""


@pytest.fixture
def stand_in(device: Machine) -> str:
    """A docker.service that only writes down when it was started, and another unit."""
    device.put("/run/systemd/system/docker.service", STAND_IN)
    device.put("/run/systemd/system/other.service", STAND_IN)
    device.sh("systemctl daemon-reload; systemctl start docker other; rm -f /run/standin")
    return "/run/standin"


def test_polkit_lets_it_restart_the_engine_and_nothing_else(device: Machine, stand_in: str) -> None:
    ask = "systemctl --no-ask-password"
    device.sh(f"{ask} restart docker.service && {ask} start docker.service", user="edged")
    assert device.path(stand_in).read_text() == "started\n"
    for refused in (
        "stop docker.service", "restart other.service", "start other.service", "mask docker.service",
        "kill docker.service", "set-property docker.service CPUWeight=1", "daemon-reload", "reboot",
    ):  # fmt: skip
        done = device.run(f"{ask} {refused}", user="edged")
        assert done.returncode != 0, refused
        assert re.search("authentication|denied|not permitted", done.stdout, re.IGNORECASE), (refused, done.stdout)
    done = device.run(f"{ask} restart docker.service", user="nobody")
    assert done.returncode != 0
    assert device.path(stand_in).read_text() == "started\n"


def test_under_the_unit_it_restarts_an_engine_that_hangs(
    engine: Engine, device: Machine, unit: Make, stand_in: str
) -> None:
    daemon = unit({"docker": {"restart": {"after": "1s"}, "timeout": "1s", "poll": "1s"}}).start()
    daemon.wait(lambda: daemon.status()["engine"]["up"], 10.0, "the engine is seen")
    engine.freeze()
    daemon.wait(lambda: device.path(stand_in).exists(), 30.0, "docker.service is restarted")
    engine.thaw()
    daemon.wait(lambda: daemon.status()["engine"]["up"], 20.0, "the engine is seen again")


def test_hardening_hides_nothing_that_is_watched(engine: Engine, device: Machine, unit: Make) -> None:
    engine.run("worker", mem_limit=64 << 20)
    device.sh("mkdir -p /home/data")
    config = {
        "apps": {"worker": {}},
        "host": {"disk": {"paths": ["/", "/home/data", "/tmp", "/var/lib/edged"]}, "clock": {"for": "1h"}},
        "sampling": {"every": "500ms"},
    }
    daemon = unit(config).start()
    daemon.wait_state("worker", "healthy")
    daemon.wait(lambda: daemon.app("worker")["memory_limit_bytes"] == 64 << 20, 10.0, "its memory is read")
    host = daemon.wait(lambda: daemon.status()["host"], 10.0, "the host is measured")
    assert set(host["disks"]) == {"/", "/home/data", "/tmp", "/var/lib/edged"}
    assert not any(disk["read_only"] for disk in host["disks"].values())
    assert host["memory_total_bytes"] > 0 and host["load"] and host["pressure"] is not None
    assert host["clock_synced"] is not None  # asked of the kernel
    # What is not edged's own, seen with edged's eyes: paths of containers' cgroups, memory, sensors.
    seen = device.sh(
        f"nsenter -t {daemon.pid} -m -- setpriv --reuid edged --regid edged --clear-groups"
        " cat /proc/1/cgroup /proc/meminfo /proc/stat /proc/vmstat /proc/sys/kernel/random/boot_id"
    )
    assert all(word in seen for word in ("name=systemd:", "MemAvailable:", "btime", "oom_kill"))
    assert "thermal" in device.sh(f"nsenter -t {daemon.pid} -m -- ls /sys/class")


CHILD = """
import numpy, onnxruntime, os, resource, sys
session = onnxruntime.InferenceSession(sys.argv[1])
first = session.get_inputs()[0]
shape = [size if isinstance(size, int) else 4 for size in first.shape]
session.run(None, {first.name: numpy.zeros(shape, numpy.float32)})
resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
resource.prlimit(0, resource.RLIMIT_AS, (1 << 32, 1 << 32))
os.nice(5)
os.sched_setaffinity(0, {0})
open("/proc/self/oom_score_adj", "w").write("500")
os.makedirs("/var/lib/edged/bundle")
for forbidden in ("/opt/x", "/etc/edged/x", "/usr/x", "/home/x"):
    try:
        open(forbidden, "w")
    except OSError:
        continue
    sys.exit("may write " + forbidden)
"""


def test_a_child_may_run_a_model_within_limits_of_its_own(device: Machine, unit: Make) -> None:
    device.put("/run/child.py", CHILD)
    daemon = unit()
    model = REPO / "models/vibration-autoencoder/model.onnx"
    device.drop_in(f"[Service]\nExecStartPre={device.python} /run/child.py {model}\n")
    daemon.start(30.0)
    assert device.path("/var/lib/edged/bundle").is_dir()


# Secrets and the broker


def test_mqtt_over_tls_with_a_credential(
    device: Machine, unit: Make, new_broker: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True, timeout=30)

    openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "server.key",
        "-out", "ca.pem", "-subj", "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
    )  # fmt: skip
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(tmp_path / "users"), "press-7", "open sesame"], check=True, timeout=30
    )
    broker = new_broker(
        [f"certfile {tmp_path}/ca.pem", f"keyfile {tmp_path}/server.key", f"password_file {tmp_path}/users"],
        anonymous=False,
    )
    broker.start()
    daemon = unit(
        {
            "mqtt": {
                "url": broker.url.replace("mqtt:", "mqtts:"),
                "username": "press-7",
                "password_file": "${CREDENTIALS_DIRECTORY}/mqtt.password",
                "ca_file": "ca.pem",
            }
        }
    )
    device.put("/etc/edged/ca.pem", (tmp_path / "ca.pem").read_text())
    # Without the credential edged starts, watches, and says what is missing.
    daemon.start()
    daemon.wait(lambda: "mqtt.password" in daemon.status()["broker"]["detail"], 10.0, "the reason is told")
    device.put("/etc/credstore/mqtt.password", "open sesame\n", 0o600)
    device.sh("systemctl restart edged")
    daemon.wait(lambda: daemon.status()["broker"]["connected"], 20.0, "the broker is connected")
    secret = device.sh(f"nsenter -t {daemon.pid} -m -- ls -l /run/credentials/edged.service")
    assert "mqtt.password" in secret
    assert device.run("cat /run/credentials/edged.service/mqtt.password", user="worker").returncode != 0


def test_events_are_gapless_while_it_is_killed_and_hangs(
    engine: Engine, device: Machine, unit: Make, broker: Mosquitto, read: Callable[..., Reader]
) -> None:
    """What an operator reads is whole, whatever happens to edged or to the app."""
    console = read("edged/v1/test-device/event")
    engine.run("worker")
    daemon = unit({"apps": {"worker": QUICK}, "mqtt": {"url": broker.url}})
    hangs = Hangs(daemon, SHORT)
    daemon.start()
    daemon.wait_state("worker", "healthy")
    engine.kill_main("worker")
    daemon.wait_event("recovery.succeeded", subject="worker")
    daemon.kill()
    daemon.runs_anew(1, 15.0)
    hangs.loop()
    daemon.runs_anew(2, 45.0)
    daemon.wait_state("worker", "healthy")
    last = daemon.events()[-1]["sequence"]

    def sequences() -> list[int]:
        return sorted({json.loads(payload)["sequence"] for _, payload, _ in list(console.messages)})

    daemon.wait(lambda: last in sequences(), 20.0, "the last event arrives")
    got: list[Any] = sequences()
    assert got == list(range(1, got[-1] + 1))
