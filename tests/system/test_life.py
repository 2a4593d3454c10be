"""Starts, kills and restarts of edged itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from edged.cli import Failure
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine

pytestmark = pytest.mark.engine

Make = Callable[..., Edged]


def test_two_on_one_state_folder_is_refused(engine: Engine, edged: Make) -> None:
    daemon = edged().start()
    other = edged({"state_dir": str(daemon.state)})
    other.state = daemon.state
    with pytest.raises(AssertionError, match="another edged runs"):
        other.start(within=10.0)
        other.wait(lambda: not other.alive(), 10.0)


def test_budgets_alerts_and_wishes_survive_sigkill(engine: Engine, edged: Make) -> None:
    engine.run("failing", "sh", "-c", "exit 3")
    engine.run("resting")
    rules = {"budget": 2, "per": "1h", "backoff": "100ms", "retry_after": "1h", "reset_after": "1h"}
    daemon = edged({"apps": {"failing": {"restart": rules}, "resting": {}}}).start()
    daemon.wait_event("recovery.gave_up")
    daemon.wait_state("resting", "healthy")
    daemon.command("maintenance.set", app="resting", on=True, seconds=600, why="test")
    daemon.kill()
    engine.kill_main("resting")
    daemon.start()
    daemon.wait_state("failing", "down")
    daemon.wait_state("resting", "down")
    recovery = daemon.app("failing")["recovery"]
    assert (recovery["budget_used"], recovery["circuit"]) == (2, "open")
    assert daemon.app("resting")["maintenance"]["why"] == "test"
    assert len([e for e in daemon.events("action.started") if e["subject"] == "failing"]) == 2
    assert not [e for e in daemon.events("action.started") if e["subject"] == "resting"]
    raised = [(e["subject"], e["data"]["name"]) for e in daemon.events("alert.raised")]
    assert raised.count(("failing", "RecoveryExhausted")) == 1


def test_what_died_while_edged_was_away_is_recovered(engine: Engine, edged: Make) -> None:
    engine.run("crashed")
    engine.run("stopped")
    daemon = edged({"apps": {"crashed": {}, "stopped": {}}}).start()
    daemon.wait_state("crashed", "healthy")
    daemon.wait_state("stopped", "healthy")
    daemon.kill()
    engine.kill_main("crashed")
    engine.client.stop("stopped", timeout=1)
    daemon.start()
    daemon.wait_state("crashed", "healthy", 20.0)
    daemon.wait_state("stopped", "stopped")


def test_previous_end_is_told(engine: Engine, edged: Make) -> None:
    daemon = edged().start()
    assert daemon.status()["previous_end"] == "first"
    assert daemon.stop() == 0
    daemon.start()
    assert daemon.status()["previous_end"] == "clean"
    daemon.kill()
    daemon.start()
    assert daemon.status()["previous_end"] == "crash" and daemon.status()["boot"] == 3


def test_a_command_that_edged_did_not_live_to_finish_is_answered_by_the_next_run(engine: Engine, edged: Make) -> None:
    engine.run("stubborn", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
    daemon = edged({"apps": {"stubborn": {"restart": {"stop_timeout": "3s"}}}}).start()
    daemon.wait_state("stubborn", "healthy")
    before = engine.inspect("stubborn")["State"]["StartedAt"]

    def ask() -> None:
        with suppress(Failure, ValueError):  # its connection ends with edged
            daemon.command("restart", app="stubborn")

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    daemon.wait_event("action.started", subject="stubborn")
    daemon.kill()
    asking.join(10.0)
    daemon.start()
    answered = daemon.wait_event("command.answered", 40.0, status="succeeded")
    assert answered["data"]["command"] == "restart"
    assert engine.inspect("stubborn")["State"]["StartedAt"] != before
    daemon.kill()
    daemon.start().wait_state("stubborn", "healthy")
    told = [event["data"]["status"] for event in daemon.events("command.answered")]
    assert told == ["accepted", "succeeded"]
