"""The pure parts of the demo's fleet: the broker's configuration, what is read back, and what each device runs with."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edged.config.load import load
from edged.demo import fleet, papers, settings
from edged.demo.client import Loss
from edged.demo.console import Received
from edged.demo.container import StageError
from edged.demo.fleet_scene import about, objects
from edged.demo.fleet_stage import DEVICES, together
from edged.demo.papers import Papers, fleet_broker, rendered, shipped
from edged.demo.processes import Child, lines
from edged.demo.verdict import NOBODY, Outcome, table

SERVER = Papers(Path("/lab/ca.pem"), Path("/lab/broker.pem"), Path("/lab/broker.key"))


# The broker


def test_only_paths_and_the_port_differ_from_what_is_shipped(tmp_path: Path) -> None:
    text = fleet_broker(tmp_path, 1883, SERVER, "\nuser console.anna\n")
    as_shipped = shipped("config/mosquitto/edged.conf").read_text().splitlines()
    ours = text.splitlines()
    assert ours.pop(0) == f"persistence_location {tmp_path}/"
    changed = [new for old, new in zip(as_shipped, ours, strict=True) if old != new]
    assert [line.split(" ")[0] for line in changed] == ["listener", "cafile", "certfile", "keyfile", "acl_file"]
    assert "listener 1883 127.0.0.1" in changed
    assert "require_certificate true" in ours and "allow_anonymous false" in ours
    rules = tmp_path / "edged.acl"
    assert rules.read_text() == shipped("config/mosquitto/edged.acl").read_text() + "\nuser console.anna\n"
    assert rules.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["listener 1\n", "listener 8883\nlistener 8883\n"])
def test_a_configuration_that_has_changed_is_not_taken_for_the_one_that_is_known(text: str) -> None:
    with pytest.raises(StageError, match="instead of once"):
        rendered(text, {"listener 8883": "listener 1"})


def test_what_is_missing_of_the_installation_is_said() -> None:
    with pytest.raises(StageError, match="install edged again"):
        shipped("config/mosquitto/none.conf")


def test_a_console_s_rules_are_what_the_script_prints(tmp_path: Path) -> None:
    shown, rules = papers.Authority(tmp_path / "lab").console("eve")
    assert rules.splitlines()[:3] == ["", "user console.eve", "topic read edged/v1/#"]
    assert all(path.is_file() for path in shown)


def test_a_script_that_fails_is_told_with_its_words(tmp_path: Path) -> None:
    papers.Authority(tmp_path / "lab")
    with pytest.raises(StageError, match="not overwritten"):
        papers.Authority(tmp_path / "lab")


# The devices


def test_the_configuration_of_a_device_is_in_order(tmp_path: Path) -> None:
    (tmp_path / "trust.yaml").write_text("keys: []\n")
    for name in ("ca", "pem", "key"):
        (tmp_path / name).write_text("")
    file = tmp_path / "edged.yaml"
    file.write_text(
        settings.config(
            state=tmp_path / "state",
            engine="unix:///run/x.sock",
            container="edged-demo-1-press-1",
            app=1001,
            page=1003,
            mqtt=f'url: "mqtts://127.0.0.1:1", ca_file: "{tmp_path}/ca", cert_file: "{tmp_path}/pem", '
            f'key_file: "{tmp_path}/key"',
            device="press-1",
            site=DEVICES["press-1"],
            more=f'commands: {{trust: "{tmp_path}/trust.yaml"}}\n',
        )
    )
    shown = load(file, {}).config
    assert (shown.device.id, shown.device.labels) == ("press-1", {"site": "plant-a"})
    assert shown.commands.trust == f"{tmp_path}/trust.yaml"
    assert shown.mqtt.ca_file == f"{tmp_path}/ca"


def test_together_all_is_over_when_one_fails() -> None:
    begun, failed, over = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        failed.wait(10.0)
        over.set()

    def bad() -> None:
        begun.wait(10.0)
        failed.set()
        raise StageError("it does not")

    with pytest.raises(StageError, match="it does not"):
        together(bad, slow)
    assert over.is_set()
    assert together(lambda: 1, lambda: 2) == [1, 2]


# What is read back


def test_lines_come_as_they_are_printed_until_the_end(tmp_path: Path) -> None:
    child = Child(["sh", "-c", "echo one; echo two"], tmp_path / "log")
    assert list(lines(child, 10.0)) == ["one", "two"]
    assert child.code == 0


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    child = Child(["sh", "-c", "echo one; exec sleep 60"], tmp_path / "log")
    with pytest.raises(StageError, match="did not end within"):
        list(lines(child, 0.5))
    assert not child.runs


def test_json_of_one_line_and_of_many_and_what_is_none() -> None:
    printed = ['{"a": 1}', "the broker says no", "[", '  {"b": 2}', "]", "{", '  "never": ']
    assert list(objects(iter(printed))) == [{"a": 1}, "the broker says no", [{"b": 2}], '{\n  "never": ']


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (
            {"device": "p", "type": "restart", "state": "rejected", "phase": "", "reason": "role", "message": "no"},
            "p: restart rejected [role]: no",
        ),
        (
            {"device": "p", "state": "running", "phase": "gating", "reason": "", "message": "gating"},
            "p: running gating",
        ),
        (
            {"device": "p", "state": "succeeded", "phase": "gating", "reason": "", "message": "in place"},
            "p: succeeded: in place",
        ),
        ({"stage": "halted", "wave": 1, "waves": 2, "reason": "too many"}, "wave 1 of 2: halted: too many"),
        ({"stage": "done", "counts": {}}, ""),
        ([{"device": "p"}], ""),
        ("no connection", "no connection"),
    ],
)
def test_what_the_console_says_in_one_line(found: object, text: str) -> None:
    assert about(found) == text


def test_events_and_answers_are_numbered_together() -> None:
    def one(topic: str, number: int) -> Received:
        return Received(0.0, topic, b'{"sequence": %d}' % number, False)

    told = [one("event", 1), one("res/restart/x", 2), one("metrics", 7), one("cmd/restart/x", 9), one("event", 3)]
    assert fleet.numbers(told) == [1, 2, 3]


def test_where_nobody_asked_no_request_is_counted() -> None:
    outcome = Outcome("fleet ls", "who?", None, None, 1.0, NOBODY)
    assert Loss(0, 0, 0.0) == NOBODY
    assert table([outcome])[1].split() == ["fleet", "ls", "-", "-", "1.00", "s", "-", "-", "ok"]
