"""Orders over a real broker: signed ones are carried out once, whatever ends; nothing else has any effect."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.fixtures.broker import Mosquitto, until
from tests.fixtures.console import Console, trust_file
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine
from tests.fixtures.orders import Sender, topic

pytestmark = [pytest.mark.engine, pytest.mark.broker]

Make = Callable[..., Edged]
OPS, BOSS = Sender(), Sender("boss", "admin", number=3)


@pytest.fixture
def daemon(engine: Engine, edged: Make, broker: Mosquitto) -> Edged:
    """Watches the app ``worker`` and takes commands."""
    engine.run("worker")
    made = edged()
    trust = trust_file(made.folder, OPS.key, BOSS.key)
    made.configure(
        {
            "device": {"id": "test-device", "labels": {"site": "a"}},
            "apps": {"worker": {"restart": {"backoff": "100ms", "stop_timeout": "1s"}}},
            "mqtt": {"url": broker.url},
            "commands": {"trust": trust},
        }
    )
    made.start()
    made.wait_state("worker", "healthy")
    return made


def test_a_restart_is_accepted_carried_out_and_answered_once(engine: Engine, daemon: Edged, console: Console) -> None:
    before = engine.pid("worker")
    identity = console.send(OPS, "restart", args={"app": "worker"})
    assert console.final(identity)["status"] == "succeeded"
    assert engine.pid("worker") != before
    answers = console.answers(identity)
    assert [a["status"] for a in answers] == ["accepted", "succeeded"]
    assert answers[0]["topic"] == f"edged/v1/test-device/res/restart/{identity}"
    assert answers[0]["request"]["key"] == "ops" and answers[0]["origin"] == "key:ops"


def test_what_is_not_signed_by_who_is_trusted_has_no_effect(engine: Engine, daemon: Edged, console: Console) -> None:
    before = engine.pid("worker")
    stranger = Sender("ops", number=7)
    identity = console.send(stranger, "restart", args={"app": "worker"})
    assert (console.final(identity)["status"], console.final(identity)["reason"]) == ("rejected", "bad_signature")
    identity = console.send(OPS, "edged.reload", args={})
    assert console.final(identity)["reason"] == "role"
    order = OPS.order("restart", "test-device", args={"app": "worker"})
    console.publish(topic(order, "test-device"), json.dumps(order).encode())
    assert console.final(order["id"])["reason"] == "not_signed"
    assert engine.pid("worker") == before
    refused = [e["data"]["code"] for e in daemon.events("commands.refused")]
    assert refused == ["bad_signature", "not_signed"]


def test_meta_says_what_can_be_asked_for(daemon: Edged, console: Console) -> None:
    def commands() -> dict[str, Any]:
        found = console.payloads("edged/v1/test-device/meta")
        return json.loads(found[-1])["commands"] if found else {}

    until(commands, what="meta with commands")
    assert commands()["restart"]["required"] == ["app"] and commands()["restart"]["role"] == "operator"


def test_orders_wait_for_a_device_that_is_away(engine: Engine, daemon: Edged, console: Console) -> None:
    daemon.stop()
    identity = console.send(OPS, "restart", args={"app": "worker"})
    before = engine.pid("worker")
    daemon.start()
    assert console.final(identity)["status"] == "succeeded" and engine.pid("worker") != before


def test_after_a_kill_there_is_one_result_and_no_second_restart(
    engine: Engine, daemon: Edged, console: Console, broker: Mosquitto
) -> None:
    identity = console.send(OPS, "restart", args={"app": "worker"})
    until(lambda: console.answers(identity), what="accepted")
    daemon.kill()
    daemon.start()
    assert console.final(identity)["status"] in ("succeeded", "failed")
    broker.restart()  # nothing that was acknowledged comes again
    again = console.send(OPS, "maintenance.set", args={"app": "worker", "on": True, "seconds": 5, "why": "x"})
    assert console.final(again)["status"] == "succeeded"
    finals = [a for a in console.answers(identity) if a["status"] not in ("accepted", "running")]
    assert len(finals) == 1


def test_a_key_is_revoked_from_afar_and_stays_so(daemon: Edged, console: Console) -> None:
    assert console.final(console.send(BOSS, "key.revoke", args={"id": "ops"}))["status"] == "succeeded"
    assert console.final(console.send(OPS, "restart", args={"app": "worker"}))["reason"] == "unknown_key"
    daemon.kill()
    daemon.start()
    assert console.final(console.send(OPS, "restart", args={"app": "worker"}))["reason"] == "unknown_key"
    last = console.final(console.send(BOSS, "key.revoke", args={"id": "boss"}))
    assert last["reason"] == "last_admin"


def test_a_bad_trust_file_is_refused_on_reload_and_closes_the_door_at_the_start(
    daemon: Edged, console: Console
) -> None:
    file = daemon.folder / "trust.yaml"
    good = file.read_text()
    file.write_text("keys: [{id: x, public: short, role: king}]")
    answer = daemon.command("edged.reload")
    assert answer["status"] == "failed" and "public" in answer["message"]
    assert console.final(console.send(OPS, "restart", args={"app": "worker"}))["status"] == "succeeded"
    daemon.stop()
    daemon.start()
    identity = console.send(OPS, "restart", args={"app": "worker"})
    assert console.final(identity)["reason"] == "disabled"
    assert daemon.status()["config"]["errors"]
    file.write_text(good)
    assert daemon.command("edged.reload")["status"] == "succeeded"
    assert console.final(console.send(OPS, "restart", args={"app": "worker"}))["status"] == "succeeded"
