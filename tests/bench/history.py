"""What the past costs: a recorded hour judged again, a day of recording, a week of figures on disk."""

from __future__ import annotations

import gc
import random
import time
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from edged.adapters.flight_files import FOLDER, contents
from edged.adapters.flight_recorder import FlightRecorder
from edged.adapters.storage.history import NAME, RollupStore
from edged.config import App, Config
from edged.config.inference import Errors, Latency, Metrics
from edged.config.model import Health, Recording
from edged.flight.replay import Count, replay
from edged.history.minutes import Minutes
from edged.judge.outcome import Judgement
from edged.ports.history import HOUR, MINUTE, Point
from edged.vocabulary import facts
from edged.vocabulary.deployments import Traffic
from edged.vocabulary.inference import Scrape
from edged.vocabulary.state import State
from edged.vocabulary.world import Disk, Usage
from edged.witness import Turn
from tests.flight.recording import WALL, Clock, listening
from tests.judge.world import World

from .measure import Figure

APPS = 20
WEEK = 7 * 86400
EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, float("inf"))


class Plant(World):
    """20 apps of which everything is watched, at the defaults; now and then one of them is in trouble."""

    def __init__(self, seed: int) -> None:
        app = App(
            health=Health(http="http://127.0.0.1/health"),
            metrics=Metrics(
                url="http://127.0.0.1/metrics",
                latency=Latency(histogram="latency_seconds", warn=0.5),
                errors=Errors(total="requests_total"),
            ),
        )
        apps = {f"app-{number}": app for number in range(APPS)}
        super().__init__(apps, config=Config(discover="off"), seed=seed, begin=False)
        self._cpu = dict.fromkeys(apps, 0.0)
        self._requests = dict.fromkeys(apps, 0.0)

    def live(self, seconds: float) -> None:
        self.begin()
        self.every(1.0, lambda: self.feed(facts.Tick(at=self.now)))
        for number, name in enumerate(self.boxes):
            self.at(number * 0.25, partial(self.every, 5.0, partial(self.ask, name)))
            self.at(number * 0.7, partial(self.every, 15.0, partial(self.scrape, name)))
        self.every(5.0, self.sample)
        self.every(10.0, self.look)
        self.every(30.0, self.list_now)
        self.every(900.0, lambda: self.crash(self.rng.choice(list(self.boxes))))
        self.run(seconds)

    def ask(self, name: str) -> None:
        if self.boxes[name].status == "running":
            self.probe(name, took=round(self.rng.lognormvariate(-6.0, 0.4), 6))

    def sample(self) -> None:
        usages = []
        for name, box in self.boxes.items():
            self._cpu[name] += self.rng.uniform(0.0, 0.3)
            box.memory += self.rng.randrange(-40, 40) * 4096 if self.rng.random() < 0.4 else 0
            cpu = round(self._cpu[name], 6)
            usages.append(Usage(container_id=box.id, memory=box.memory, memory_limit=2**30, cpu_seconds=cpu))
        self.feed(facts.ResourcesSampled(at=self.now, usages=tuple(usages)))

    def look(self) -> None:
        disk = Disk(path="/", total=10**11, free=5 * 10**10 + self.rng.randrange(10**6) * 4096, inodes=10**6)
        load = (round(self.rng.random(), 2), 0.5, 0.5)
        more = {"cpu_busy": self.rng.random() / 2.0, "load": load, "wall": WALL + self.now, "temperature": 50.0}
        self.host(0.5 + self.rng.random() / 100.0, (disk,), **more)

    def scrape(self, name: str) -> None:
        self._requests[name] += self.rng.randrange(100, 200)
        total = self._requests[name]
        shares = [min(1.0, (edge / 0.2) ** 0.5) for edge in EDGES]
        buckets = tuple((edge, float(int(total * share))) for edge, share in zip(EDGES, shares, strict=True))
        scrape = Scrape(latency={"": buckets}, totals={"": total}, failures={"": float(int(total / 500))})
        traffic = Traffic(at=self.now, requests=total, buckets=buckets)
        self.feed(facts.TrafficSampled(at=self.now, app=name, traffic=traffic, scrape=scrape))


