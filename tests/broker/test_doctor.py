"""`edged doctor` against the broker of a fleet: as it should be, and wrong in one way each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from edged.doctor import broker as examination
from edged.doctor.finding import Finding
from edged.doctor.patient import Patient, admit
from tests.fixtures.broker import until

from .conftest import Fleet
from .lab import FOLDER, FleetBroker, Papers, Peer

pytestmark = pytest.mark.broker
Connect = Callable[..., Peer]
Examine = Callable[..., dict[str, Finding]]
NAMES = ("permissions", "permissions commands", "permissions others", "permissions reading", "permissions receiving")
IN_ORDER = dict(zip(NAMES, ("ok", "ok", "ok", "ok", "skip"), strict=True))


@pytest.fixture
def doctor(fleet: Fleet, broker: FleetBroker, tmp_path: Path) -> Examine:
    """Looks at the broker from press-7, or with this device id and these papers."""

    def examine(device: str = "press-7", papers: Papers | None = None) -> dict[str, Finding]:
        shown = papers or fleet.press_7
        mqtt = {"url": broker.url, "ca_file": shown.ca, "cert_file": shown.certificate, "key_file": shown.key}
        file = tmp_path / "edged.yaml"
        file.write_text(yaml.safe_dump({"device": {"id": device}, "state_dir": str(tmp_path / "state"), "mqtt": mqtt}))
        patient: Patient = admit(file, lambda _: {}, run=tmp_path / "run", etc=tmp_path / "etc")
        return {one.name.removeprefix("broker "): one for one in examination.look(patient)}

    return examine


@pytest.fixture
def witness(fleet: Fleet, broker: FleetBroker, peer: Connect) -> Iterator[Peer]:
    """A console and both devices' readers: at the end none of them has seen anything of the examination."""
    console = peer(fleet.anna, "anna")
    console.listen("edged/v1/#")
    yield console
    assert console.write("edged/v1/press-7/cmd/end/end") < 128
    until(lambda: "edged/v1/press-7/cmd/end/end" in console.topics())
    assert [topic for topic in console.topics() if "doctor" in topic] == []
    assert not [payload for _, payload in console.messages if not payload], "no empty message"


def verdicts(found: dict[str, Finding]) -> dict[str, str]:
    return {name: found[name].verdict for name in NAMES}


def test_in_order_and_nobody_notices(fleet: Fleet, peer: Connect, doctor: Examine, witness: Peer) -> None:
    daemon, other = peer(fleet.press_7, "edged-press-7", expiry=3600), peer(fleet.press_8, "edged-press-8")
    daemon.listen("edged/v1/press-7/cmd/+/+")
    for device, name in ((daemon, "press-7"), (other, "press-8")):
        assert device.write(f"edged/v1/{name}/status", b"{}", retain=True) < 128
    found = doctor()
    assert verdicts(found) == IN_ORDER, found
    assert found["mqtt"].verdict == "ok" and "status, meta, app" in found["permissions"].text
    assert daemon.up and daemon.messages == []
    late = peer(fleet.anna, "late")
    late.listen("edged/v1/#")
    until(lambda: len(late.messages) == 2)
    assert sorted(late.topics()) == ["edged/v1/press-7/status", "edged/v1/press-8/status"], "nothing was retained"


