"""No recording holds a secret."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edged.config import Config
from edged.config.load import load
from edged.flight.secrets import clean
from edged.flight.segment import Segment, config_of, config_picture
from edged.judge import judge
from edged.vocabulary import facts
from edged.vocabulary.state import State
from edged.vocabulary.trust import Order
from edged.vocabulary.world import Container

from .recording import recorded

REPO = Path(__file__).resolve().parents[2]
SECRET = "hunter2hunter2"
TEXT = f"mqtt: {{url: 'mqtts://b', password: {SECRET}}}"


@pytest.mark.parametrize(
    "tree",
    [
        {"mqtt": {"password": SECRET}},
        {"labels": {"com.example.db-password": SECRET}},
        {"labels": {"API_KEY": SECRET}},
        {"http": f"http://me:{SECRET}@127.0.0.1/health"},
        {"url": f"https://example/metrics?x=1&token={SECRET}"},
        {"type": "CheckConfig", "text": TEXT},
        {"type": "edged.config.deploy", "args": {"config": TEXT}},
        {"order": {"type": "edged.config.deploy", "args": {"config": TEXT, "hold": 3.0}}},
        {"errors": [f"mqtt://me:{SECRET}@broker: no answer"]},
    ],
)
def test_it_is_hidden(tree: dict[str, object]) -> None:
    assert SECRET not in str(clean(tree))
    assert "***" in str(clean(tree))


def test_what_is_no_secret_stays() -> None:
    tree = {
        "password_file": "/etc/edged/mqtt.password", "url": "http://127.0.0.1:8080/a?b=c", "tokens": 3.5,
        "labels": {"edged.app": "x"}, "password": "", "none": None, "list": [1, True, -0.5],
    }  # fmt: skip
    assert clean(tree) == tree


def test_orders_labels_and_configurations_come_without_theirs(tmp_path: Path) -> None:
    order = Order(
        id="1", type="edged.config.deploy", device="d", args={"config": TEXT}, issued="", expires="", counter=1
    )
    labels = {"edged.health.http": f"http://me:{SECRET}@127.0.0.1/", "DB_PASSWORD": SECRET}
    container = Container(id="c", name="c", status="running", labels=labels | {"edged.enable": "true"})
    seen = [
        facts.ContainersListed(at=1.0, containers=(container,)),
        facts.ContainersListed(at=2.0, containers=(msgspec.structs.replace(container, labels=labels),)),
        facts.CommandReceived(at=3.0, id="2", type="edged.config.deploy", args={"config": TEXT}, origin="local"),
        facts.OrderReceived(
            at=4.0, wall=0.0, topic_type="", topic_id="", key="k", public="", digest="", order=order
        ),
    ]  # fmt: skip
    file = tmp_path / "edged.yaml"
    file.write_text(f"mqtt: {{url: 'mqtt://b', username: me, password: {SECRET}}}\n")
    config = load(file, {}).config
    heard, state = [], State()
    for fact in seen:
        judged = judge(state, fact, config, fact.at)
        heard.append((fact.at, fact, config, state, judged))
        state = judged.state
    files = recorded(tmp_path / "flight", heard)
    assert config.mqtt is not None and config.mqtt.password == SECRET
    segment = Segment(files[0][1])
    turns = list(segment.turns())
    told = str([segment.head, segment.config, segment.state, turns])
    assert SECRET not in told and "DB_PASSWORD" in told and "***" in told
    assert len(turns) == len(seen)


def test_a_configuration_is_read_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REPO", "MQTT_PASSWORD"):
        monkeypatch.setenv(name, "x")
    config = load(REPO / "config" / "edged.yaml", {"STATE_DIRECTORY": "/var/lib/edged"}, "press-7").config
    tree = msgspec.msgpack.decode(msgspec.msgpack.encode(config_picture(config)))
    seen = config_of(tree)
    assert seen.apps == config.apps and seen.host == config.host and seen.apps
    assert config_of(config_picture(Config())) == Config()
