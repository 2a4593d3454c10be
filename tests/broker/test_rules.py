"""The configuration of this repository in a real mosquitto: who may read and write what, and who gets in at all."""

from __future__ import annotations

import shutil
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fixtures.broker import until

from .conftest import Fleet
from .lab import FleetBroker, Papers, Peer, Refused

pytestmark = pytest.mark.broker
Connect = Callable[..., Peer]
DENIED = 135
RETAINED = ("status", "meta", "app/detector", "alert/DiskFull/%2F", "incident/17")
LIVE = ("metrics", "event", "res/restart/0b1c")
COMMAND = "cmd/restart/0b1c"


def base(device: str, topic: str) -> str:
    return f"edged/v1/{device}/{topic}"


def fence(console: Peer, device: Peer, name: str) -> None:
    """All that was passed on before this has arrived."""
    assert device.write(base(name, "event"), b"fence") < 128
    until(lambda: (base(name, "event"), b"fence") in console.messages, what="the fence")


def test_a_device_writes_all_its_topics_and_a_console_reads_them(fleet: Fleet, peer: Connect) -> None:
    device, console = peer(fleet.press_7, "edged-press-7"), peer(fleet.anna, "anna")
    console.listen("edged/v1/#")
    written = [base("press-7", topic) for topic in (*RETAINED, *LIVE)]
    for topic in written:
        assert device.write(topic, retain=not topic.endswith(LIVE)) == 0
    until(lambda: console.topics() == written)
    late = peer(fleet.anna, "late")
    late.listen("edged/v1/#")
    until(lambda: sorted(late.topics()) == sorted(base("press-7", topic) for topic in RETAINED))


def test_a_device_writes_nothing_else(fleet: Fleet, peer: Connect) -> None:
    device, console = peer(fleet.press_7, "edged-press-7"), peer(fleet.anna, "anna")
    console.listen("edged/v1/#")
    own = [base("press-7", topic) for topic in (COMMAND, "cmd/x", "cmd", "other", "status/x", "app", "app/a/b")]
    others = [base("press-8", topic) for topic in (*RETAINED, *LIVE, COMMAND)]
    for topic in (*own, *others, "edged/v1/status", "edged/v1", "else", "$SYS/broker/uptime", "features/press-7"):
        assert device.write(topic) == DENIED, topic
    fence(console, device, "press-7")
    assert console.topics() == [base("press-7", "event")]


def test_a_device_reads_its_commands_and_nothing_else(fleet: Fleet, peer: Connect) -> None:
    one, other, console = peer(fleet.press_7, "a"), peer(fleet.press_8, "b"), peer(fleet.anna, "anna")
    for device, name in ((one, "press-7"), (other, "press-8")):
        for topic in RETAINED:
            assert device.write(base(name, topic), retain=True) < 128
    assert console.write(base("press-8", "cmd/kept/1"), retain=True) < 128
    for topic_filter in ("#", "edged/v1/#", "edged/v1/+/status", "edged/v1/press-8/#", "edged/v1/+/cmd/#", "$SYS/#"):
        one.listen(topic_filter)  # accepted or not: what counts is what arrives
    one.listen("edged/v1/press-7/cmd/+/+")
    assert other.write(base("press-8", "event")) < 128
    assert console.write(base("press-8", COMMAND)) < 128
    assert console.write(base("press-7", COMMAND), b"mine") < 128
    until(lambda: one.messages)
    # mosquitto sends a message once for each subscription that it matches.
    assert set(one.messages) == {(base("press-7", COMMAND), b"mine")}


def test_a_console_writes_only_commands(fleet: Fleet, peer: Connect) -> None:
    console, device, watcher = peer(fleet.anna, "anna"), peer(fleet.press_7, "a"), peer(fleet.anna, "watcher")
    watcher.listen("edged/v1/#")
    assert watcher.write("edged/v1/press-7/cmd/restart/1", b"order") < 128
    for name in ("press-7", "console.anna"):
        for topic in (*RETAINED, *LIVE):
            assert console.write(base(name, topic)) == DENIED, (name, topic)
    assert console.write(base("console.anna", COMMAND)) == DENIED
    assert console.write("else") == DENIED
    fence(watcher, device, "press-7")
    assert watcher.messages[0] == ("edged/v1/press-7/cmd/restart/1", b"order") and len(watcher.messages) == 2


def test_the_last_will_is_passed_on(fleet: Fleet, peer: Connect) -> None:
    console = peer(fleet.anna, "anna")
    console.listen("edged/v1/#")
    peer(fleet.press_7, "edged-press-7", will=base("press-7", "status")).cut()
    until(lambda: console.messages == [(base("press-7", "status"), b"will")])
    peer(fleet.press_7, "edged-press-7", will=base("press-8", "status")).cut()
    device = peer(fleet.press_7, "again")
    fence(console, device, "press-7")
    assert base("press-8", "status") not in console.topics()


