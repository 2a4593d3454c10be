"""Counted inputs in the judge: alerts and their evidence, resets, models that come and go, what survives a restart."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from edged.config import App, Columns, Config, Drift, Model, Source
from edged.durable import Differ, restore
from edged.flight.segment import picture, state_of
from edged.inputs import reference as references
from edged.inputs.counting import Counts
from edged.inputs.learning import Learner
from edged.inputs.rows import Table, table
from edged.judge import judge
from edged.vocabulary import events as ev
from edged.vocabulary import facts
from edged.vocabulary.deployments import Artifact, Placed
from edged.vocabulary.drift import Batch, Reference
from edged.vocabulary.drift_packed import Packed
from edged.vocabulary.state import AppState, State
from edged.vocabulary.world import Container

RULES = Drift(source=Source(file="/rows.ndjson"), window=100, every=10.0)
NOW = "sha256:" + "b" * 64
BEFORE = "sha256:" + "a" * 64


def lines(rng: random.Random, count: int, shift: float = 0.0) -> list[bytes]:
    return [json.dumps({"x": rng.gauss(shift, 1.0), "w": rng.choice("ab")}).encode() for _ in range(count)]


def learned(seed: int = 1) -> Reference:
    learner = Learner(2000)
    learner.add(table(lines(random.Random(seed), 2000), b"", Columns()), csv=False)
    return learner.reference(learned=True)


class Device:
    """One app whose rows are counted every ten seconds."""

    def __init__(self, rules: Drift | None = RULES, **kept: Any) -> None:
        app = App(drift=rules)
        self.config = Config(apps={"box": app})
        container = Container(id="c", name="box", status="running")
        box = AppState(name="box", config=app, condition="healthy", container=container)
        self.state = State(apps={"box": replace(box, kept=replace(box.kept, **kept))})
        self.now, self.rng, self.told = 1000.0, random.Random(7), list[ev.Event]()
        self.waited = 0.0
        self.differ, self.disk = Differ({}), dict[str, bytes]()

    def see(self, fact: facts.Fact) -> None:
        judged = judge(self.state, fact, self.config, self.now)
        self.state = judged.state
        self.told += judged.events
        self.disk = {k: v for k, v in (self.disk | self.differ.changes(self.state)).items() if v}

    def refer(self, reference: Reference, model: str = "") -> None:
        self.reference, self.model, self.counts = reference, model, Counts(reference)
        self.digest = references.digest_of(reference)
        self.see(facts.ReferenceSeen(at=self.now, app="box", model=model, reference=reference, digest=self.digest))

    def count(self, rows: int, shift: float = 0.0, **more: Any) -> None:
        for _ in range(rows // 20):
            self.now += 10.0
            features, unknown = self.counts.add(table(lines(self.rng, 20, shift), b"", Columns()))
            batch = Batch(rows=20, seconds=10.0, features=features, unknown=unknown)
            fact = facts.RowsCounted(
                at=self.now, app="box", model=self.model, digest=self.digest, batches=(batch,), rows=20,
                position=f"p{self.now:.0f}",
            )  # fmt: skip
            self.see(replace(fact, **more))

    def read(self, rows: int) -> None:
        """One reading, 300 s after the one before."""
        self.now += 300.0
        self.waited += 300.0
        batches = []
        for _ in range(rows // 20):
            features, _ = self.counts.add(table(lines(self.rng, 20), b"", Columns()))
            batches.append(Batch(rows=20, seconds=self.waited * 20 / rows, features=features))
        self.see(
            facts.RowsCounted(
                at=self.now, app="box", model=self.model, digest=self.digest, batches=tuple(batches), rows=rows,
                waited=self.waited if rows else 0.0,
            )
        )  # fmt: skip
        self.waited = 0.0 if rows else self.waited

    def command(self, **args: Any) -> ev.CommandAnswered:
        self.see(facts.CommandReceived(at=self.now, id=f"c{self.now}{len(self.told)}", type="drift.reset", args=args))
        return [event for event in self.told if isinstance(event, ev.CommandAnswered)][-1]

    def alerts(self) -> set[str]:
        return {name for name, alert in self.state.apps["box"].kept.alerts.items() if alert.severity is not None}

    def of(self, kind: type[ev.Event]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]


@pytest.fixture
def device() -> Device:
    made = Device()
    made.refer(learned())
    return made


def test_drift_is_told_once_with_its_evidence(device: Device) -> None:
    device.count(1000)
    assert device.alerts() == set() and device.of(ev.DriftChanged) == []
    device.count(600, shift=2.0)
    assert device.alerts() == {"DataDrift"}
    (raised,) = device.of(ev.AlertRaised)
    assert raised.summary.startswith("1 of 2 inputs of box have moved: x ")
    first, second = device.of(ev.DriftChanged)
    assert first.begun == ("x",) and first.top[0].name == "x"
    full = second.top[0]
    assert second.begun == () and full.psi > 1.0 and full.after[-1] > 0.5 and len(full.after) == len(full.edges) + 1
    (incident,) = device.state.incidents.open.values()
    (kept,) = [line.text for line in incident.timeline if line.kind == "evidence"]
    assert kept.startswith("x up, PSI ") and "; % of rows before→now from: below 10→0, " in kept and "…" not in kept
    device.count(3000)
    assert device.alerts() == set()
    assert device.of(ev.DriftChanged)[-1].ended == ("x",)


def test_who_gave_the_reference_is_told_once(device: Device) -> None:
    device.refer(learned())
    (told,) = device.of(ev.ReferenceChanged)
    assert told.learned and told.features == 2


def test_counts_against_another_reference_say_nothing(device: Device) -> None:
    device.count(600, shift=5.0, digest="sha256:other")
    assert device.state.inputs["box"].rows == 0 and device.alerts() == set()
    assert device.state.inputs["box"].position == f"p{device.now:.0f}"


def test_a_restart_forgets_nothing(device: Device) -> None:
    device.count(1000)
    device.count(600, shift=2.0)
    kept = device.state.inputs["box"]
    again = Device()
    again.state = replace(restore(device.disk, device.config), apps=device.state.apps)
    back = again.state.inputs["box"]
    assert (back.position, back.rows, back.state, back.told) == (kept.position, 1600, kept.state, ("x",))
    assert back.reference is None and back.verdicts is None
    again.now = device.now
    again.refer(learned())
    assert again.of(ev.ReferenceChanged) == [] and again.of(ev.AlertCleared) == [] and again.alerts() == {"DataDrift"}


def test_what_drifts_and_then_is_gone_is_not_like_before(device: Device) -> None:
    device.count(1000)
    device.count(300, shift=2.0)
    for _ in range(25):
        device.now += 10.0
        features, _ = device.counts.add(Table(20, {"w": ["a", "b"] * 10}, {}))
        batch = Batch(rows=20, seconds=10.0, features=features)
        device.see(facts.RowsCounted(at=device.now, app="box", digest=device.digest, batches=(batch,), rows=20))
    assert device.alerts() == {"DataDrift", "DataQuality"}
    device.count(600)
    assert device.alerts() == set()


def test_a_reference_is_held_once_and_recorded_as_it_always_was(device: Device) -> None:
    device.count(600, shift=2.0)
    held = device.state.inputs["box"].reference
    assert held is Packed.of(device.reference) and held.unpacked() == learned()
    recorded = msgspec.json.decode(msgspec.json.encode(picture(device.state)))
    assert msgspec.convert(recorded["inputs"]["box"]["reference"], Reference) == learned()
    assert state_of(recorded, device.config).inputs["box"].reference == held


def test_rows_that_come_in_bursts_are_no_trouble_and_their_rate_is_true() -> None:
    device = Device(replace(RULES, every=300.0))
    device.refer(learned())
    for _ in range(24):
        for _ in range(11):
            device.read(0)
        device.read(1000)
    assert device.of(ev.AlertRaised) == []
    assert device.state.inputs["box"].state.rate == pytest.approx(1000 / 3600)
    for _ in range(36):
        device.read(0)
    assert device.alerts() == {"DataQuality"}, "silence beyond what is usual is told"
    device.read(1000)
    assert device.alerts() == set() and device.state.inputs["box"].state.rate == pytest.approx(1000 / 3600)


def test_a_reset_begins_anew(device: Device) -> None:
    device.count(1000)
    device.count(600, shift=2.0)
    assert device.command(app="box").status == "succeeded"
    assert device.alerts() == set() and device.state.inputs["box"].state.windows == 0
    device.count(600, shift=2.0)
    assert device.alerts() == {"DataDrift"}, "the reference is the same"


def test_what_is_normal_is_learned_anew_for_this_model_alone(device: Device) -> None:
    device.count(600, shift=2.0)
    assert device.command(app="box", relearn=True).status == "succeeded"
    inputs = device.state.inputs["box"]
    assert (inputs.generations, inputs.digest, inputs.reference) == ({"": 1}, "", None)
    assert device.alerts() == set()
    device.count(200, learned=200, wanted=2000, digest="", batches=())
    assert device.state.inputs["box"].learned == 200
    for number in range(20):
        device.state = replace(
            device.state, inputs={"box": replace(device.state.inputs["box"], model=f"sha256:{number}")}
        )
        device.command(app="box", relearn=True)
    assert len(device.state.inputs["box"].generations) == 8


def test_there_is_nothing_to_reset() -> None:
    assert Device(rules=None).command(app="box").reason == "not_configured"


def test_rows_of_no_use_are_told_once_and_forgotten(device: Device) -> None:
    for _ in range(10):
        device.count(20, refused={"not JSON": 50})
    assert device.alerts() == {"DataQuality"} and len(device.of(ev.AlertRaised)) == 1
    assert "not JSON" in device.of(ev.AlertRaised)[0].summary
    device.count(20, refused={"not JSON": 0})
    device.count(200)
    assert device.alerts() == set()


def test_rows_that_stop_are_told(device: Device) -> None:
    device.count(400)
    for _ in range(20):
        device.now += 10.0
        device.see(facts.RowsCounted(at=device.now, app="box", digest=device.digest))
    assert device.alerts() == {"DataQuality"}
    assert "no rows for" in device.of(ev.AlertRaised)[0].summary
    device.count(20)
    assert device.alerts() == set()


def deployed(rollback_within: float) -> Device:
    placed = Placed(current=Artifact(digest=NOW, name="m"), previous=Artifact(digest=BEFORE, name="m"))
    device = Device(replace(RULES, rollback_within=rollback_within), placed={"model": placed})
    app = replace(device.config.apps["box"], model=Model(path="/models"))
    device.config = replace(device.config, apps={"box": app})
    device.state = replace(device.state, apps={"box": replace(device.state.apps["box"], config=app)})
    device.state = replace(device.state, engine=replace(device.state.engine, up=True, listed=True))
    device.refer(learned(), BEFORE)
    device.count(400)
    device.refer(replace(learned(2), rows=1999), NOW)
    return device


@pytest.mark.parametrize(("within", "wait", "back"), [(3600.0, 0.0, True), (0.0, 0.0, False), (600.0, 5000.0, False)])
def test_a_model_goes_back_when_drift_begins_with_it(within: float, wait: float, back: bool) -> None:
    device = deployed(within)
    device.now += wait
    device.count(600, shift=2.0)
    assert "DataDrift" in device.alerts()
    running = device.state.apps["box"].kept.deployment
    assert (running is not None) is back
    if running is not None:
        assert (running.request.digest, running.request.kind) == (BEFORE, "model")
        assert "drift" in running.request.origin


def test_an_app_that_does_not_ask_any_more_has_no_alert(device: Device) -> None:
    device.count(1000)
    device.count(600, shift=2.0)
    app = replace(device.config.apps["box"], drift=None)
    device.config = replace(device.config, apps={"box": app})
    device.see(facts.ConfigLoaded(at=device.now, digest="d", path="/f", changed=("apps.box.drift",)))
    assert device.alerts() == set()


def test_rows_that_cannot_be_read_are_told_when_it_begins_and_when_it_ends(device: Device) -> None:
    for _ in range(3):
        device.see(facts.CheckFailed(at=device.now, check="inputs", subject="box", error="/rows.ndjson cannot be read"))
    (told,) = device.of(ev.CheckBroken)
    assert (told.subject, told.check, told.broken) == ("box", "inputs", True)
    assert device.state.apps["box"].broken == {"inputs": "/rows.ndjson cannot be read"} and not device.state.host.broken
    device.count(40)
    assert [event.broken for event in device.of(ev.CheckBroken)] == [True, False]
    assert device.state.apps["box"].broken == {}
