"""Runs that edged's end, or another runbook in the file, comes in the middle of."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from edged.vocabulary import events as ev

from .test_runbooks import QUICK, books, ended, world
from .world import probed


@pytest.mark.parametrize("away", [0.5, 30.0])
def test_a_run_goes_on_when_edged_was_killed(away: float) -> None:
    w = world(Unhealthy=[{"do": "wait_healthy", "timeout": 60.0}, "restart"],
              apps={"a": probed(restart=QUICK, health={"failures": 1, "every": 1.0})})  # fmt: skip
    w.every(1.0, w.probes)
    w.run(3.0)
    w.boxes["a"].sick = True
    w.run(50.0)
    w.restart_edged(away)
    assert w.state.runs["Unhealthy/a"].cursor == 0
    w.run(50.0)
    assert w.actions("a") == []
    w.run(15.0)
    assert w.actions("a") == ["RestartContainer"]
    assert len(w.events(ev.RunbookBegun, alert="Unhealthy")) == 1


def test_another_runbook_in_the_file_is_begun_at_once() -> None:
    w = world(AppDown=["notify"])
    w.crash("a")
    w.run(30.0)
    assert w.condition("a") == "down"
    w.reload(replace(w.config, runbooks={}))
    w.run(5.0)
    assert w.condition("a") == "healthy"
    assert ended(w, "AppDown") == ["done", "cleared"]


def test_another_runbook_waits_for_what_is_under_way() -> None:
    w = world(HighMemory__host=["prune_disk"])
    w.results["PruneDisk"] = lambda action: {"freed": 0}
    for _ in range(4):
        w.host(0.97)
        w.run(10.0 if "prune" not in str(w.asked) else 0.0)
    assert w.actions("host") == ["PruneDisk"] and "host" in w.busy
    w.reload(replace(w.config, runbooks=books(HighMemory__host=["notify", "prune_disk"])))
    assert w.actions("host") == ["PruneDisk"]
    w.run(1.0)
    assert w.actions("host") == ["PruneDisk", "PruneDisk"]
    assert ended(w, "HighMemory", "host")[0] == "superseded"
