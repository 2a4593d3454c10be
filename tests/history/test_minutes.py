"""What is added up of a minute and of an hour."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from edged.config import App, Config
from edged.history.minutes import Minutes, Span
from edged.judge.outcome import Judgement
from edged.ports.history import HOUR, METRICS, MINUTE, Point
from edged.vocabulary import facts
from edged.vocabulary.deployments import Traffic
from edged.vocabulary.drift_state import DriftState, FeatureState
from edged.vocabulary.events import AppChanged
from edged.vocabulary.inference import Inference, Mark
from edged.vocabulary.inputs import Inputs
from edged.vocabulary.log_facts import LogCount, LogsCounted
from edged.vocabulary.signs import Cpu
from edged.vocabulary.state import AppState, State
from edged.vocabulary.world import Disk, HostSample, Usage
from tests.flight.recording import listening
from tests.judge.world import World

WALL = 1_790_000_040
"""A whole minute, and 40 minutes into an hour."""
BEGIN = WALL // HOUR * HOUR


def seen(*rows: tuple[float, facts.Fact], state: State | None = None) -> dict[tuple[str, str], Point]:
    """What is known of the minute in which these facts were seen, each so many seconds after its beginning."""
    minutes, known = Minutes(), state or State()
    for seconds, fact in rows:
        minutes.saw(1000.0 + seconds, WALL + seconds, fact, known, known, ())
    spans = {step: points for step, _, points in minutes.end(1060.0, known)}
    return dict(spans[MINUTE])


def probe(ok: bool, seconds: float = 0.0) -> facts.ProbeFinished:
    return facts.ProbeFinished(at=1.0, kind="app", subject="a", ok=ok, seconds=seconds)


def test_a_minute_is_min_mean_max_last_and_count() -> None:
    points = seen((1, probe(True, 0.3)), (2, probe(True, 0.1)), (3, probe(True, 0.2)), (4, probe(False)))
    assert points["a", "probe"] == Point(WALL, 3, 0.1, pytest.approx(0.2), 0.3, 0.2)
    assert points["a", "probe.failed"].total == 1.0


def test_minutes_and_hours_are_handed_out_once_when_they_are_over() -> None:
    minutes, state = Minutes(), State()
    for n in range(0, 7200, 30):
        minutes.saw(1000.0 + n, BEGIN + n, probe(True, float(n < 3600)), state, state, ())
    closed = minutes.closed()
    assert [begin for step, begin, _ in closed if step == MINUTE] == [BEGIN + 60 * n for n in range(119)]
    hours = [(begin, points["a", "probe"]) for step, begin, points in closed if step == HOUR]
    assert hours == [(BEGIN, Point(BEGIN, 120, 1.0, 1.0, 1.0, 1.0))]
    assert not minutes.closed()
    last = minutes.end(8200.0, state)
    assert [(step, begin) for step, begin, _ in last] == [(MINUTE, BEGIN + 7140), (HOUR, BEGIN + 3600)]
    assert last[1][2]["a", "probe"].count == 120


def test_what_is_under_way_can_be_seen() -> None:
    minutes, state = Minutes(), State()
    minutes.saw(1.0, WALL, probe(True, 0.5), state, state, ())
    minutes.saw(61.0, WALL + 60, probe(True, 0.7), state, state, ())
    assert [(step, begin) for step, begin, _ in minutes.open()] == [(MINUTE, WALL + 60), (HOUR, BEGIN)]


def test_time_in_each_condition_is_exact() -> None:
    spans: list[Span] = []
    minutes = Minutes()

    def heard(now: float, fact: facts.Fact, config: Config, before: State, judged: Judgement) -> None:
        minutes.saw(now, WALL + now - 1000.0, fact, before, judged.state, judged.events)
        spans.extend(minutes.closed())

    with listening(heard):
        world = World({"a": App()})
        world.every(1.0, lambda: world.feed(facts.Tick(at=world.now)))
        world.run(100.0)
        world.crash("a")
        world.run(200.0)
    spans.extend(minutes.end(world.now, world.state))
    seconds: dict[str, float] = {}
    others: dict[str, float] = {}
    for step, _, points in spans:
        for (_, metric), point in points.items():
            if step == HOUR and metric.startswith("state."):
                seconds[metric] = seconds.get(metric, 0.0) + point.total
            elif step == HOUR:
                others[metric] = others.get(metric, 0.0) + point.total
    assert sum(seconds.values()) == pytest.approx(300.0, abs=2.0)
    assert seconds["state.healthy"] > 290.0
    assert others["restarts"] == 1.0 and others["deaths"] == 1.0


def test_time_that_edged_was_not_there_is_nobodys() -> None:
    state = State(apps={"a": AppState(name="a", config=App(), condition="healthy")})
    points = seen((0, facts.Tick(at=0.0)), (0, facts.Tick(at=0.0)), state=state)
    assert points["a", "state.healthy"].total == 60.0
    minutes = Minutes()
    minutes.saw(0.0, WALL, facts.Tick(at=0.0), state, state, ())
    minutes.saw(5000.0, WALL + 5000, facts.Tick(at=0.0), state, state, ())
    assert not minutes.closed()


def test_a_wall_clock_that_jumps_back_loses_nothing() -> None:
    minutes, state = Minutes(), State()
    for wall in (WALL, WALL + 60, WALL - 86400, WALL, WALL + 60):
        minutes.saw(1.0, wall, probe(True, 0.1), state, state, ())
    spans = minutes.closed() + minutes.end(2.0, state)
    assert sum(points["a", "probe"].count for step, _, points in spans if step == MINUTE) == 5
    assert sum(points["a", "probe"].count for step, _, points in spans if step == HOUR) == 5


def test_every_metric_is_measured_and_nothing_else() -> None:
    edges = (0.1, 0.2, float("inf"))
    app = AppState(
        name="a",
        config=App(),
        condition="healthy",
        usage=Usage(container_id="c", memory=50, memory_limit=100, cpu_limit=2.0),
        cpu=Cpu(share=0.5, throttled=0.1),
        inference=Inference(
            latency=0.15,
            gauge=0.9,
            marks=(
                Mark(0.0, 0.0, 0.0, tuple((edge, 0.0) for edge in edges)),
                Mark(60.0, 10.0, 1.0, ((0.1, 5.0), (0.2, 10.0), (edges[2], 10.0))),
            ),
        ),
    )
    host = HostSample(
        memory_total=1000,
        memory_available=250,
        swap_total=10,
        swap_used=5,
        cpu_busy=0.5,
        load=(1.5, 0, 0),
        temperature=60,
    )
    drift = DriftState(features={"x": FeatureState(excess=0.3, drifted_since=1.0), "y": FeatureState()}, windows=1)
    state = State(apps={"a": app}, inputs={"a": Inputs(state=drift)})
    state = replace(state, host=replace(state.host, sample=host))
    minutes = Minutes()
    kept = replace(app, kept=replace(app.kept, restarts=1))
    after = replace(state, apps={"a": kept})
    died = AppChanged(subject="a", old="healthy", new="down", reason="")
    rows = [
        facts.ResourcesSampled(at=1.0, usages=(Usage(container_id="c", memory=50),)),
        facts.HostSampled(at=1.0, host=host),
        facts.DiskSampled(at=1.0, disk=Disk(path="/", total=100, free=25, inodes=10, inodes_free=5)),
        facts.TrafficSampled(at=1.0, app="a", traffic=Traffic(at=1.0, requests=10)),
        facts.RowsCounted(at=1.0, app="a"),
        LogsCounted(at=1.0, apps=(LogCount(app="a", counts={"errors": 3, "slow": 2, "auth": 1}),)),
        probe(True, 0.1),
        probe(False),
    ]
    for fact in rows:
        minutes.saw(1000.0, WALL, fact, state, state, ())
    minutes.saw(1001.0, WALL + 1, facts.Tick(at=1.0), state, after, (died,))
    points = {key: p for step, _, found in minutes.end(1002.0, after) if step == MINUTE for key, p in found.items()}
    assert {"state" if name.startswith("state.") else name.partition(":")[0] for _, name in points} == METRICS.keys()
    assert points["a", "memory.share"].last == 0.5 and points["a", "cpu.cores"].last == 1.0
    assert points["a", "latency.p50"].last == pytest.approx(0.1) and points["a", "requests"].total == 10.0
    assert points["host", "disk.share:/"].last == 0.75 and points["host", "memory"].last == 750.0
    assert points["a", "drift.score"].last == 0.3 and points["a", "logs.errors"].total == 3.0
