"""The MQTT connection against a real mosquitto, and against things that only look like a broker."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edged.adapters.mqtt import PahoBroker
from edged.adapters.mqtt_tls import tls_context
from edged.config.model import Mqtt
from edged.ports import Message, Refused, Unreachable
from tests.fixtures.broker import Mosquitto, Reader, until
from tests.fixtures.openssl import valid_for
from tests.fixtures.patience import PATIENCE

pytestmark = pytest.mark.broker

STATUS = "edged/v1/press-7/status"
WILL = Message(STATUS, b"offline", retain=True)
QUICK = (0.02, 0.1)


class Client:
    """A ``PahoBroker`` and what it told."""

    def __init__(self, url: str, **options: Any) -> None:
        extra = {key: options.pop(key) for key in ("subscriptions", "connect_timeout", "backoff") if key in options}
        self.connections: list[tuple[int, bool, int]] = []
        self.reasons: list[str] = []
        self.unfit: list[bool] = []
        self.answers: list[tuple[int, int, str]] = []
        self.messages: list[tuple[str, bytes, int, bool]] = []
        self.broker = PahoBroker(
            Mqtt(url=url, **options),
            "press-7",
            WILL,
            lambda *told: self.connections.append(told),
            lambda reason, unfit: (self.reasons.append(reason), self.unfit.append(unfit)),
            lambda *told: self.answers.append(told),
            lambda *told: self.messages.append(told),
            **{"backoff": QUICK, **extra},
        )
        self.broker.start()

    def connected(self, times: int = 1) -> int:
        until(lambda: len(self.connections) >= times, what=f"a connection; reasons: {self.reasons}")
        return self.connections[-1][0]

    def failed(self, text: str) -> None:
        until(lambda: any(text in reason for reason in self.reasons), what=f"{text!r} among {self.reasons}")


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def make(url: str, **options: Any) -> Client:
        made.append(Client(url, **options))
        return made[-1]

    yield make
    for one in made:
        one.broker.stop(None, 2.0)
        assert not one.broker.alive


@pytest.fixture
def fake_broker() -> Iterator[Callable[[bytes], str]]:
    """TCP servers that read everything and answer each connection with the given bytes, once."""
    servers: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(server: socket.socket, answer: bytes) -> None:
        taken = []
        try:
            while True:
                connection, _ = server.accept()
                taken.append(connection)
                connection.recv(4096)
                connection.sendall(answer)
        except OSError:
            for connection in taken:
                connection.close()

    def make(answer: bytes) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)
        threads.append(threading.Thread(target=serve, args=(server, answer)))
        threads[-1].start()
        return f"mqtt://127.0.0.1:{server.getsockname()[1]}"

    yield make
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
    for thread in threads:
        thread.join(5.0)


CONNACK = bytes([0x20, 3, 0, 0, 0])


def test_publishes_and_is_told_of_the_acknowledgement(
    broker: Mosquitto, read: Callable[..., Reader], connect: Callable[..., Client]
) -> None:
    reader = read()
    client = connect(broker.url)
    connection = client.connected()
    assert client.connections == [(connection, False, 19)]  # mosquitto bears 20 by default, one is kept free
    sent = client.broker.publish(Message("edged/v1/press-7/event", b"hello"), connection)
    until(lambda: client.answers)
    assert client.answers[0][0] == sent
    assert client.answers[0][1] < 128
    until(lambda: reader.payloads("edged/v1/press-7/event") == [b"hello"])
    client.broker.publish(Message("kind", b"{}", content_type="application/json"), connection)
    until(lambda: ("kind", "application/json") in reader.kinds)
    assert ("edged/v1/press-7/event", "") in reader.kinds
    with pytest.raises(Unreachable):
        client.broker.publish(Message("x", b""), connection + 1)
    with pytest.raises(Refused):
        client.broker.publish(Message("not/#/a/topic", b""), connection)


def test_comes_back_by_itself_and_numbers_its_connections(broker: Mosquitto, connect: Callable[..., Client]) -> None:
    client = connect(broker.url)
    first = client.connected()
    sent = {client.broker.publish(Message("t", b"1"), first)}
    until(lambda: client.answers)
    broker.restart()
    second = client.connected(2)
    assert second > first
    assert client.connections[-1][1], "the session outlives the connection and mosquitto's restart"
    with pytest.raises(Unreachable):
        client.broker.publish(Message("t", b"2"), first)
    sent.add(client.broker.publish(Message("t", b"2"), second))
    until(lambda: len(client.answers) == 2)
    assert {answer[0] for answer in client.answers} == sent
    assert len(sent) == 2, "ids of different connections differ"


def test_nothing_of_an_old_connection_is_sent_again(
    broker: Mosquitto, read: Callable[..., Reader], connect: Callable[..., Client]
) -> None:
    client = connect(broker.url)
    connection = client.connected()
    broker.freeze()
    for n in range(10):
        client.broker.publish(Message("edged/v1/press-7/event", b"%d" % n), connection)
    broker.kill()
    broker.start()
    reader = read()
    connection = client.connected(2)
    client.broker.publish(Message("edged/v1/press-7/event", b"new"), connection)
    until(lambda: reader.payloads("edged/v1/press-7/event"))
    assert reader.payloads("edged/v1/press-7/event") == [b"new"]


def test_commands_sent_meanwhile_arrive(
    broker: Mosquitto, read: Callable[..., Reader], connect: Callable[..., Client]
) -> None:
    client = connect(broker.url, subscriptions=("edged/v1/press-7/cmd/#",))
    client.connected()
    console = read("nothing")
    console.publish("edged/v1/press-7/cmd/restart/1", b"now")
    until(lambda: client.messages)
    client.broker.acknowledge(client.messages[0][2])
    until(lambda: "Received PUBACK from edged-press-7" in broker.log)
    client.broker.stop(None, 2.0)
    console.publish("edged/v1/press-7/cmd/restart/2", b"later")
    again = connect(broker.url, subscriptions=("edged/v1/press-7/cmd/#",))
    until(lambda: again.messages)
    assert [one[:2] for one in client.messages + again.messages] == [
        ("edged/v1/press-7/cmd/restart/1", b"now"),
        ("edged/v1/press-7/cmd/restart/2", b"later"),
    ]


def test_what_was_not_acknowledged_comes_again_and_says_so(
    broker: Mosquitto, read: Callable[..., Reader], connect: Callable[..., Client]
) -> None:
    options = {"subscriptions": ("edged/v1/press-7/cmd/#",)}
    client = connect(broker.url, **options)
    client.connected()
    read("nothing").publish("edged/v1/press-7/cmd/restart/1", b"now")
    until(lambda: client.messages)
    client.broker.drop(1, "test")
    until(lambda: len(client.messages) == 2, what="the message once more")
    (_, _, first, before), (_, data, second, again) = client.messages
    assert (before, again, data) == (False, True, b"now") and first != second
    client.broker.acknowledge(first)  # of a connection that is gone: nothing happens
    client.broker.acknowledge(second)
    until(lambda: "Received PUBACK from edged-press-7" in broker.log)
    client.broker.stop(None, 2.0)
    third = connect(broker.url, **options)
    third.connected()
    read("nothing").publish("edged/v1/press-7/cmd/restart/2", b"next")
    until(lambda: third.messages)
    assert third.messages[0][1] == b"next"


def test_a_message_without_a_receipt_does_no_harm(
    broker: Mosquitto, read: Callable[..., Reader], connect: Callable[..., Client]
) -> None:
    client = connect(broker.url, subscriptions=("edged/v1/press-7/cmd/#",))
    client.connected()
    console = read("nothing")
    console._client.publish("edged/v1/press-7/cmd/restart/1", b"at QoS 0", qos=0)
    until(lambda: client.messages)
    client.broker.acknowledge(client.messages[0][2])
    console.publish("edged/v1/press-7/cmd/restart/2", b"still there")
    until(lambda: len(client.messages) == 2)
    assert client.reasons == [] and len(client.connections) == 1


def test_a_failing_callback_does_not_end_the_connection(
    broker: Mosquitto, connect: Callable[..., Client], caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(broker.url)
    connection = client.connected()
    calls: list[int] = []

    def fail(*told: Any) -> None:
        calls.append(told[0])
        raise RuntimeError("a bug")

    client.broker._listener.on_ack = fail
    for _ in range(3):
        client.broker.publish(Message("t", b""), connection)
    until(lambda: len(calls) == 3)
    assert client.broker.callback_errors == 3
    assert "a bug" in caplog.text
    assert client.broker.alive
    assert client.reasons == []


_WITH_WILL = """
import sys, time
from tests.adapters.test_mqtt import Client, Message, STATUS
client = Client(sys.argv[1])
client.broker.publish(Message(STATUS, b"online", retain=True), client.connected())
while not client.answers:
    time.sleep(0.01)
