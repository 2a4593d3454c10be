"""``isolate``: cut off from all networks while it runs, over restarts of everything, until it is undone."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from edged.vocabulary import actions as act
from edged.vocabulary.events import ActionEnded, CommandAnswered, IsolationChanged
from edged.vocabulary.isolation import Endpoint

from .world import World, app, probed

PLANT = Endpoint(network="plant", aliases=("detector",), ipv4="172.30.0.9")
OTHER = Endpoint(network="other")


class Cables:
    """What the containers of a world are connected to."""

    def __init__(self, w: World, mode: str = "plant", *endpoints: Endpoint) -> None:
        self.w, self.mode = w, mode
        self.plugged: dict[str, dict[str, Endpoint]] = {}
        self.default = endpoints
        w.results.update(FindNetworks=self.find, Isolate=self.cut, Rejoin=self.join)

    def of(self, container: str) -> dict[str, Endpoint]:
        return self.plugged.setdefault(container, {e.network: e for e in self.default})

    def find(self, action: Any) -> dict[str, Any]:
        return {"mode": self.mode, "networks": to_builtins(tuple(self.of(action.container_id).values()))}

    def cut(self, action: Any) -> dict[str, Any]:
        there = self.of(action.container_id)
        for name in action.networks:
            there.pop(name, None)
        return {"left": list(there)}

    def join(self, action: Any) -> dict[str, Any]:
        self.of(action.container_id).update({e.network: e for e in action.networks})
        return {}

    @property
    def now(self) -> set[str]:
        return set(self.of(self.w.boxes["a"].id))


def world(mode: str = "plant", *endpoints: Endpoint, **more: Any) -> tuple[World, Cables]:
    w = World({"a": probed(**more)})
    w.every(1.0, w.probes)
    w.every(10.0, w.list_soon)
    w.run(5.0).forget()
    return w, Cables(w, mode, *(endpoints or (PLANT, OTHER)))


def answers(w: World) -> list[tuple[str, str]]:
    return [(e.status, e.reason) for e in w.events(CommandAnswered)]


def severity(w: World) -> str | None:
    return w.app("a").kept.alerts["AppIsolated"].severity


def isolated(**more: Any) -> tuple[World, Cables]:
    w, cables = world(**more)
    w.command("isolate", app="a").run(1.0)
    assert answers(w) == [("accepted", ""), ("succeeded", "")] and not cables.now
    w.forget()
    return w, cables


def test_evidence_first_then_a_look_then_the_cut() -> None:
    w, cables = world()
    w.command("isolate", app="a").run(1.0)
    assert w.actions("a", evidence=True) == ["CaptureEvidence", "FindNetworks", "Isolate"] and not cables.now
    assert answers(w) == [("accepted", ""), ("succeeded", "")] and not w.state.commands
    (told,) = w.events(IsolationChanged)
    assert (told.state, told.networks) == ("isolated", ("plant", "other"))
    assert w.firing("a") == {"AppIsolated"} and "isolated by local:uid=1(ann)" in w.app("a").reason
    assert [e.action for e in w.events(ActionEnded)] == ["CaptureEvidence", "Isolate"]


def test_what_it_was_connected_to_is_on_disk_before_the_cut() -> None:
    w, _ = world()
    w.command("isolate", app="a")
    w.until(lambda: w.actions("a")[-1:] == ["Isolate"], 1.0)
    assert b"172.30.0.9" in w.disk["app/a"] and b"detector" in w.disk["app/a"]


def test_edged_keeps_its_hands_off() -> None:
    w, _ = isolated()
    w.boxes["a"].sick = True
    w.run(120.0)
    assert w.condition("a") == "unhealthy" and set(w.actions("a")) == {"FindNetworks"}
    assert w.firing("a") == {"AppIsolated"}, "nobody reaches it, and that was wanted"
    w.crash("a")
    w.run(60.0)
    assert w.condition("a") == "down" and set(w.actions("a")) == {"FindNetworks"}
    assert "isolated by" in w.app("a").kept.recovery.held


def test_undone_it_has_what_it_had_and_is_not_restarted_for_its_silence() -> None:
    w, cables = isolated()
    w.boxes["a"].sick = True
    w.run(30.0).forget()
    w.command("isolate", app="a", undo=True)
    w.at(0.5, lambda: setattr(w.boxes["a"], "sick", False))
    w.run(30.0)
    assert answers(w) == [("accepted", ""), ("succeeded", "")] and w.actions("a") == ["Rejoin"]
    (action,) = [a for _, a in w.asked if isinstance(a, act.Rejoin)]
    assert action.networks == (PLANT, OTHER) and cables.now == {"plant", "other"}
    assert w.condition("a") == "healthy" and not w.firing("a") and w.app("a").kept.isolation is None
    assert [e.state for e in w.events(IsolationChanged)] == ["rejoined"]


def test_a_restart_that_brings_a_network_back_is_cut_off_again_and_nothing_is_forgotten() -> None:
    w, cables = isolated()
    box = w.boxes["a"]
    w.docker_restart("a")
    cables.of(box.id)["plant"] = Endpoint(network="plant")  # as the engine does, without alias and address
    w.run(2.0)
    assert not cables.now and [e.state for e in w.events(IsolationChanged)] == ["again"]
    w.command("isolate", app="a", undo=True).run(2.0)
    assert cables.of(box.id) == {"plant": PLANT, "other": OTHER}


def test_so_is_one_that_a_person_connects() -> None:
    w, cables = isolated()
    cables.of(w.boxes["a"].id)["new"] = Endpoint(network="new")
    w.run(40.0)
    assert not cables.now
    w.command("isolate", app="a", undo=True).run(2.0)
    assert cables.now == {"plant", "other", "new"}


def test_so_is_a_container_that_is_made_anew_with_its_own_settings() -> None:
    w, cables = isolated()
    cables.default = (Endpoint(network="plant", ipv4="172.30.0.77"),)
    w.recreate("a")
    w.run(5.0)
    assert not cables.now and [e.state for e in w.events(IsolationChanged)] == ["again"]
    w.command("isolate", app="a", undo=True).run(2.0)
    assert list(cables.of(w.boxes["a"].id).values()) == [Endpoint(network="plant", ipv4="172.30.0.77")]


def test_it_outlives_edged() -> None:
    w, cables = isolated()
    w.kill_edged()
    w.run(60.0)
    cables.of(w.boxes["a"].id)["plant"] = PLANT
    w.begin(end="crash")
    w.run(2.0)
    assert not cables.now and w.firing("a") == {"AppIsolated"}
    w.command("isolate", app="a", undo=True).run(2.0)
    assert cables.now == {"plant", "other"}


@pytest.mark.parametrize("after", ["CaptureEvidence", "FindNetworks", "Isolate", "Rejoin"])
def test_edged_may_end_at_every_step(after: str) -> None:
    w, cables = isolated() if after == "Rejoin" else world()
    w.lost.add(after)
    w.command("isolate", app="a", undo=after == "Rejoin", identity="x")
    w.run(1.0)
    assert w.asked and type(w.asked[-1][1]).__name__ == after
    w.lost.clear()
    w.restart_edged().run(5.0)
    assert cables.now == ({"plant", "other"} if after == "Rejoin" else set())
    assert w.state.answered["x"].answer.status == "succeeded" and not w.state.commands


def test_a_step_that_never_comes_back_fails_and_is_tried_again() -> None:
    w, cables = world()
    w.lost.add("Isolate")
    w.command("isolate", app="a").run(50.0)
    assert answers(w)[-1] == ("failed", "not_isolated") and severity(w) == "critical"
    w.lost.clear()
    w.busy.clear()
    w.run(60.0)
    assert not cables.now and severity(w) == "warning"


def test_an_undoing_that_fails_goes_on_until_it_works_or_is_given_up() -> None:
    w, cables = isolated()
    w.failing["Rejoin"] = "plant: network plant not found"
    w.command("isolate", app="a", undo=True).run(2.0)
    assert answers(w)[-1] == ("failed", "not_rejoined") and not cables.now
    alert = w.app("a").kept.alerts["AppIsolated"]
    now = w.app("a").kept.isolation
    assert alert.severity == "critical" and now is not None and "network plant not found" in now.problem
    w.run(120.0)
    assert [e.state for e in w.events(IsolationChanged)] == ["failed"], "said once"
    w.command("isolate", app="a").run(2.0)
    now = w.app("a").kept.isolation
    assert answers(w)[-1] == ("succeeded", "") and now is not None and now.phase == "cut"
    w.failing.clear()
    w.command("isolate", app="a", undo=True).run(2.0)
    assert cables.now == {"plant", "other"}


@pytest.mark.parametrize(("mode", "code"), [("host", "host_network"), ("container:abc", "shared_network")])
def test_without_a_network_of_its_own_it_is_refused_with_what_to_do_instead(mode: str, code: str) -> None:
    w, _ = world(mode, Endpoint(network="host"))
    w.command("isolate", app="a").run(1.0)
    last = w.events(CommandAnswered)[-1]
    assert (last.status, last.reason) == ("failed", code) and "edged stop a" in last.message
    assert w.app("a").kept.isolation is None and not w.firing("a")


def test_without_any_network_there_is_nothing_to_do() -> None:
    w, cables = world("none")
    cables.default = ()
    w.command("isolate", app="a").run(1.0)
    last = w.events(CommandAnswered)[-1]
    assert last.status == "succeeded" and "nothing to cut it off from" in last.message
    assert w.app("a").kept.isolation is None


def test_what_cannot_be_is_refused() -> None:
    w, _ = world()
    w.command("isolate", app="a", undo=True)
    w.command("isolate", app="nobody")
    assert answers(w) == [("rejected", "not_isolated"), ("rejected", "unknown_app")]
    w.command("isolate", app="a")
    w.forget().command("isolate", app="a", undo=True)
    w.command("restart", app="a")
    assert answers(w) == [("rejected", "busy"), ("rejected", "busy")]
    w.run(2.0).forget().command("isolate", app="a")
    assert answers(w) == [("rejected", "already_isolated")]


def test_one_that_does_not_run_is_refused_and_one_that_is_being_restarted_is_busy() -> None:
    w, _ = world()
    w.command("restart", app="a")
    w.forget().command("isolate", app="a")
    assert answers(w) == [("rejected", "busy")]
    w.run(5.0)
    w.docker_stop("a")
    w.run(5.0).forget().command("isolate", app="a")
    assert answers(w) == [("rejected", "not_running")]


def test_an_undoing_without_its_container_is_over_at_once() -> None:
    w, _ = isolated()
    w.remove("a")
    w.run(5.0).forget().command("isolate", app="a", undo=True).run(1.0)
    assert answers(w)[-1] == ("succeeded", "") and w.app("a").kept.isolation is None and not w.actions("a")


def test_while_the_engine_is_away_it_waits() -> None:
    w, cables = world()
    w.command("isolate", app="a")
    w.hang_engine()
    w.run(120.0)
    assert cables.now
    w.wake_engine()
    w.run(60.0)
    assert not cables.now


def test_a_person_may_restart_it_and_it_stays_isolated() -> None:
    w, cables = isolated()
    w.command("restart", app="a")
    w.run(10.0)
    assert answers(w)[-1] == ("succeeded", "") and "RestartContainer" in w.actions("a")
    assert w.app("a").kept.isolation is not None and not cables.now


def test_an_observed_app_can_be_isolated_too() -> None:
    w = World({"a": app(restart={"enabled": False})}).run(5.0)
    cables = Cables(w, "plant", PLANT)
    w.command("isolate", app="a").run(1.0)
    assert answers(w)[-1] == ("succeeded", "") and not cables.now


def test_a_runbooks_isolation_keeps_its_hands_off_during_maintenance() -> None:
    """A person's own outlasts it: whoever asked for that meant it."""
    for own in (False, True):
        w, cables = isolated()
        if not own:
            kept = w.app("a").kept
            assert kept.isolation is not None
            wish = replace(kept.isolation, origin="", by="edged, runbook Unhealthy")
            app = replace(w.app("a"), kept=replace(kept, isolation=wish))
            w.state = replace(w.state, apps={**w.state.apps, "a": app})
        w.command("maintenance.set", app="a", on=True, seconds=300.0, why="new camera").run(1.0)
        assert "stays cut off" in w.events(CommandAnswered)[-1].message
        cables.of(w.boxes["a"].id)["plant"] = PLANT
        w.run(100.0)
        assert cables.now == (set() if own else {"plant"}), own
        w.run(300.0)
        assert not cables.now, "afterwards it is cut off again"
