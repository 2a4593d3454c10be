"""Runs of runbooks in the simulated world: what is done, in which order, and how it ends."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from edged.config import Config
from edged.config.model import Restart
from edged.config.runbooks import Steps
from edged.vocabulary import actions as act
from edged.vocabulary import events as ev
from edged.vocabulary import facts
from edged.vocabulary.world import Disk

from .world import World, app, probed

QUICK = {"backoff": 0.5, "max_backoff": 1.0, "budget": 2, "retry_after": 60.0, "verify_within": 5.0}

METRICS = {"url": "http://127.0.0.1:1/", "latency": {"histogram": "seconds"}}


def books(**steps: list[Any]) -> dict[str, Steps]:
    """Runbooks as in the file; ``__`` stands for the slash."""
    return {name.replace("__", "/"): msgspec.convert(tuple(found), Steps) for name, found in steps.items()}


def world(apps: dict[str, Any] | None = None, **steps: list[Any]) -> World:
    found = apps if apps is not None else {"a": app(restart=QUICK, metrics=METRICS)}
    return World(found, config=Config(runbooks=books(**steps))).run(10.0)


def told(w: World, alert: str, subject: str = "a") -> list[str]:
    """Steps that came to an end, with the result."""
    return [f"{e.step} {e.result}" for e in w.events(ev.RunbookStepEnded, alert=alert, subject=subject)]


def ended(w: World, alert: str, subject: str = "a") -> list[str]:
    return [e.result for e in w.events(ev.RunbookEnded, alert=alert, subject=subject)]


def test_the_built_in_runbook_starts_an_app_in_the_turn_of_its_death() -> None:
    w = world()
    w.crash("a")
    w.run(0.01)
    at = next(t for t, e in w.told if isinstance(e, ev.AlertRaised))
    assert next(t for t, _ in w.asked) == at
    w.run(5.0)
    assert w.actions("a", evidence=True) == ["CaptureEvidence", "StartContainer"]
    assert told(w, "AppDown") == ["capture done", "start done"] and ended(w, "AppDown") == ["cleared"]
    assert w.state.runs == {}
    kinds = [type(e).__name__ for _, e in w.told]
    order = ["AlertRaised", "RunbookBegun", "RecoveryStarted", "ActionStarted", "AlertCleared", "RunbookEnded"]
    assert [kinds.index(kind) for kind in order] == sorted(kinds.index(kind) for kind in order)


def test_without_a_step_that_starts_it_nothing_is_started_and_a_person_is_called() -> None:
    w = world(AppDown=["capture", "escalate"])
    w.crash("a")
    w.run(3600.0)
    assert w.actions("a", evidence=True) == ["CaptureEvidence"] and w.condition("a") == "down"
    assert [e.reason for e in w.events(ev.RunbookEscalated)] == ["a is down: exited with code 1"]
    assert ended(w, "AppDown") == ["done"]
    held = [e.reason for e in w.events(ev.RecoveryHeld)]
    assert held == ["its runbook AppDown has no step start or restart"]
    w.command("start", app="a").run(5.0)
    assert w.condition("a") == "healthy" and w.state.runs == {}


def test_one_app_alone_may_have_a_runbook_of_its_own() -> None:
    w = world({"a": app(restart=QUICK), "b": app(restart=QUICK)}, AppDown__a=["notify"])
    w.crash("a")
    w.crash("b")
    w.run(60.0)
    assert w.actions("a") == [] and w.actions("b") == ["StartContainer"]


def test_time_to_recover_by_itself_comes_before_the_restart() -> None:
    w = world({"a": probed(restart=QUICK, health={"failures": 1, "every": 1.0})},
              Unhealthy=[{"do": "wait_healthy", "timeout": 30.0}, "restart"])  # fmt: skip
    w.every(1.0, w.probes)
    w.run(3.0)
    w.boxes["a"].sick = True
    w.run(20.0)
    assert w.actions("a") == [] and "Unhealthy" in w.firing("a")
    w.boxes["a"].sick = False
    w.run(5.0)
    assert ended(w, "Unhealthy") == ["cleared"] and told(w, "Unhealthy") == ["wait_healthy done"]
    w.forget()
    w.boxes["a"].sick = True
    w.run(29.0)
    assert w.actions("a") == []
    w.run(10.0)
    assert w.actions("a") == ["RestartContainer"]


def test_what_does_not_help_ends_with_a_call_for_a_person() -> None:
    w = world()
    w.boxes["a"].start_error = "port is already allocated"
    w.crash("a")
    w.run(60.0)
    assert told(w, "AppDown") == ["capture done", "start failed"]
    (exhausted,) = w.events(ev.RunbookExhausted)
    assert "2 attempts did not help" in exhausted.reason and ended(w, "AppDown") == ["exhausted"]
    # The slow retry goes on, as the recovery's own rules say.
    w.boxes["a"].start_error = ""
    w.run(120.0)
    assert w.condition("a") == "healthy" and w.state.runs.keys() == {"RecoveryExhausted/a"}


def test_in_maintenance_nothing_is_done_and_time_stands_still() -> None:
    w = world(HighInferenceLatency=[{"do": "stop", "timeout": 20.0}])
    w.command("maintenance.set", app="a", on=True, seconds=600.0, why="test")
    latency(w)
    w.run(500.0)
    assert w.actions("a", evidence=True) == [] and told(w, "HighInferenceLatency") == []
    assert [e.reason for e in w.events(ev.RunbookHeld)] == ["in maintenance by local:uid=1(ann)"]
    w.run(120.0)
    assert w.actions("a") == ["StopContainer"] and told(w, "HighInferenceLatency") == ["stop done"]
    assert w.condition("a") == "stopped" and w.app("a").kept.recovery.charged == ()
    w.run(3600.0)
    assert w.actions("a") == ["StopContainer"], "it stays so"


def latency(w: World, name: str = "a") -> None:
    """An alert that the recovery knows nothing of."""
    kept = w.app(name).kept
    alert = msgspec.convert(
        {"severity": "critical", "since": w.now, "critical_since": w.now, "summary": "slow"}, type(_alert())
    )
    changed = replace(w.app(name), kept=replace(kept, alerts={**kept.alerts, "HighInferenceLatency": alert}))
    w.state = replace(w.state, apps={**w.state.apps, name: changed})
    w.feed(facts.ConfigLoaded(at=w.now, digest="e", path="p"))


def _alert() -> Any:
    from edged.vocabulary.state import Alert

    return Alert()


def test_a_restart_for_another_alert_goes_the_same_way_and_spends_the_same_budget() -> None:
    w = world(HighInferenceLatency=["capture", "restart", "notify"])
    latency(w)
    w.run(5.0)
    assert w.actions("a", evidence=True) == ["CaptureEvidence", "RestartContainer"]
    assert told(w, "HighInferenceLatency") == ["capture done", "restart done"]
    assert len(w.app("a").kept.recovery.charged) == 1 and w.app("a").kept.wanted is None
    (done,) = w.events(ev.RecoverySucceeded)
    assert done.ailment == "HighInferenceLatency" and done.by == "edged"


def test_a_spent_budget_is_not_overdrawn_by_another_alert() -> None:
    w = world(HighInferenceLatency=["restart"])
    w.boxes["a"].crash_after = 0.1
    w.crash("a")
    w.run(30.0)
    assert w.app("a").kept.recovery.open
    w.boxes["a"].crash_after = None
    w.run(61.0)
    w.forget()
    latency(w)
    w.run(5.0)
    assert w.actions("a") == [] and told(w, "HighInferenceLatency") == ["restart refused"]
    assert "budget" in w.events(ev.RunbookExhausted)[0].reason


def test_evidence_alone_restarts_nothing() -> None:
    w = world(HighInferenceLatency=["capture", "notify"])
    latency(w)
    w.run(5.0)
    assert w.actions("a", evidence=True) == ["CaptureEvidence"]
    assert told(w, "HighInferenceLatency") == ["capture done", "notify done"]
    assert ended(w, "HighInferenceLatency") == ["done"] and not w.events(ev.RecoveryStarted)


def test_an_app_is_isolated_and_left_alone() -> None:
    w = world(HighInferenceLatency=["isolate", "restart"])
    connected = [{"network": "plant", "aliases": []}]
    w.results["FindNetworks"] = lambda action: {"mode": "bridge", "networks": list(connected)}

    def cut(action: act.Action) -> dict[str, Any]:
        connected.clear()
        return {"left": []}

    w.results["Isolate"] = cut
    latency(w)
    w.run(5.0)
    assert w.actions("a") == ["FindNetworks", "Isolate"]
    assert told(w, "HighInferenceLatency") == ["isolate done", "restart refused"]
    w.run(1200.0)
    assert "RestartContainer" not in w.actions("a")
    assert len(w.events(ev.RunbookEscalated)) + len(w.events(ev.RunbookExhausted)) == 1, "a person is called"


def test_a_worse_alert_begins_anew_and_a_restart_that_is_only_for_the_worst_is_made_then() -> None:
    w = world({"a": app(restart=QUICK, memory={"for": 2.0})})
    box = w.boxes["a"]
    w.every(1.0, w.resources)
    box.memory = 85 * 2**20
    w.run(10.0)
    assert "HighMemory" in w.firing("a") and w.actions("a", evidence=True) == []
    assert ended(w, "HighMemory") == ["done"]
    box.memory = 99 * 2**20
    w.run(5.0)
    assert w.actions("a")[:1] == ["RestartContainer"]
    box.memory = 10 * 2**20
    w.run(60.0)
    assert w.state.runs == {} and ended(w, "HighMemory")[-1] == "cleared"


def test_a_full_disk_is_pruned_once_and_is_said_to_be_well_when_it_is() -> None:
    w = world({"a": app(container="box-a")})
    full = Disk(path="/", total=100, free=4, inodes=100, inodes_free=90)
    w.results["PruneDisk"] = lambda action: {"freed": 3 * 2**20, "removed": ["old"], "failed": []}
    for _ in range(5):
        w.host(disks=(full,))
        w.run(10.0)
    (pruned,) = [a for _, a in w.asked if isinstance(a, act.PruneDisk)]
    assert "box-a" in pruned.keep and "a" in pruned.keep
    for _ in range(5):
        w.host(disks=(replace(full, free=50),))
        w.run(10.0)
    (end,) = w.events(ev.RunbookEnded, alert="DiskFull")
    assert end.result == "cleared" and "3 MiB" in end.steps[0].why and "old" in end.steps[0].why


def test_where_edged_only_observes_a_full_disk_is_not_pruned() -> None:
    w = world({"a": app(restart=Restart(enabled=False))})
    for _ in range(5):
        w.host(disks=(Disk(path="/", total=100, free=4, inodes=100, inodes_free=90),))
        w.run(10.0)
    assert not [a for _, a in w.asked if isinstance(a, act.PruneDisk)]


def test_a_host_out_of_memory_pauses_only_if_its_runbook_says_so() -> None:
    for more, expected in (({}, ["PauseContainer"]), ({"HighMemory__host": ["notify"]}, [])):
        w = world({"a": app(priority=1), "b": app(priority=90)}, **more)
        for _ in range(10):
            w.host(0.97)
            w.run(10.0)
        assert w.actions("b") == expected


def test_the_engine_is_only_restarted_if_its_runbook_says_so() -> None:
    for more, expected in (({}, ["RestartEngine"]), ({"EngineDown": ["escalate"]}, [])):
        w = world(None, **more)
        w.stop_engine()
        w.run(70.0)
        assert w.actions("engine") == expected
        assert len(w.events(ev.RunbookEscalated)) == (not expected)


def test_nobody_waits_for_an_app_that_nobody_starts() -> None:
    w = world({"a": app(restart=QUICK, priority=1), "b": app(restart=QUICK, priority=90)}, AppDown__a=["notify"])
    w.stop_engine()
    w.run(5.0)
    w.start_engine()
    w.run(2.0)
    assert w.actions("a") == [] and w.condition("b") == "healthy"
    w.forget()
    w.crash("b")
    w.run(2.0)
    assert w.condition("b") == "healthy", "a is down, and comes first, but not by edged"