def test_strangers_do_not_get_in(fleet: Fleet, peer: Connect, broker: FleetBroker) -> None:
    nobody = Papers(fleet.server.ca)
    for who in (nobody, fleet.impostor, fleet.server):  # a broker's certificate is not one for a client
        with pytest.raises((Refused, OSError)):
            peer(who, "edged-press-7")
    with socket.create_connection(("127.0.0.1", broker.port), timeout=20.0) as plain:
        plain.sendall(b"\x10\x10\x00\x04MQTT\x05\x02\x00\x1e\x00\x00\x03abc")
        with suppress(ConnectionResetError):
            assert not plain.recv(100).startswith(b"\x20"), "no CONNACK"
    peer(fleet.press_7, "welcome")
    assert " as welcome" in broker.log and " as edged-press-7" not in broker.log and " as abc" not in broker.log


def test_a_device_knows_its_broker(fleet: Fleet, peer: Connect, broker: FleetBroker) -> None:
    """Neither another authority's broker nor a device with a valid certificate can pose as it."""
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        peer(fleet.press_7._replace(ca=str(fleet.strangers.folder / "ca.pem")), "x")
    broker.stop()
    broker.server = fleet.press_8
    broker.configure()
    broker.start()
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        peer(fleet.press_7, "x")


def test_a_user_name_counts_for_nothing(fleet: Fleet, peer: Connect) -> None:
    device = peer(fleet.press_7, "a", username="console.anna")
    assert device.write(base("press-8", COMMAND)) == DENIED
    assert device.write(base("press-7", "status")) < 128


def test_a_session_taken_over_gives_its_commands_to_nobody(fleet: Fleet, peer: Connect) -> None:
    """mosquitto knows a session by the client id alone: whoever guesses it ends it, but reads nothing."""
    device, console = peer(fleet.press_7, "edged-press-7", expiry=3600), peer(fleet.anna, "anna")
    device.listen("edged/v1/press-7/cmd/+/+")
    device.close()
    assert console.write(base("press-7", COMMAND), b"secret") < 128
    thief = peer(fleet.press_8, "edged-press-7", expiry=3600)
    assert thief.session
    thief.listen("edged/v1/press-8/cmd/+/+")
    assert console.write(base("press-7", COMMAND), b"another") < 128
    assert console.write(base("press-8", COMMAND), b"its own") < 128
    until(lambda: thief.messages)
    assert thief.messages == [(base("press-8", COMMAND), b"its own")]


def test_a_stolen_device_is_shut_out_by_a_reload(fleet: Fleet, peer: Connect, broker: FleetBroker) -> None:
    device, other = peer(fleet.press_7, "a"), peer(fleet.press_8, "b")
    assert device.write(base("press-7", "event")) < 128
    broker.permit(broker.rules.read_text() + "\nuser press-7\ntopic deny #\n")
    broker.reload()
    until(lambda: device.write(base("press-7", "event")) == DENIED, what="the new rules")
    assert other.write(base("press-8", "event")) < 128


def test_a_console_sees_all_of_a_large_fleet(fleet: Fleet, peer: Connect, broker: FleetBroker) -> None:
    """With mosquitto's usual 1,000 messages in a queue it would see a part, and be told nothing of it."""
    device = peer(fleet.press_7, "a")
    for number in range(3000):
        device._client.publish(base("press-7", f"app/{number}"), b"{}", qos=1, retain=True)
    assert device.write(base("press-7", "status"), retain=True) < 128
    console = peer(fleet.anna, "anna")
    console.listen("edged/v1/+/app/+")
    until(lambda: len(console.messages) == 3000, 30.0, "everything retained")


def test_what_was_queued_and_retained_survives_a_restart(fleet: Fleet, peer: Connect, broker: FleetBroker) -> None:
    device, console = peer(fleet.press_7, "a", expiry=3600), peer(fleet.anna, "anna")
    device.listen("edged/v1/press-7/cmd/+/+")
    assert device.write(base("press-7", "status"), retain=True) < 128
    device.close()
    assert console.write(base("press-7", COMMAND), b"order") < 128
    broker.restart()
    again, late = peer(fleet.press_7, "a", expiry=3600), peer(fleet.anna, "late")
    until(lambda: again.messages == [(base("press-7", COMMAND), b"order")])
    late.listen("edged/v1/#")
    until(lambda: late.topics() == [base("press-7", "status")])


def test_a_message_that_is_too_large_ends_only_its_own_connection(fleet: Fleet, peer: Connect) -> None:
    device, other = peer(fleet.press_7, "a"), peer(fleet.press_8, "b")
    assert device.write(base("press-7", "event"), b"x" * 900_000) < 128
    device._client.publish(base("press-7", "event"), b"x" * 1_100_000, qos=1)
    until(lambda: not device.up)
    assert other.write(base("press-8", "event")) < 128


def test_a_renewed_certificate_needs_only_a_reload(fleet: Fleet, broker: FleetBroker, tmp_path: Path) -> None:
    def served() -> str:
        return ssl.get_server_certificate(("127.0.0.1", broker.port), ca_certs=fleet.server.ca, timeout=20.0)

    broker.stop()
    own = Papers(fleet.server.ca, *(str(shutil.copy(one, tmp_path)) for one in fleet.server[1:]))
    broker.server = own
    broker.configure()
    broker.start()
    before = served()
    renewed = fleet.renewed
    shutil.copy(renewed.certificate, own.certificate)
    shutil.copy(renewed.key, own.key)
    assert served() == before
    broker.reload()
    until(lambda: served() != before, what="the new certificate")