print("online", flush=True)
time.sleep(100)
"""


def test_the_will_tells_of_a_killed_process(broker: Mosquitto, read: Callable[..., Reader]) -> None:
    reader = read(STATUS)
    process = subprocess.Popen(
        [sys.executable, "-c", _WITH_WILL, broker.url], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"online\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    until(lambda: reader.payloads(STATUS) == [b"online", b"offline"])
    late = read(STATUS)
    until(lambda: late.messages)
    assert late.messages == [(STATUS, b"offline", True)]


def test_an_orderly_stop_publishes_the_last_word_and_no_will(
    broker: Mosquitto, read: Callable[..., Reader], connect: Callable[..., Client]
) -> None:
    reader = read(STATUS)
    client = connect(broker.url)
    client.connected()
    client.broker.stop(Message(STATUS, b"stopping", retain=True), 5.0)
    assert not client.broker.alive
    assert client.reasons == ["stopped"]
    until(lambda: "edged-press-7 disconnected" in broker.log)
    until(lambda: reader.payloads(STATUS))
    assert reader.payloads(STATUS) == [b"stopping"]


def test_a_stop_never_waits_for_a_frozen_broker(broker: Mosquitto, connect: Callable[..., Client]) -> None:
    client = connect(broker.url)
    client.connected()
    broker.freeze()
    began = time.monotonic()
    client.broker.stop(WILL, 0.5)
    assert time.monotonic() - began < PATIENCE
    assert not client.broker.alive


def test_a_frozen_broker_is_noticed(broker: Mosquitto, connect: Callable[..., Client]) -> None:
    client = connect(broker.url, keepalive=1.0, connect_timeout=0.3)
    client.connected()
    broker.freeze()
    client.failed("the broker has not answered for 1 s")
    client.failed("said nothing")  # the kernel still accepts connections for it
    broker.thaw()
    client.connected(2)


def test_publishing_to_a_frozen_broker_does_not_block(broker: Mosquitto, connect: Callable[..., Client]) -> None:
    client = connect(broker.url)
    connection = client.connected()
    broker.freeze()
    began = time.monotonic()
    for _ in range(200):  # more than the sockets' buffers take
        client.broker.publish(Message("t", b"x" * 100_000), connection)
    assert time.monotonic() - began < PATIENCE
    client.broker.drop(connection, "enough")
    client.failed("enough")


def test_a_wrong_password_is_said_and_not_tried_in_a_hurry(
    new_broker: Callable[..., Mosquitto], connect: Callable[..., Client], tmp_path: Path
) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "press-7", "right"], check=True)
    passwords.chmod(0o600)
    broker = new_broker([f"password_file {passwords}"], anonymous=False)
    broker.start()
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    client = connect(broker.url, username="press-7", password_file=str(secret))
    client.failed("refuses user 'press-7' with this password")
    assert "wrong" not in " ".join(client.reasons)
    pauses = [client.broker._pause(failures, refused=True) for failures in range(1, 50)]
    assert min(pauses) >= QUICK[1] / 2
    secret.write_text("right\n")  # taken without a restart
    client.connected()
    assert connect(broker.url).failed("without user name") is None


def test_pauses_grow_and_are_random(connect: Callable[..., Client]) -> None:
    client = connect("mqtt://127.0.0.1:1")
    client.failed("nobody listens on 127.0.0.1:1")
    client.broker._backoff = (1.0, 60.0)
    for failures, most in ((0, 2.0), (1, 4.0), (4, 32.0), (10, 60.0), (10**6, 60.0)):
        pauses = {client.broker._pause(failures, refused=False) for _ in range(50)}
        assert len(pauses) > 10
        assert min(pauses) >= 1.0
        assert max(pauses) <= most


def test_a_denied_message_is_told_by_its_reason_code(
    new_broker: Callable[..., Mosquitto], connect: Callable[..., Client], tmp_path: Path
) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic readwrite allowed/#\n")
    rules.chmod(0o600)
    broker = new_broker([f"acl_file {rules}"])
    broker.start()
    client = connect(broker.url)
    connection = client.connected()
    allowed = client.broker.publish(Message("allowed/x", b""), connection)
    denied = client.broker.publish(Message("denied/x", b""), connection)
    until(lambda: len(client.answers) == 2)
    answers = {answer[0]: answer[1:] for answer in client.answers}
    assert answers[denied] == (135, "Not authorized")
    assert answers[allowed][0] < 128


def test_a_server_that_says_nothing(fake_broker: Callable[[bytes], str], connect: Callable[..., Client]) -> None:
    client = connect(fake_broker(b""), connect_timeout=0.2)
    client.failed("the broker accepted the connection but said nothing for 0.2 s")


def test_a_server_that_says_what_is_not_mqtt(
    fake_broker: Callable[[bytes], str], connect: Callable[..., Client]
) -> None:
    client = connect(fake_broker(b"HTTP/1.1 400 Bad Request\r\n\r\n"), connect_timeout=0.5)
    until(lambda: len(client.reasons) >= 3)
    assert client.connections == []
    assert client.broker.alive


def test_a_broker_that_takes_small_messages_only(
    fake_broker: Callable[[bytes], str], connect: Callable[..., Client]
) -> None:
    properties = bytes([0x27, 0, 0, 4, 0, 0x21, 0, 5])  # maximum packet size 1024, receive maximum 5
    connack = bytes([0x20, 3 + len(properties), 0, 0, len(properties), *properties])
    client = connect(fake_broker(connack))
    connection = client.connected()
    assert client.connections[0][2] == 4
    with pytest.raises(Refused, match="larger than the broker takes"):
        client.broker.publish(Message("t", b"x" * 1024), connection)
    client.broker.publish(Message("t", b"x" * 900), connection)


def test_an_unknown_name_and_a_missing_file(connect: Callable[..., Client], tmp_path: Path) -> None:
    connect("mqtt://broker.invalid:1883").failed("the name 'broker.invalid' cannot be resolved")
    gone = str(tmp_path / "gone")
    connect("mqtt://127.0.0.1:1", username="u", password_file=gone).failed(f"cannot read {gone}")
    connect("mqtts://127.0.0.1:1", ca_file=gone).failed("no connection")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name in ("ca", "other"):
        openssl("req", "-x509", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "device"):
        openssl("req", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(
            "x509",
            "-req",
            "-in",
            f"{name}.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-out",
            f"{name}.pem",
            "-days",
            "2",
            "-extfile",
            "names",
        )
    openssl("ec", "-in", "device.key", "-out", "locked.key", "-aes128", "-passout", "pass:secret")
    return folder


def test_tls_with_client_certificates(
    new_broker: Callable[..., Mosquitto], connect: Callable[..., Client], certificates: Path
) -> None:
    c = {name: str(certificates / name) for name in ("ca.pem", "other.pem", "device.pem", "device.key", "locked.key")}
    broker = new_broker(
        [
            f"cafile {c['ca.pem']}",
            f"certfile {certificates / 'server.pem'}",
            f"keyfile {certificates / 'server.key'}",
            "require_certificate true",
        ]
    )
    broker.start()
    url = broker.url.replace("mqtt://", "mqtts://")
    device = {"cert_file": c["device.pem"], "key_file": c["device.key"]}

    client = connect(url, ca_file=c["ca.pem"], **device)
    connection = client.connected()
    for n in range(100):
        client.broker.publish(Message("t", b"x" * 50 * n), connection)
    until(lambda: len(client.answers) == 100)
    client.broker.stop(None, 2.0)

    # A client id belongs to one client at a time, so one after the other.
    for options, reason in (
        ({"ca_file": c["other.pem"], **device}, "certificate of 127.0.0.1"),
        ({"ca_file": c["ca.pem"]}, "connection lost: "),
        ({"ca_file": c["ca.pem"], **device, "key_file": c["locked.key"]}, "TLS"),
    ):
        wrong = connect(url, **options)
        wrong.failed(reason)
        assert wrong.connections == []
        wrong.broker.stop(None, 2.0)
    by_name = connect(url.replace("127.0.0.1", "localhost"), ca_file=c["ca.pem"], **device)
    by_name.failed("Hostname mismatch")
    by_name.broker.stop(None, 2.0)
    plain = connect(broker.url, connect_timeout=0.5)
    until(lambda: plain.reasons)
    assert plain.connections == []


def test_an_expired_certificate_is_said_with_the_date_of_the_device(
    new_broker: Callable[..., Mosquitto], connect: Callable[..., Client], certificates: Path
) -> None:
    signed = ["openssl", "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "99"]
    signed += ["-out", "expired.pem", *valid_for(-1), "-extfile", "names"]
    subprocess.run(signed, cwd=certificates, check=True, capture_output=True)
    broker = new_broker([f"certfile {certificates / 'expired.pem'}", f"keyfile {certificates / 'server.key'}"])
    broker.start()
    client = connect(broker.url.replace("mqtt://", "mqtts://"), ca_file=str(certificates / "ca.pem"))
    client.failed("certificate has expired; it is 20")
    assert client.connections == []


def test_a_hint_that_the_reason_is_gone_ends_the_pause(
    new_broker: Callable[..., Mosquitto], connect: Callable[..., Client]
) -> None:
    broker = new_broker()
    client = connect(broker.url, backoff=(60.0, 60.0))
    client.failed("nobody listens")
    broker.start()
    client.broker.hurry()
    client.connected()


def test_only_modern_tls(certificates: Path) -> None:
    context = tls_context(Mqtt(url="mqtts://x", ca_file=str(certificates / "ca.pem")))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
