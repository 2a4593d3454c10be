"""``edged fleet rollout`` and ``watch``: a real broker, devices that verify, consoles that are killed."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.broker import Mosquitto, until
from tests.fixtures.fleet_device import SimulatedDevice, SimulatedFleet
from tests.fleet.conftest import Verbs

pytestmark = pytest.mark.broker

URL = "http://files.example/detector-2.tar"
ROLLOUT = ("rollout", URL, "--app", "detector", "--soak", "300ms")


def many(fleet: SimulatedFleet, count: int = 10, **options: Any) -> None:
    fleet.add(*(SimulatedDevice(f"d{number}", labels={"site": "a"}, **options) for number in range(count)))


def whole(text: str) -> dict[str, Any]:
    found = json.loads(text.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def test_everybody_gets_it_once_in_waves(fleet: SimulatedFleet, verbs: Verbs, tmp_path: Path) -> None:
    many(fleet)
    kept = tmp_path / "rollout.json"
    words = (*ROLLOUT, "--labels", "site=a", "--state", str(kept))
    fleet.add(SimulatedDevice("other", labels={"site": "a"}, apps=("logger",)), SimulatedDevice("far"))
    done = verbs.call(*words, "--json")
    assert done.returncode == 0, done.stderr
    assert "1 devices are left out" in done.stderr
    end = whole(done.stdout)
    assert (end["stage"], end["counts"], end["waves"]) == ("done", {"succeeded": 10}, 3)
    waves = [row["wave"] for row in end["devices"]]
    assert waves == sorted(waves) and [waves.count(n) for n in range(3)] == [1, 4, 5]
    for name, device in fleet.devices.items():
        assert len(device.done) == (name.startswith("d")) and not device.refusals
    # A console that was killed before it could tell: the next one does. It is told once.
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"told": False}))
    table = verbs.call(*words)
    assert table.returncode == 0 and "done: 10 succeeded" in table.stdout, table.stderr
    again = verbs.call(*words)
    assert again.returncode == 1 and "this rollout is over, done; --again begins anew" in again.stderr


def test_it_halts_by_itself(fleet: SimulatedFleet, verbs: Verbs) -> None:
    many(fleet, behave="fail")
    done = verbs.call(*ROLLOUT, "--max-failures", "1", "--at-once", "2")
    assert done.returncode == 1, done.stdout + done.stderr
    # The wave of one, then two of the next wave at once: three failed, nobody else was touched.
    assert "halted: 3 failed, 7 pending; devices that failed: 3; at most 1 may" in done.stdout
    assert sum(bool(device.done) for device in fleet.devices.values()) == 3
    assert "[gate]: p95 is worse than before; rolled back" in done.stdout


def test_a_device_that_is_sick_afterwards_halts_it(fleet: SimulatedFleet, verbs: Verbs) -> None:
    many(fleet, 4, behave="sick")
    done = verbs.call(*ROLLOUT, "--max-failures", "0", "--grace", "500ms", "--json")
    end = whole(done.stdout)
    assert (done.returncode, end["counts"]) == (1, {"sick": 1, "pending": 3}), done.stderr
    assert "detector is unhealthy" in end["devices"][0]["message"]


def test_offline_devices_are_waited_for(fleet: SimulatedFleet, verbs: Verbs) -> None:
    many(fleet, 3)
    fleet.call(fleet.devices["d1"].stop())
    console = verbs.start(*ROLLOUT, "--waves", "100%", "--json")
    until(lambda: fleet.devices["d0"].done and fleet.devices["d2"].done, 60.0, "the others")
    time.sleep(0.5)
    assert console.poll() is None
    fleet.add(SimulatedDevice("d1", labels={"site": "a"}, boot=2))
    out, err = console.communicate(timeout=60.0)
    assert console.returncode == 0 and whole(out)["counts"] == {"succeeded": 3}, err
    fleet.call(fleet.devices["d1"].stop())
    skipped = verbs.call(*ROLLOUT, "--waves", "100%", "--again", "--offline", "skip", "--json")
    assert skipped.returncode == 0 and whole(skipped.stdout)["counts"] == {"succeeded": 2, "skipped": 1}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_it_goes_on_where_it_was(fleet: SimulatedFleet, verbs: Verbs, how: signal.Signals) -> None:
    many(fleet, 6, pace=0.15)
    ends = 0
    for _ in range(40):
        console = verbs.start(*ROLLOUT, "--json", "--at-once", "2")
        before = sum(len(device.done) for device in fleet.devices.values())
        until(partial(_ended_or_more, console, fleet, before), 60.0, "another device")
        time.sleep(0.2)
        if console.poll() is None:
            console.send_signal(how)
            ends += 1
        out, err = console.communicate(timeout=60.0)
        if console.returncode == 0:
            break
        assert console.returncode in (-signal.SIGKILL, 130), err
    assert ends >= 3 and whole(out)["counts"] == {"succeeded": 6}
    # Sent again and again, yet each device did it once.
    assert {name: len(device.done) for name, device in fleet.devices.items()} == {f"d{n}": 1 for n in range(6)}
    assert not any(device.refusals for device in fleet.devices.values())


def _ended_or_more(console: subprocess.Popen[str], fleet: SimulatedFleet, before: int) -> bool:
    return console.poll() is not None or _more(fleet, before)


def _more(fleet: SimulatedFleet, before: int) -> bool:
    return sum(len(device.done) for device in fleet.devices.values()) > before


def test_the_broker_goes_and_comes_back(broker: Mosquitto, fleet: SimulatedFleet, verbs: Verbs) -> None:
    many(fleet, 4, pace=0.3)
    console = verbs.start(*ROLLOUT, "--json", "--waves", "50%,100%")
    until(lambda: _more(fleet, 1), 60.0, "the first two")
    broker.restart()  # what the devices say to nobody is lost with their connections
    time.sleep(0.3)
    old = dict(fleet.devices)
    for name, device in old.items():
        fleet.call(device.stop(politely=False))
        again = SimulatedDevice(name, labels={"site": "a"}, boot=2)
        again.answers, again.done, again.sequence = device.answers, device.done, device.sequence
        for answer in list(again.answers):  # what was under way has ended meanwhile
            again.finish(answer)
        fleet.add(again)
    out, err = console.communicate(timeout=90.0)
    assert console.returncode == 0 and whole(out)["counts"] == {"succeeded": 4}, out + err
    assert all(len(device.done) == 1 for device in fleet.devices.values())


def test_only_one_console_drives_it_and_the_terms_are_kept(fleet: SimulatedFleet, verbs: Verbs, tmp_path: Path) -> None:
    many(fleet, 2, pace=5.0)
    state = ("--state", str(tmp_path / "rollout.json"))
    console = verbs.start(*ROLLOUT, *state)
    until(lambda: _more(fleet, 0), 60.0, "the first device")
    second = verbs.call(*ROLLOUT, *state)
    assert second.returncode == 1 and "by another console" in second.stderr
    console.kill()
    console.communicate(timeout=20.0)
    other = verbs.call(*ROLLOUT, *state, "--waves", "100%")
    assert other.returncode == 2 and "other waves is kept there" in other.stderr
    (tmp_path / "rollout.json").write_text("{")
    damaged = verbs.call(*ROLLOUT, *state)
    assert damaged.returncode == 1 and "holds no rollout" in damaged.stderr


def test_what_is_no_rollout(fleet: SimulatedFleet, verbs: Verbs) -> None:
    many(fleet, 1)
    for words, code, text in (
        (("detector.tar", "--app", "detector"), 2, "give a URL"),
        ((URL, "--app", "detector", "--waves", "50%,10%"), 2, "--waves: the wave 10%"),
        ((URL, "--app", "detector", "--soak", "ten"), 2, "--soak"),
        ((URL, "--app", "nothing"), 1, "no device with the app nothing"),
    ):
        done = verbs.call("rollout", *words)
        assert done.returncode == code and text in done.stderr, done


def test_watch_shows_what_happens_until_interrupted(fleet: SimulatedFleet, verbs: Verbs) -> None:
    many(fleet, 2)
    watching = verbs.start("watch", "--json", "--labels", "site=a")
    lines: list[dict[str, Any]] = []
    assert watching.stdout is not None
    deadline = time.monotonic() + 60.0
    while not lines and time.monotonic() < deadline:
        # It says nothing about how far it is, so tell until it hears.
        fleet.do(lambda: fleet.devices["d0"].tell_alert("AppDown", "detector"))
        fleet.do(lambda: fleet.devices["d0"].tell_alert("AppDown", "detector", clear=True))
        time.sleep(0.2)
        if watching.poll() is not None:
            break
        if select.select([watching.stdout], [], [], 0.0)[0]:
            lines.append(json.loads(watching.stdout.readline()))
    assert lines and (lines[0]["kind"], lines[0]["device"], lines[0]["name"]) == ("alert", "d0", "AppDown/detector")
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=20.0)
    assert watching.returncode == 0, err
