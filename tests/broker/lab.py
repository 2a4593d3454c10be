"""A fleet's broker: mosquitto with the configuration of this repository, and certificates from scripts/pki."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edged.adapters.mqtt_tls import tls_context
from edged.config.model import Mqtt
from tests.fixtures.broker import Mosquitto, until
from tests.fixtures.engine import REPO

FOLDER = REPO / "config/mosquitto"
PKI = REPO / "scripts/pki"
_properties: Any = Properties  # its constructor has no types


def pki(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(PKI), *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    return done


class Papers(NamedTuple):
    """What one end shows the other."""

    ca: str
    certificate: str = ""
    key: str = ""


class Authority:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        pki("init", str(folder))

    def server(self, *words: str) -> Papers:
        pki("server", str(self.folder), *words)
        return self.papers("servers", words[0])

    def device(self, name: str) -> Papers:
        pki("device", str(self.folder), name)
        return self.papers("devices", name)

    def console(self, name: str) -> tuple[Papers, str]:
        """And its lines for the access rules."""
        done = pki("console", str(self.folder), name)
        return self.papers("consoles", name), done.stdout

    def papers(self, kind: str, name: str) -> Papers:
        return Papers(
            str(self.folder / "ca.pem"), *(str(self.folder / kind / f"{name}.{end}") for end in ("pem", "key"))
        )


class FleetBroker(Mosquitto):
    """Nothing but paths and the port differ from what the comments in edged.conf install."""

    def __init__(self, folder: Path, server: Papers, consoles: str) -> None:
        self.server = server
        self.rules = folder / "edged.acl"
        self._consoles = consoles
        super().__init__(folder, anonymous=False)

    def configure(self, lines: Sequence[str] = (), *, anonymous: bool = False) -> None:
        """``lines``: put into edged.conf in the place of those that begin with the same word."""
        assert not anonymous
        included = self._folder / "conf.d"
        included.mkdir(exist_ok=True)
        # /etc/mosquitto/mosquitto.conf of Debian, and nobody else to become: the files are root's here.
        main = [
            "user root", f"pid_file {self._folder}/pid", "persistence true", f"persistence_location {self._folder}/",
            f"log_dest file {self._folder}/log", "log_type all", f"include_dir {included}",
        ]  # fmt: skip
        self._config.write_text("\n".join([*main, ""]))
        text = (FOLDER / "edged.conf").read_text()
        for old, new in {
            "listener 8883": f"listener {self.port} 127.0.0.1",
            "cafile /etc/mosquitto/ca_certificates/edged-ca.pem": f"cafile {self.server.ca}",
            "certfile /etc/mosquitto/certs/edged.pem": f"certfile {self.server.certificate}",
            "keyfile /etc/mosquitto/certs/edged.key": f"keyfile {self.server.key}",
            "acl_file /etc/mosquitto/edged.acl": f"acl_file {self.rules}",
        }.items():
            text = replaced(text, old, new)
        for line in lines:
            was = [old for old in text.splitlines() if old.split(" ")[0] == line.split(" ")[0]]
            text = replaced(text, was[0], line)
        (included / "edged.conf").write_text(text)
        self.permit((FOLDER / "edged.acl").read_text() + self._consoles)

    def permit(self, rules: str) -> None:
        self.rules.write_text(rules)
        self.rules.chmod(0o600)

    @property
    def url(self) -> str:
        return f"mqtts://127.0.0.1:{self.port}"


def replaced(text: str, old: str, new: str) -> str:
    """One whole line by another."""
    assert text.splitlines().count(old) == 1, old
    return "\n".join(new if line == old else line for line in text.splitlines()) + "\n"


class Peer:
    """A client with these papers. Raises ``Refused`` when it is not let in."""

    def __init__(
        self, broker: Mosquitto, papers: Papers, client_id: str, *, will: str = "", expiry: int = 0, username: str = ""
    ) -> None:  # fmt: skip
        self.messages: list[tuple[str, bytes]] = []
        self.session = False
        self._codes: dict[int, int] = {}
        self._said = threading.Event()
        self._reason: Any = "no answer"
        self._client = client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5)
        shown = Mqtt(url=broker.url, ca_file=papers.ca, cert_file=papers.certificate, key_file=papers.key)
        client.tls_set_context(tls_context(shown))
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_message = self._take
        client.on_publish = lambda _client, _data, mid, code, _properties: self._codes.update({mid: code.value})
        client.on_subscribe = lambda _client, _data, mid, codes, _properties: self._codes.update({mid: codes[0].value})
        if username:
            client.username_pw_set(username, "anything")
        if will:
            client.will_set(will, b"will", qos=1, retain=True)
        properties: Any = _properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = expiry
        client.connect("127.0.0.1", broker.port, clean_start=False, properties=properties)
        client.loop_start()
        assert self._said.wait(20.0)
        if self._reason:
            client.loop_stop()
            raise Refused(str(self._reason))

    def _connected(self, _client: Client, _data: object, flags: Any, code: Any, _properties: object) -> None:
        self.session = bool(flags.session_present)
        self._reason = code if code.is_failure else ""
        self._said.set()

    def _disconnected(self, client: Client, _data: object, _flags: object, code: Any, _properties: object) -> None:
        if not self._said.is_set():
            self._reason = code
            self._said.set()
        client.disconnect()  # and does not come back

    def _take(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.messages.append((message.topic, bytes(message.payload)))

    @property
    def up(self) -> bool:
        return self._client.is_connected()

    def write(self, topic: str, payload: bytes = b"x", *, retain: bool = False) -> int:
        """Publishes with QoS 1 and returns the reason code."""
        number = self._client.publish(topic, payload, qos=1, retain=retain).mid
        until(lambda: number in self._codes, 20.0, f"the answer for {topic}")
        return self._codes[number]

    def listen(self, topic_filter: str) -> int:
        """Subscribes and returns the reason code, when all that is retained has come."""
        _, number = self._client.subscribe(topic_filter, qos=1)
        assert number is not None
        until(lambda: number in self._codes, 20.0, f"the answer for {topic_filter}")
        return self._codes[number]

    def topics(self) -> list[str]:
        return [topic for topic, _ in list(self.messages)]

    def cut(self) -> None:
        """Without a goodbye."""
        opened: Any = self._client.socket()
        opened.close()
        self._client.loop_stop()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Refused(Exception):
    """The broker does not let this client in."""
