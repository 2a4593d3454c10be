"""The console's verbs and the real daemon, over the fleet's own broker set-up: TLS, certificates, access rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.broker.lab import Authority, FleetBroker
from tests.fixtures.broker import Mosquitto
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine
from tests.fixtures.fleet_device import TRUST, key_file
from tests.fleet.conftest import Verbs


@pytest.mark.engine
@pytest.mark.broker
def test_ls_send_and_logs(
    tmp_path: Path, new_broker: Callable[..., Mosquitto], engine: Engine, edged: Callable[..., Edged]
) -> None:
    assert new_broker  # it says whether there can be one
    authority = Authority(tmp_path / "lab")
    anna, rules = authority.console("anna")
    press = authority.device("press-7")
    broker = FleetBroker(tmp_path / "fleet", authority.server("localhost", "--address", "127.0.0.1"), rules)
    broker.start()
    try:
        engine.run("worker")
        trust = tmp_path / "trust.yaml"
        trust.write_text(json.dumps({"keys": [{"id": k.id, "public": k.public, "role": k.role} for k in TRUST.keys]}))
        way = {"url": broker.url, "ca_file": press.ca, "cert_file": press.certificate, "key_file": press.key}
        device = {"id": "press-7", "labels": {"site": "a"}}
        daemon = edged({"device": device, "apps": {"worker": {}}, "mqtt": way, "commands": {"trust": str(trust)}})
        daemon.start(30.0)
        daemon.wait_state("worker", "healthy", 30.0)
        daemon.wait(lambda: daemon.status()["broker"]["connected"], 30.0, "connected")
        daemon.wait(lambda: daemon.status()["broker"]["spool_messages"] == 0, 30.0, "all is acknowledged")
        verbs = Verbs(tmp_path, broker.url)
        tls = ["--ca", anna.ca, "--cert", anna.certificate, "--tls-key", anna.key]
        (seen,) = json.loads(verbs.call("ls", "--json", *tls).stdout)
        assert (seen["device"], seen["state"], seen["apps"]["worker"]["state"]) == ("press-7", "online", "healthy")
        before = engine.pid("worker")
        done = verbs.call("send", *tls, "--labels", "site=a", "restart", "app=worker")
        assert done.returncode == 0, done.stdout + done.stderr
        assert engine.pid("worker") != before
        logs = verbs.call("send", *tls, "press-7", "logs.get", "app=worker", "lines=5", "-o", str(tmp_path / "log"))
        assert logs.returncode == 0 and (tmp_path / "log").exists(), logs.stdout + logs.stderr
        # Large enough for several pieces, and put together again.
        whole = verbs.call("send", *tls, "press-7", "status.get", "-o", str(tmp_path / "status"))
        assert whole.returncode == 0, whole.stdout + whole.stderr
        assert "worker" in (tmp_path / "status").read_text()
        wrong = verbs.call("send", *tls, "press-7", "restart", "app=wroker")
        assert wrong.returncode == 3 and "unknown_app" in wrong.stdout, wrong.stdout + wrong.stderr
        nowhere = ("rollout", "http://127.0.0.1:1/none.tar", "--app", "worker", "--max-failures", "0", "--json")
        halted = verbs.call(*nowhere, *tls)
        end = json.loads(halted.stdout.splitlines()[-1])
        assert (halted.returncode, end["stage"], end["failures"]) == (1, "halted", 1), halted.stderr
        assert end["devices"][0]["reason"], end
        stranger = ["--key", key_file(tmp_path, bytes(32), "stranger")]
        forged = verbs.call("send", *tls, *stranger, "press-7", "restart", "app=worker", "--timeout", "3s")
        assert forged.returncode in (1, 3) and engine.pid("worker") != before
        bare = verbs.call("ls")
        assert bare.returncode == 4 and "no connection to mqtts://" in bare.stderr
    finally:
        broker.kill()
