"""Steps that are commands of edged's own: back to the model, or the data, of before; and asking the app itself."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from edged.config.data import Data
from edged.vocabulary import events as ev

from .test_deployment import NEW, OLD, Depot
from .test_runbooks import books, ended, told

RESTART = {"backoff": 0.5, "max_backoff": 1.0, "budget": 9, "verify_within": 5.0, "per": 600.0}


def depot(**steps: list[Any]) -> Depot:
    """The model was deployed a moment ago."""
    model = {"path": "/models", "smoke": "http://127.0.0.1:1/", "gate": {"window": 20.0, "min_samples": 20}}
    w = Depot(restart=RESTART, model=model)
    w.deploy()
    w.until(w.over)
    assert w.in_place == NEW
    w.run(5.0)
    w.reload(replace(w.config, runbooks=books(**steps)))
    w.forget()
    return w


def crash_loop(w: Depot) -> None:
    for _ in range(3):
        w.crash("a")
        w.run(3.0)


def test_a_crash_loop_soon_after_a_deployment_goes_back_to_the_model_before() -> None:
    w = depot()
    crash_loop(w)
    assert "CrashLoop" in w.firing("a")
    w.until(lambda: w.in_place == OLD, within=120.0)
    w.until(w.over)
    w.run(10.0)
    assert told(w, "CrashLoop")[0] == "rollback_model done"
    (accepted,) = [e for e in w.events(ev.CommandAnswered) if e.status == "accepted"]
    assert accepted.origin.startswith("edged, runbook CrashLoop: its model came by a deployment")
    # Once is enough: what was gone back to is not left for what was bad.
    w.run(700.0)
    w.forget()
    crash_loop(w)
    w.run(120.0)
    assert w.in_place == OLD and "rollback_model done" not in told(w, "CrashLoop")


def test_long_after_the_deployment_the_model_is_not_to_blame() -> None:
    w = depot()
    w.pace = 30.0
    w.run(3700.0)
    w.pace = 1.0
    crash_loop(w)
    w.run(60.0)
    assert w.in_place == NEW and ended(w, "CrashLoop") == ["done"]


def test_in_maintenance_no_model_is_rolled_back() -> None:
    w = depot()
    w.command("maintenance.set", app="a", on=True, seconds=3600.0, why="test")
    for _ in range(3):
        w.crash("a")
        w.run(1.0)
        w.start("a")
        w.run(2.0)
    w.run(60.0)
    assert "CrashLoop" in w.firing("a") and w.in_place == NEW
    assert w.state.runs["CrashLoop/a"].held.startswith("in maintenance")


def test_where_there_is_nothing_before_the_next_step_follows() -> None:
    w = Depot(restart=RESTART)
    w.reload(
        replace(w.config, runbooks=books(CrashLoop=["rollback_model", "restore_config", "restore_data", "escalate"]))
    )
    w.forget()
    crash_loop(w)
    w.run(5.0)
    assert told(w, "CrashLoop") == [
        "rollback_model refused", "restore_config refused", "restore_data refused", "escalate done"
    ]  # fmt: skip
    whys = [e.reason for e in w.events(ev.RunbookStepEnded, alert="CrashLoop")]
    assert "from before the present one" in whys[0] and "app_config" in whys[1] and "data" in whys[2]
    assert ended(w, "CrashLoop") == ["exhausted"] and not w.events(ev.RunbookExhausted), "a person was called already"


def test_the_app_is_asked_what_its_model_should_say() -> None:
    w = depot(CrashLoop=["smoke_test"])
    crash_loop(w)
    w.run(5.0)
    assert told(w, "CrashLoop") == ["smoke_test done"]


def test_another_answer_than_the_models_is_a_failed_step() -> None:
    w = depot(CrashLoop=["smoke_test", "escalate"])
    del w.results["SmokeTest"]
    w.failing["SmokeTest"] = "smoke|it answered 3 instead of 4"
    crash_loop(w)
    w.run(10.0)
    assert told(w, "CrashLoop") == ["smoke_test failed", "escalate done"]
    assert "3 instead of 4" in w.events(ev.RunbookStepEnded, step="smoke_test")[0].reason


def test_data_is_put_back_and_the_run_goes_on_to_its_end_though_the_alert_is_over_meanwhile() -> None:
    w = depot(CrashLoop=["restore_data", "notify"])
    config = replace(w.config.apps["a"], data=Data(path="/data"))
    w.reload(replace(w.config, apps={"a": config}))
    w.results["FindBackup"] = lambda _: {"name": "b1"}
    w.results["RestoreData"] = lambda _: {"name": "b1", "digest": "sha256:1", "aside": "before-b1"}
    w.results["BackUpData"] = lambda _: {"name": "b1", "digest": "sha256:1", "bytes": 1}
    w.run(1.0)
    crash_loop(w)
    w.run(60.0)
    assert "RestoreData" in [type(a).__name__ for _, a in w.asked]
    assert told(w, "CrashLoop")[0] == "restore_data done"
    assert w.condition("a") == "healthy"
