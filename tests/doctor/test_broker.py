"""The examination of the broker against real mosquittos that are wrong in one way each."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edged.doctor import broker
from edged.doctor.finding import Finding
from edged.doctor.patient import Patient
from tests.fixtures.broker import Mosquitto, Reader, free_port, until

from .conftest import Admit, Authority

pytestmark = pytest.mark.broker
DAY = 86400.0
LAB = {
    "permissions": "ok", "permissions commands": "warn", "permissions others": "warn", "permissions reading": "skip",
    "permissions receiving": "skip",
}  # fmt: skip
LEFT = re.compile(r"edged-press-7-doctor-[0-9a-f]{8} disconnected")


def look(patient: Patient) -> dict[str, Finding]:
    return {finding.name: finding for finding in broker.look(patient)}


def verdicts(found: dict[str, Finding]) -> dict[str, str]:
    return {name.removeprefix("broker "): finding.verdict for name, finding in found.items()}


@pytest.fixture
def secured(new_broker: Callable[..., Mosquitto]) -> Callable[..., str]:
    """Starts a broker with this certificate and gives its URL."""

    def start(certificate: tuple[str, str], *lines: str) -> str:
        made = new_broker([f"certfile {certificate[0]}", f"keyfile {certificate[1]}", *lines])
        made.start()
        return made.url.replace("mqtt://", "mqtts://")

    return start


def test_a_broker_in_order_and_nothing_left_behind(
    broker: Mosquitto, read: Callable[..., Reader], examined: Admit
) -> None:
    reader = read()
    found = look(examined({"mqtt": {"url": broker.url}}))
    assert verdicts(found) == {"tcp": "ok", "mqtt": "ok"} | LAB
    until(lambda: LEFT.search(broker.log))
    late = read("edged/v1/#")
    late.publish("edged/v1/end", b"end")
    until(lambda: late.messages and reader.messages)
    for one in (reader, late):
        assert [topic for topic, _, _ in one.messages] == ["edged/v1/end"], "nothing is delivered, nothing retained"


def test_a_daemon_beside_it_stays_connected(broker: Mosquitto, examined: Admit) -> None:
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    daemon = Client(CallbackAPIVersion.VERSION2, "edged-press-7")
    daemon.connect("127.0.0.1", broker.port)
    daemon.loop_start()
    until(daemon.is_connected)
    assert verdicts(look(examined({"mqtt": {"url": broker.url}})))["mqtt"] == "ok"
    until(lambda: LEFT.search(broker.log))
    assert daemon.is_connected() and "Client edged-press-7 disconnected" not in broker.log
    daemon.disconnect()
    daemon.loop_stop()


def test_passwords_and_permissions(new_broker: Callable[..., Mosquitto], examined: Admit, tmp_path: Path) -> None:
    passwords, rules, secret = tmp_path / "passwords", tmp_path / "acl", tmp_path / "secret"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "press-7", "right"], check=True)
    rules.write_text("user press-7\ntopic readwrite edged/v1/press-7/app/#\n")
    for file in (passwords, rules):
        file.chmod(0o600)
    made = new_broker([f"password_file {passwords}", f"acl_file {rules}"], anonymous=False)
    made.start()
    patient = examined({"mqtt": {"url": made.url, "username": "press-7", "password_file": str(secret)}})

    secret.write_text("wrong-secret\n")
    refused = look(patient)["broker mqtt"]
    assert refused.verdict == "fail" and "refuses user 'press-7' with this password" in refused.text
    assert "mosquitto_passwd" in refused.fix and str(secret) in refused.fix and "wrong-secret" not in str(refused)

    secret.write_text("right\n")
    denied = look(patient)["broker permissions"]
    assert denied.verdict == "fail" and "alert (not authorized)" in denied.text and "status (" in denied.text
    assert "app (" not in denied.text and "config/mosquitto/edged.acl" in denied.fix

    rules.write_text("user press-7\ntopic readwrite edged/v1/press-7/#\n")
    made.restart()
    wide = look(patient)
    assert wide["broker permissions"].verdict == "ok" and wide["broker permissions commands"].verdict == "fail"

    stranger = look(examined({"mqtt": {"url": made.url}}))["broker mqtt"]
    assert stranger.verdict == "fail" and "without user name" in stranger.text

    secret.unlink()
    assert "cannot read" in look(patient)["broker mqtt"].text


def test_tls_in_order(secured: Callable[..., str], authority: Authority, examined: Admit) -> None:
    cert, key = authority.sign("device-a")
    url = secured(authority.sign("server-a"), f"cafile {authority.ca}", "require_certificate true")
    mqtt = {"url": url, "ca_file": authority.ca}
    found = look(examined({"mqtt": mqtt | {"cert_file": cert, "key_file": key}}))
    assert verdicts(found) == {
        "authority": "ok", "certificate": "ok", "key": "ok", "tcp": "ok", "tls": "ok", "server certificate": "ok",
        "mqtt": "ok", **LAB,
    }  # fmt: skip
    without = look(examined({"mqtt": mqtt}))["broker mqtt"]
    assert without.verdict == "fail" and "does not accept our certificate" in without.text
    assert "mqtt.cert_file" in without.fix


@pytest.mark.parametrize(
    ("days", "shift", "server", "text"),
    [
        (10, 0.0, "warn", "expires in 10 days"),
        (-1, 0.0, "fail", "has expired on"),
        (90, -2 * DAY, "fail", "is not valid before"),
        (90, 65 * DAY, "warn", "expires in 25 days"),
    ],
)
def test_ends_and_beginnings_of_the_servers_certificate(
    secured: Callable[..., str], authority: Authority, examined: Admit, days: int, shift: float, server: str, text: str
) -> None:
    url = secured(authority.sign(f"server{days}", days))
    patient = examined({"mqtt": {"url": url, "ca_file": authority.ca}})
    found = look(msgspec.structs.replace(patient, wall=lambda: time.time() + shift))
    told = found["broker server certificate"]
    assert (told.verdict, text in told.text) == (server, True), told
    assert found["broker tls"].verdict == ("fail" if days < 0 else "ok")


@pytest.mark.parametrize(
    ("days", "verdict", "text"), [(90, "ok", "(90 days)"), (10, "warn", "in 10 days"), (-1, "fail", "has expired")]
)
def test_our_own_certificate(authority: Authority, examined: Admit, days: int, verdict: str, text: str) -> None:
    cert, key = authority.sign(f"device{days}", days)
    mqtt = {"url": f"mqtts://127.0.0.1:{free_port()}", "ca_file": authority.ca, "cert_file": cert, "key_file": key}
    told = look(examined({"mqtt": mqtt}))["broker certificate"]
    assert (told.verdict, text in told.text) == (verdict, True), told


def test_files_that_cannot_be_used(secured: Callable[..., str], authority: Authority, examined: Admit) -> None:
    url = secured(authority.sign("server-b"))
    cert, _ = authority.sign("device-b")
    _, other = authority.sign("device-c")
    found = look(examined({"mqtt": {"url": url, "ca_file": authority.ca, "cert_file": cert, "key_file": other}}))
    assert "not that of the certificate" in found["broker key"].text
    assert found["broker tls"].verdict == "skip"
    not_one = look(examined({"mqtt": {"url": url, "ca_file": other}}))["broker authority"]
    assert not_one.verdict == "fail" and "no certificate" in not_one.text
    gone = look(examined({"mqtt": {"url": url, "ca_file": f"{cert}.gone"}}))["broker authority"]
    assert gone.verdict == "fail" and "No such file" in gone.text


def test_names_and_chains(secured: Callable[..., str], authority: Authority, examined: Admit, tmp_path: Path) -> None:
    url = secured(authority.sign("server-d"))
    by_name = look(examined({"mqtt": {"url": url.replace("127.0.0.1", "localhost"), "ca_file": authority.ca}}))
    assert by_name["broker tls"].verdict == "fail" and "ostname mismatch" in by_name["broker tls"].text
    assert "subjectAltName" in by_name["broker tls"].fix
    stranger = look(examined({"mqtt": {"url": url, "ca_file": Authority(tmp_path, "other").ca}}))["broker tls"]
    assert stranger.verdict == "fail" and "other.pem" in stranger.fix
    nobody = look(examined({"mqtt": {"url": url}}))["broker tls"]
    assert nobody.verdict == "fail" and nobody.fix.startswith("set mqtt.ca_file")


def test_plain_and_tls_mixed_up(
    broker: Mosquitto, secured: Callable[..., str], authority: Authority, examined: Admit
) -> None:
    plain = look(examined({"mqtt": {"url": broker.url.replace("mqtt:", "mqtts:"), "ca_file": authority.ca}}))
    assert plain["broker tls"].verdict == "fail" and "does not speak TLS" in plain["broker tls"].fix
    url = secured(authority.sign("server-e"))
    tls = look(examined({"mqtt": {"url": url.replace("mqtts:", "mqtt:")}}))["broker mqtt"]
    assert tls.verdict == "fail" and "mqtts://" in tls.fix


@pytest.mark.parametrize(
    ("url", "name", "text"),
    [
        ("mqtt://127.0.0.1:1", "broker tcp", "nobody listens on 127.0.0.1:1"),
        ("mqtt://broker.invalid", "broker dns", "'broker.invalid' is not found"),
    ],
)
def test_nobody_there(examined: Admit, url: str, name: str, text: str) -> None:
    found = list(look(examined({"mqtt": {"url": url}})).values())
    assert (found[-1].name, found[-1].verdict) == (name, "fail") and text in found[-1].text


@pytest.mark.parametrize("scheme", ["mqtt", "mqtts"])
def test_a_server_that_says_nothing_is_not_waited_for_long(examined: Admit, scheme: str, authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        began = time.monotonic()
        mqtt = {"url": f"{scheme}://127.0.0.1:{server.getsockname()[1]}"}
        if scheme == "mqtts":
            mqtt["ca_file"] = authority.ca
        last = list(look(examined({"mqtt": mqtt})).values())[-1]
    assert last.verdict == "fail" and time.monotonic() - began < 8.0, last


def test_no_broker_and_no_configuration(examined: Admit, tmp_path: Path) -> None:
    assert verdicts(look(examined())) == {"broker": "ok"}
    assert verdicts(look(examined({"sampling": {"every": "soon"}}))) == {"broker": "skip"}


@pytest.mark.parametrize(
    ("line", "verdict", "text", "fix"),
    [
        ("retain_available false", "fail", "the broker ended the connection: retain not supported", "retain_available"),
        ("max_qos 1", "skip", "takes no messages of QoS 2, only up to 1", "edged status"),
    ],
)
def test_a_broker_that_cannot_do_it(
    new_broker: Callable[..., Mosquitto], examined: Admit, line: str, verdict: str, text: str, fix: str
) -> None:
    made = new_broker([line])
    made.start()
    found = look(examined({"mqtt": {"url": made.url}}))
    told = found["broker permissions"]
    assert (told.verdict, text in told.text, fix in told.fix) == (verdict, True, True), told
    assert {found[f"broker permissions {what}"].verdict for what in ("commands", "others")} == {"skip"}


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"\x20\x02\x00\x01", "does not speak MQTT 5"),  # as MQTT 3 says it
        (b"\x20\x03\x00\x87\x00", "refuses a client without user name"),
        (b"\xe0\x02\x8e\x00", "device.id used twice"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 100, "unexpected answer"),
        (b"\x20\xff\xff\xff\xff\xff", "unexpected answer"),
        (b"\x20\x00", "unexpected answer"),
        (b"\x20\x05\x00\x00\x02\x99\x99", "unexpected answer"),
        (b"", "ended the connection"),
    ],
)
def test_odd_answers(examined: Admit, answer: bytes, text: str) -> None:
    def serve(server: socket.socket) -> None:
        for say in (b"", answer):  # once for the port, once for the visit
            connection, _ = server.accept()
            with connection:
                if say:
                    connection.recv(1000)
                connection.sendall(say)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        told = look(examined({"mqtt": {"url": f"mqtt://127.0.0.1:{server.getsockname()[1]}"}}))["broker mqtt"]
        thread.join(10.0)
    assert told.verdict == "fail" and text in told.text, told
