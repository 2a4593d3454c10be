"""SIGHUP: a good file is taken over without losing anything, a bad one changes nothing."""

from __future__ import annotations

import signal
import socket
import urllib.request
from collections.abc import Callable

import pytest

from tests.fixtures.broker import Mosquitto, free_port
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine

pytestmark = pytest.mark.engine

Make = Callable[..., Edged]
FAILING = {"restart": {"budget": 2, "per": "1h", "backoff": "100ms", "retry_after": "1h", "reset_after": "1h"}}


def test_a_bad_file_changes_nothing_and_everybody_hears_why(engine: Engine, edged: Make) -> None:
    engine.run("worker")
    daemon = edged({"apps": {"worker": {}}}).start()
    daemon.wait_state("worker", "healthy")
    good = daemon.file.read_text()
    daemon.file.write_text(good + "\nappz: {}\nsampling: {every: soon}\n")
    daemon.reload()
    told = daemon.wait_event("config.refused")
    assert len(told["data"]["errors"]) == 2
    assert any("did you mean" in error for error in told["data"]["errors"])
    status = daemon.status()
    assert status["config"]["errors"] == told["data"]["errors"] and status["config"]["refused"] == 1
    assert status["apps"]["worker"]["state"] == "healthy"
    page = urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}/metrics", timeout=5).read().decode()
    assert 'edged_config_reloads_total{result="refused"} 1.0' in page
    assert "refused, the one before stays in force" in daemon.text()
    daemon.file.write_text(good + "\n# better\n")
    daemon.reload()
    daemon.wait_event("config.reloaded")
    assert daemon.status()["config"]["errors"] == []


def test_budgets_and_alerts_of_unchanged_apps_survive(engine: Engine, edged: Make) -> None:
    engine.run("failing", "sh", "-c", "exit 3")
    daemon = edged({"apps": {"failing": FAILING}}).start()
    daemon.wait_event("recovery.gave_up")
    daemon.wait_event("alert.raised", name="RecoveryExhausted")
    before = daemon.app("failing")["recovery"]
    alerts = {(a["name"], a["since"][:19]) for a in daemon.status()["alerts"]}
    engine.run("second")
    daemon.configure({"apps": {"failing": FAILING, "second": {"priority": 5}}})
    daemon.reload()
    changed = daemon.wait_event("config.reloaded")
    assert "apps.second" in " ".join(changed["data"]["changed"])
    daemon.wait_state("second", "healthy")
    after = daemon.app("failing")["recovery"]
    assert (after["attempts"], after["budget_used"], after["circuit"]) == (before["attempts"], 2, "open")
    assert {(a["name"], a["since"][:19]) for a in daemon.status()["alerts"]} == alerts
    assert len(daemon.events("recovery.gave_up")) == 1


def test_what_a_reload_cannot_change_is_refused_with_the_reason(engine: Engine, edged: Make) -> None:
    daemon = edged().start()
    daemon.configure({"state_dir": str(daemon.folder / "elsewhere")})
    daemon.reload()
    told = daemon.wait_event("config.refused")
    assert "state_dir" in told["data"]["errors"][0] and "systemctl restart edged" in told["data"]["errors"][0]


def test_the_listener_moves(engine: Engine, edged: Make) -> None:
    daemon = edged().start()
    port = free_port()
    daemon.configure({"http": {"listen": f"127.0.0.1:{port}"}})
    daemon.reload()
    daemon.wait_event("config.reloaded")
    assert urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).status == 200
    # An address that cannot be had is refused, and the listener stays where it is.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        daemon.configure({"http": {"listen": f"127.0.0.1:{taken.getsockname()[1]}"}})
        daemon.reload()
        told = daemon.wait_event("config.refused")
    assert "cannot listen" in told["data"]["errors"][0]
    assert urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).status == 200


@pytest.mark.broker
def test_the_broker_changes(engine: Engine, edged: Make, new_broker: Callable[..., Mosquitto]) -> None:
    first, second = new_broker(), new_broker()
    first.start()
    second.start()
    daemon = edged({"mqtt": {"url": first.url}}).start()
    daemon.wait(lambda: daemon.status()["broker"]["connected"], 10.0, "connected to the first")
    daemon.configure({"mqtt": {"url": second.url}})
    daemon.reload()
    daemon.wait(lambda: "edged-test-device" in second.log, 10.0, "connected to the second")
    daemon.wait(lambda: daemon.status()["broker"]["connected"], 10.0, "connected to the second")
    daemon.configure({})
    daemon.reload()
    daemon.wait(lambda: not daemon.status()["broker"]["configured"], 10.0, "no broker")


def test_sigterm_ends_it_quickly_and_leaves_containers_alone(engine: Engine, edged: Make) -> None:
    engine.run("worker")
    daemon = edged({"apps": {"worker": {}}}).start()
    daemon.wait_state("worker", "healthy")
    pid = engine.pid("worker")
    daemon.signal(signal.SIGTERM)
    assert daemon.process is not None and daemon.process.wait(5.0) == 0
    assert engine.pid("worker") == pid


def test_a_start_with_a_bad_file_goes_on_with_what_was_last_in_force(engine: Engine, edged: Make) -> None:
    engine.run("worker")
    daemon = edged({"apps": {"worker": {"priority": 7}}, "mqtt": {"url": "mqtt://127.0.0.1:9", "password": "hunter2"}})
    service = {"STATE_DIRECTORY": str(daemon.state), "INVOCATION_ID": "1"}
    daemon.start(**service)
    copy = daemon.state / "last-good.yaml"
    daemon.wait(copy.exists, what="the copy")
    assert copy.read_bytes() == daemon.file.read_bytes() and copy.stat().st_mode & 0o077 == 0
    daemon.stop()
    daemon.file.write_text(daemon.file.read_text() + "\nappz: {}\n")
    daemon.start(**service)
    daemon.wait_state("worker", "healthy")
    told = daemon.wait_event("config.refused")
    assert told["data"]["path"] == str(daemon.file) and "did you mean" in told["data"]["errors"][0]
    status = daemon.status()["config"]
    assert status["errors"] == told["data"]["errors"] and status["path"] == str(copy)
    assert "hunter2" not in daemon.text()
    # Mended, it is taken over as always.
    daemon.configure({"apps": {"worker": {"priority": 8}}})
    daemon.reload()
    daemon.wait_event("config.reloaded")
    daemon.wait(lambda: daemon.status()["config"]["errors"] == [])
    daemon.wait(lambda: copy.read_bytes() == daemon.file.read_bytes(), what="the new copy")


def test_without_a_service_manager_a_bad_file_is_an_error(engine: Engine, edged: Make) -> None:
    daemon = edged().start(STATE_DIRECTORY="")
    daemon.stop()
    daemon.file.write_text("appz: {}\n")
    with pytest.raises(AssertionError, match="exit code 2"):
        daemon.start(STATE_DIRECTORY=str(daemon.state))