def history(folder: Path, seed: int) -> list[Figure]:
    return [*hour(folder, seed), *week(folder, seed)]


def hour(folder: Path, seed: int) -> list[Figure]:
    """An hour of a device, recorded, and judged again."""
    plant = Plant(seed)
    recorder = FlightRecorder(folder / FOLDER, None, Clock(), 1, Recording, lambda: "sha256:0")
    recorder.begin()
    minutes, spent = Minutes(), [0.0]

    def heard(now: float, fact: facts.Fact, config: Config, before: State, judged: Judgement) -> None:
        begun = time.process_time()
        recorder.saw(Turn(now, fact, config, before, judged.state, judged.actions, judged.events))
        minutes.saw(now, WALL + now, fact, before, judged.state, judged.events)
        spent[0] += time.process_time() - begun

    def write() -> None:
        begun = time.process_time()
        recorder.take()
        minutes.closed()
        spent[0] += time.process_time() - begun

    with listening(heard):
        plant.every(2.0, write)
        plant.live(3600.0)
    recorder.finish()
    files = contents(folder / FOLDER, None)
    size = sum(len(data) for _, data in files)
    best, count = float("inf"), Count()
    gc.disable()  # as the verb does
    for _ in range(3):
        count, begun = Count(), time.process_time()
        decided = sum(1 for _ in replay(files, count))
        best = min(best, time.process_time() - begun)
    gc.enable()
    assert decided, "nothing happened in that hour"
    note = f"{count.facts} facts, {count.decisions} decisions"
    return [
        Figure(
            "replay of a recorded hour, 20 apps: times real time", count.seconds / best, 2000, "x", 3, None, note, True
        ),
        Figure(
            "decisions that are not those of then", float(count.differing + len(count.notes)), 0, "", count.decisions
        ),
        Figure("CPU for taking everything down", spent[0] / 36.0, 0.15, "%", 1, None, "of one core"),
        Figure("recording of a day, 20 apps", size * 24 / 1e6, 32, "MB", 1, None, "everything watched and moving"),
    ]


def week(folder: Path, seed: int) -> list[Figure]:
    """A week of figures of 20 apps, every one of them moving all the time."""
    rng = random.Random(seed)
    store = RollupStore(folder, None)
    minutes = Minutes()
    plant = Plant(seed)
    state, fresh = State(), []

    def heard(now: float, fact: facts.Fact, config: Config, before: State, judged: Judgement) -> None:
        minutes.saw(now, WALL + now, fact, before, judged.state, judged.events)
        fresh.append(judged.state)

    with listening(heard):
        plant.live(1800.0)
    state = fresh[-1]
    lived = [span for span in minutes.closed() if span[0] == MINUTE][-1][2]
    begin, bounds = int(WALL) // HOUR * HOUR, Config().history
    assert state.apps and len(lived) > 10 * APPS
    for at in range(begin, begin + WEEK, MINUTE):
        spans = [(MINUTE, at, {key: _moved(point, at, rng) for key, point in lived.items()})]
        if at % HOUR == 0:
            spans.append((HOUR, at, {key: _moved(point, at, rng) for key, point in lived.items()}))
        store.add(spans, ())
        if at % 900 == 840:
            store.flush(float(at - begin), bounds.keep, bounds.max_size)
    begun = time.perf_counter()
    series = list(store.rollups(begin, begin + WEEK))
    took = time.perf_counter() - begun
    note = f"{len(lived)} series; a week of hours is read in {took:.2f} s, {sum(len(s.points) for s in series)} points"
    return [
        Figure("a week of history, 20 apps, on disk", (folder / NAME).stat().st_size / 1e6, 50, "MB", 1, None, note)
    ]


def _moved(point: Point, at: int, rng: random.Random) -> Point:
    low, high = point.min * rng.uniform(0.8, 1.0), point.max * rng.uniform(1.0, 1.2)
    return replace(point, begin=at, min=low, max=high, mean=rng.uniform(low, high), last=rng.uniform(low, high))
