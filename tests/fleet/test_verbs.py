"""``edged fleet ls`` and ``send`` as an operator uses them: a real broker, devices that verify signatures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fixtures.fleet_device import SimulatedDevice, SimulatedFleet, key_file
from tests.fleet.conftest import Verbs

pytestmark = pytest.mark.broker


def three(fleet: SimulatedFleet, **options: str) -> None:
    fleet.add(
        SimulatedDevice("press-1", labels={"site": "a", "line": "1"}),
        SimulatedDevice("press-2", labels={"site": "a", "line": "2"}, apps=("detector", "logger")),
        SimulatedDevice("oven-1", labels={"site": "b"}),
    )


def test_ls_shows_state_apps_alerts_and_labels(fleet: SimulatedFleet, verbs: Verbs) -> None:
    three(fleet)
    fleet.do(lambda: fleet.devices["press-2"].tell_alert("DiskFull", "%2F"))
    fleet.call(fleet.devices["oven-1"].stop())
    seen = {one["device"]: one for one in verbs.json("ls")}
    assert {key: one["state"] for key, one in seen.items()} == {
        "press-1": "online", "press-2": "online", "oven-1": "offline",
    }  # fmt: skip
    assert seen["press-2"]["alerts"][0]["subject"] == "/"
    assert seen["press-2"]["apps"]["logger"]["placed"]["model"]["version"] == "1.0"
    assert [one["device"] for one in verbs.json("ls", "--labels", "site=a,line=2")] == ["press-2"]
    text = verbs.call("ls").stdout
    assert "3 devices: 1 offline, 2 online; 1 alerts" in text and "\x1b" not in text
    assert "DiskFull" in text and "detector healthy 1.0; logger healthy 1.0" in text


def test_a_will_of_an_earlier_boot_is_told_apart(fleet: SimulatedFleet, verbs: Verbs) -> None:
    device = SimulatedDevice("press-1", boot=12)
    fleet.add(device)
    old = SimulatedDevice("press-1", boot=11)
    fleet.do(lambda: device.publish("status", old.status("offline"), retain=True))
    (seen,) = verbs.json("ls")
    assert (seen["state"], seen["stale_will"], seen["boot"]) == ("online", True, 12)
    fleet.do(lambda: device.publish("status", device.status("offline"), retain=True))
    assert verbs.json("ls")[0]["state"] == "offline"


def test_send_to_one_shows_the_answers(fleet: SimulatedFleet, verbs: Verbs) -> None:
    three(fleet)
    done = verbs.call("send", "press-1,press-1", "restart", "app=detector")
    assert (done.returncode, done.stdout.splitlines()) == (0, ["accepted", "succeeded: done"]), done.stderr
    assert [one["args"] for one in fleet.devices["press-1"].done] == [{"app": "detector"}]
    assert not fleet.devices["press-2"].done and not fleet.devices["press-1"].refusals


def test_send_to_many(fleet: SimulatedFleet, verbs: Verbs) -> None:
    three(fleet)
    done = verbs.call("send", "--labels", "site=a", "model.deploy", "app=detector", "bundle=http://x/y.tar")
    assert done.returncode == 0 and "2 succeeded" in done.stdout, done.stdout + done.stderr
    assert {name: len(one.done) for name, one in fleet.devices.items()} == {"press-1": 1, "press-2": 1, "oven-1": 0}
    fleet.devices["press-2"].behave = "fail"
    failed = verbs.call("send", "--labels", "site=a", "model.deploy", "app=detector", "bundle=http://x/y.tar", "--json")
    states = [json.loads(line)["state"] for line in failed.stdout.splitlines()]
    assert failed.returncode == 1 and states.count("failed") == 1 and states.count("running") == 10
    assert verbs.call("send", "--all", "restart", "app=logger").returncode == 3


def test_what_is_wrong_is_told_before_anything_is_sent(fleet: SimulatedFleet, verbs: Verbs, tmp_path: Path) -> None:
    three(fleet)
    for words, text in {
        ("press-1", "fly"): "press-1 knows no command fly; it knows: ",
        ("press-1", "restart"): "the argument app is missing",
        ("press-1", "restart", "app=detector", "hard=yes"): "there is no argument hard; there are: app",
        ("press-1", "logs.get", "app=detector", "lines=many"): "lines=many: integer is expected",
        ("press-1", "restart", "detector"): "is no argument",
        ("press-9", "restart", "app=detector"): "no device press-9 is known",
        ("press-#", "restart", "app=detector"): "'press-#' is no device",
        ("press-1,", "restart", "app=detector"): "'press-1,' is no device",
        ("--labels", "site", "restart", "app=detector"): "is no label",
        ("press-1",): "say what to do",
    }.items():
        refused = verbs.call("send", *words)
        assert refused.returncode in (1, 2) and text in refused.stderr, (words, refused)
    no_key = verbs.call("send", "press-1", "restart", "app=detector", options=["--broker", "mqtt://127.0.0.1:1"])
    assert no_key.returncode == 2 and "--key FILE" in no_key.stderr
    (tmp_path / "ops.key").chmod(0o644)
    loose = verbs.call("send", "press-1", "restart", "app=detector")
    assert loose.returncode == 2 and "can be read by others" in loose.stderr
    assert not any(one.done or one.refusals for one in fleet.devices.values())


def test_a_stranger_is_refused_and_nobody_waits_for_ever(fleet: SimulatedFleet, verbs: Verbs, tmp_path: Path) -> None:
    three(fleet)
    stranger = key_file(tmp_path, bytes(32), "stranger")
    done = verbs.call("--key", stranger, "send", "press-1", "restart", "app=detector", "--timeout", "2s")
    assert done.returncode == 1 and "no result within 2s" in done.stdout
    assert fleet.devices["press-1"].refusals == ["unknown_key"] and not fleet.devices["press-1"].done
    fleet.devices["press-1"].behave = "mute"
    mute = verbs.call("send", "press-1,press-2", "restart", "app=detector", "--timeout", "2s", "--json")
    states = {row["device"]: row["state"] for row in map(json.loads, mute.stdout.splitlines())}
    assert (mute.returncode, states) == (1, {"press-1": "silent", "press-2": "succeeded"})


def test_a_large_result_is_put_together(fleet: SimulatedFleet, verbs: Verbs, tmp_path: Path) -> None:
    three(fleet)
    logs = ("logs.get", "app=detector", "lines=2000", "-o")
    assert verbs.call("send", "press-1", *logs, str(tmp_path / "log")).returncode == 0
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) == 2000 and lines[-1] == "line 1999 of detector"
    assert verbs.call("send", "--all", *logs, str(tmp_path / "logs")).returncode == 0
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {"press-1", "press-2", "oven-1"}
    shown = verbs.call("send", "press-1", "logs.get", "app=detector", "lines=3")
    assert shown.stdout.splitlines()[-2].startswith("line 2") or "line 2 of detector" in shown.stdout


def test_defaults_come_from_the_environment_and_the_file(fleet: SimulatedFleet, verbs: Verbs, tmp_path: Path) -> None:
    three(fleet)
    url = f"mqtt://127.0.0.1:{fleet.port}"
    assert verbs.call("ls", options=[], EDGED_FLEET_BROKER=url).returncode == 0
    assert "say which broker" in verbs.call("ls", options=[]).stderr
    folder = tmp_path / "config" / "edged"
    folder.mkdir(parents=True)
    (folder / "fleet.yaml").write_text(f'broker: "{url}"\nkey: {tmp_path}/ops.key\n')
    assert verbs.call("send", "press-1", "restart", "app=detector", options=[]).returncode == 0
    (folder / "fleet.yaml").write_text("brokre: x\n")
    wrong = verbs.call("ls", options=[])
    assert wrong.returncode == 2 and "did you mean" in wrong.stderr


def test_no_wait_returns_when_the_broker_has_it(fleet: SimulatedFleet, verbs: Verbs) -> None:
    three(fleet)
    fleet.devices["press-1"].pace = 30.0
    done = verbs.call("send", "press-1", "restart", "app=detector", "--no-wait")
    assert done.returncode == 0, done.stderr
    assert len(fleet.devices["press-1"].done) == 1


def test_a_busy_device_is_asked_again(fleet: SimulatedFleet, verbs: Verbs) -> None:
    fleet.add(SimulatedDevice("press-1", behave="busy"))
    done = verbs.call("send", "press-1", "restart", "app=detector")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["rejected [queue_full]; trying again soon", "accepted", "succeeded: done"]
    assert len(fleet.devices["press-1"].done) == 1


def test_nothing_to_see_is_explained(verbs: Verbs) -> None:
    done = verbs.call("ls")
    assert done.returncode == 0 and "0 devices; if there should be some" in done.stdout


def test_the_broker_is_not_there(verbs: Verbs) -> None:
    done = verbs.call("ls", options=["--broker", "mqtt://127.0.0.1:1"])
    assert done.returncode == 4 and "no connection to mqtt://127.0.0.1:1" in done.stderr