WRONG = {
    # One line instead of another: (old, new, the finding it makes, words of that finding's text, words of its fix)
    "a device may write its commands": (
        "pattern read edged/v1/%u/cmd/#", "pattern readwrite edged/v1/%u/cmd/#",
        "permissions commands", "can write commands to itself", "pattern read edged/v1/%u/cmd/#",
    ),
    "everything below its own": (
        "pattern write edged/v1/%u/meta", "pattern readwrite edged/v1/%u/#",
        "permissions commands", "can write commands to itself", "no write or readwrite rule",
    ),
    "imitates": (
        "pattern write edged/v1/%u/meta", "pattern write edged/v1/+/alert/#\npattern write edged/v1/%u/meta",
        "permissions others", "can imitate other devices", "edged/v1/%u/",
    ),
    "commands others": (
        "pattern write edged/v1/%u/meta", "pattern write edged/v1/doctor.trial/cmd/#\npattern write edged/v1/%u/meta",
        "permissions others", "can command other devices", "edged/v1/%u/",
    ),
    "reads others": (
        "pattern write edged/v1/%u/meta", "pattern read edged/v1/+/status\npattern write edged/v1/%u/meta",
        "permissions reading", "the status of press-8 arrived", "pattern read edged/v1/%u/cmd/#",
    ),
    "no will": (
        "pattern write edged/v1/%u/status", "",
        "permissions", "status (not authorized), so it seems online for ever", "edged.acl",
    ),
    "no results": (
        "pattern write edged/v1/%u/res/+/+", "",
        "permissions", "res (not authorized)", "edged.acl",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_rule_that_is_wrong(
    fleet: Fleet, broker: FleetBroker, peer: Connect, doctor: Examine, witness: Peer, case: str
) -> None:
    old, new, name, text, fix = WRONG[case]
    assert peer(fleet.press_8, "edged-press-8").write("edged/v1/press-8/status", b"{}", retain=True) < 128
    rules = broker.rules.read_text()
    assert rules.splitlines().count(old) == 1
    broker.permit(rules.replace(f"\n{old}\n", f"\n{new}\n"))
    broker.reload()
    until(lambda: "Reloading config" in broker.log)
    found = doctor()
    assert verdicts(found) == IN_ORDER | {name: "fail"}, found
    assert text in found[name].text and fix in found[name].fix


def test_a_certificate_with_another_name_than_the_devices(fleet: Fleet, doctor: Examine, witness: Peer) -> None:
    found = doctor("press-7", fleet.press_8)
    assert verdicts(found) == IN_ORDER | {"permissions": "fail"}
    assert "status (not authorized)" in found["permissions"].text
    assert "CN = press-7" in found["permissions"].fix and fleet.press_8.certificate in found["permissions"].fix


def test_a_console_is_not_a_device(fleet: Fleet, doctor: Examine) -> None:
    found = doctor("press-7", fleet.anna)
    assert {name: found[name].verdict for name in NAMES[:3]} == dict.fromkeys(NAMES[:3], "fail")
    assert "can command other devices" in found["permissions others"].text


def test_a_broker_without_rules_is_a_lab(fleet: Fleet, broker: FleetBroker, peer: Connect, doctor: Examine) -> None:
    broker.permit("topic readwrite #\npattern readwrite #\n")
    broker.restart()
    alone = doctor()
    names = dict(zip(NAMES, ("ok", "warn", "warn", "skip", "skip"), strict=True))
    assert verdicts(alone) == names, alone
    assert peer(fleet.press_8, "edged-press-8").write("edged/v1/press-8/status", b"{}", retain=True) < 128
    found = doctor()
    assert verdicts(found) == names | {"permissions reading": "warn"}
    assert all("no access rules" in found[name].text for name in NAMES[1:4])
    assert str(FOLDER.name) in found["permissions commands"].fix


def test_one_client_id_for_all_is_noticed_before_anything_is_tried(
    fleet: Fleet, broker: FleetBroker, peer: Connect, doctor: Examine
) -> None:
    """With use_username_as_clientid the visit takes the daemon's place: its session and its commands must survive."""
    broker.stop()
    broker.configure(["use_username_as_clientid true"])
    broker.start()
    daemon = peer(fleet.press_7, "whatever", expiry=3600)
    daemon.listen("edged/v1/press-7/cmd/+/+")
    daemon.close()
    console = peer(fleet.anna, "anna")
    assert console.write("edged/v1/press-7/cmd/restart/1", b"order") < 128
    told = doctor()
    assert told["permissions"].verdict == "warn" and "the same client id" in told["permissions"].text
    assert "use_username_as_clientid false" in told["permissions"].fix and "permissions commands" not in told
    again = peer(fleet.press_7, "whatever", expiry=3600)
    assert again.session
    until(lambda: again.messages == [("edged/v1/press-7/cmd/restart/1", b"order")])


def test_small_brokers(broker: FleetBroker, doctor: Examine) -> None:
    broker.stop()
    broker.configure(["max_inflight_messages 5"])
    broker.start()
    found = doctor()
    assert found["permissions commands"].verdict == found["permissions others"].verdict == "ok"
    few = found["permissions"]
    assert few.verdict == "skip" and "takes only 5 messages at a time" in few.text and "event" in few.text
