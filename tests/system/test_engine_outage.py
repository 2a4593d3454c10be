"""The engine itself stops, hangs, hides or is not there yet."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine

pytestmark = pytest.mark.engine

Make = Callable[..., Edged]
QUICK = {"restart": {"backoff": "100ms", "stop_timeout": "1s", "policy_grace": "2s"}}


def test_an_engine_that_stops_and_comes_back_costs_no_app_anything(engine: Engine, edged: Make) -> None:
    engine.run("plain")
    engine.run("always", restart_policy="always")
    engine.run("mine")
    daemon = edged({"apps": {"plain": QUICK, "always": QUICK, "mine": QUICK}}).start()
    for name in ("plain", "always", "mine"):
        daemon.wait_state(name, "healthy")
    engine.client.stop("mine", timeout=1)
    daemon.wait_state("mine", "stopped")
    # Longer ago than the engine's own shutdown takes, else it might be part of it.
    engine.stop()
    daemon.wait_event("alert.raised", name="EngineDown")
    assert daemon.app("plain")["state"] == "unknown"
    engine.start()
    daemon.wait_event("alert.cleared", name="EngineDown")
    daemon.wait_state("plain", "healthy", 20.0)
    daemon.wait_state("always", "healthy", 20.0)
    for name in ("plain", "always"):
        assert daemon.app(name)["recovery"]["budget_used"] == 0, name


def test_an_engine_that_hangs_is_seen_and_forgiven(engine: Engine, edged: Make) -> None:
    engine.run("worker")
    daemon = edged({"apps": {"worker": QUICK}}).start()
    daemon.wait_state("worker", "healthy")
    engine.freeze()
    raised = daemon.wait_event("alert.raised", 30.0, name="EngineDown")
    assert "answer" in raised["data"]["summary"]
    engine.thaw()
    daemon.wait_state("worker", "healthy")
    daemon.wait_event("alert.cleared", name="EngineDown")
    assert not daemon.events("action.started")


def test_a_socket_that_vanishes_and_returns(engine: Engine, edged: Make) -> None:
    engine.run("worker")
    daemon = edged({"apps": {"worker": QUICK}}).start()
    daemon.wait_state("worker", "healthy")
    engine.hide_socket()
    daemon.wait_event("alert.raised", 30.0, name="EngineDown")
    engine.show_socket()
    daemon.wait_state("worker", "healthy")
    assert not daemon.events("action.started")


def test_an_engine_that_is_absent_at_the_start(engine: Engine, edged: Make) -> None:
    engine.run("worker")
    engine.stop()
    daemon = edged({"apps": {"worker": QUICK}}).start()
    daemon.wait_event("alert.raised", name="EngineDown")
    assert daemon.app("worker")["state"] == "unknown"
    engine.start()
    # It was not running when edged first saw it, and nobody had stopped it: edged starts it.
    daemon.wait_state("worker", "healthy", 20.0)


def test_an_engine_that_is_killed_stops_what_it_finds_and_that_is_nobodys_wish(engine: Engine, edged: Make) -> None:
    engine.run("plain")
    engine.run("mine")
    daemon = edged({"apps": {"plain": QUICK, "mine": QUICK}}).start()
    daemon.wait_state("plain", "healthy")
    engine.client.stop("mine", timeout=1)
    daemon.wait_state("mine", "stopped")
    engine.crash()
    daemon.wait_event("alert.raised", name="EngineDown")
    # While it loads it sends SIGTERM to the survivors, and its history tells of that as of any docker stop.
    engine.start()
    daemon.wait_event("alert.cleared", name="EngineDown")
    daemon.wait_state("plain", "healthy", 20.0)
    assert engine.pid("plain") > 0
    assert daemon.app("plain")["recovery"]["budget_used"] == 0
    assert daemon.app("mine")["state"] == "stopped"


def test_nor_is_it_when_edged_was_away_meanwhile(engine: Engine, edged: Make) -> None:
    for name in ("plain", "other", "mine"):
        engine.run(name)
    daemon = edged({"apps": {"plain": QUICK, "other": QUICK, "mine": QUICK}}).start()
    for name in ("plain", "other", "mine"):
        daemon.wait_state(name, "healthy")
    engine.client.stop("mine", timeout=1)
    daemon.wait_event("app.changed", subject="mine", new="stopped")  # events are told when they are on disk
    daemon.kill()
    engine.crash()
    engine.start()
    daemon.start()
    for name in ("plain", "other"):
        daemon.wait_state(name, "healthy", 20.0)
    assert daemon.app("mine")["state"] == "stopped"
