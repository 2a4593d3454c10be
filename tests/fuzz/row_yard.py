"""Apps with each kind of source of inputs, and a judge of what is counted; what is told must be told once."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec

from edged.adapters.inputs.row_file import FileRows
from edged.adapters.inputs.row_http import HttpRows
from edged.adapters.inputs.row_mqtt import rows_of
from edged.adapters.probes import SocketProber
from edged.config import App, Columns, Config, Drift, Source
from edged.inputs import reference
from edged.inputs.learning import Learner
from edged.inputs.rows import table
from edged.judge import judge
from edged.observe.input_rows import InputReaders
from edged.observe.jobs import InputsJob
from edged.ports import Chunk, PortError, RowSource
from edged.vocabulary.events import AlertCleared, AlertRaised, CheckBroken
from edged.vocabulary.facts import AnyFact, CheckFailed, Fact
from edged.vocabulary.state import AppState, State

from .row_lines import good, good_cells
from .telling import news

WINDOW = 100
BAD = b"7"
"""No row. One is in every reading of hostile rows, so that it never seems to be over before it is."""
CALM, CALM_ROWS = 50, 20
"""Readings of each source and rows of each: windows enough for everything to be over."""
_decoder = msgspec.json.Decoder(AnyFact)


class Clock:
    now_ = 1000.0

    def now(self) -> float:
        return self.now_

    wall = now


class Prober(SocketProber):
    """Answers with what the fuzzer made."""

    body, status = b"", 200
    asked = 0

    def call(self, method: str, url: str, timeout: float, **_: Any) -> tuple[int, bytes]:
        """Once: rows with another cursor for ever would be read on for as long as a check may take."""
        self.asked += 1
        return (self.status, self.body) if self.asked == 1 else (204, b"")


class Messages:
    """An MQTT topic without the broker."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []

    def read(self, most: int) -> Chunk:
        lines, refused = rows_of(self.waiting)
        self.waiting = []
        return Chunk(lines=lines, refused=refused)

    def close(self) -> None: ...


class Yard:
    """Implements ``ports.Inputs`` with three sources, and judges whatever is counted."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.folder, self.rng, self.clock = folder, rng, Clock()
        self.prober, self.messages = Prober(), Messages()
        self.apps = {
            "ndjson": App(drift=Drift(source=Source(file=str(folder / "rows.ndjson")), window=WINDOW, every=10.0)),
            "csv": App(drift=Drift(source=Source(file=str(folder / "rows.csv")), window=WINDOW, every=10.0)),
            "http": App(drift=Drift(source=Source(http="http://127.0.0.1:1/"), window=WINDOW, every=10.0)),
            "mqtt": App(drift=Drift(source=Source(mqtt="mqtt://127.0.0.1/x"), window=WINDOW, every=10.0)),
        }
        self.config = Config(apps=self.apps)
        self.state = State(apps={n: AppState(name=n, config=a, condition="healthy") for n, a in self.apps.items()})
        self.shipped_bytes = reference.encode(_reference(rng))
        self.input_readers = InputReaders(self, self.clock)
        self.wrong: list[str] = []
        self.events = 0
        self.firing: set[tuple[str, str]] = set()
        self.quality: defaultdict[str, list[bool]] = defaultdict(list)

    def open(self, app: str, source: Source, *, csv: bool, position: str) -> RowSource:
        if source.file:
            return FileRows(Path(source.file), csv=csv, position=position, catch_up=2**20)
        return HttpRows(source.http, self.prober, position=position) if source.http else self.messages

    def shipped(self, app: str, model: str) -> bytes:
        return self.shipped_bytes

    def learned(self, app: str, key: str) -> bytes:
        return b""

    def keep(self, app: str, key: str, reference: bytes) -> None:
        """Nothing is learned here: the model brings its own."""

    def unfinished(self, app: str) -> bytes:
        return b""

    def keep_unfinished(self, app: str, data: bytes) -> None:
        return None

    def take(self, name: str) -> str:
        """One reading, as the runner does it: facts, or the news that there are none."""
        rules = self.apps[name].drift
        assert rules is not None
        job = InputsJob(
            check="inputs", subject=name, every=10.0, deadline=30.0, rules=rules, model="sha256:" + "0" * 64,
            generation=0, resume="", quiet=True,
        )  # fmt: skip
        self.clock.now_ += 1.0
        facts: tuple[Fact, ...]
        failed = False
        try:
            facts = self.input_readers.take(job)
        except PortError as error:
            failed, facts = True, (CheckFailed(at=self.clock.now_, check="inputs", subject=name, error=str(error)),)
        wanted = news(self.state.apps[name], "inputs", failed, self.clock.now_)
        said = [told for fact in facts for told in self._judge(fact)]
        if said != wanted or ("inputs" in self.state.apps[name].broken) != failed:
            self.wrong.append(f"{name}: told {said} of a reading that {'failed' if failed else 'went well'}")
        if failed:
            return "refused"
        return "counted" if any(getattr(fact, "rows", 0) for fact in facts) else "nothing"

    def _judge(self, fact: Fact) -> list[bool]:
        """What is told of the check itself."""
        again = _decoder.decode(msgspec.json.encode(fact))
        assert again == fact
        judged = judge(self.state, again, self.config, self.clock.now_)
        self.state = judged.state
        self.events += len(judged.events)
        for event in judged.events:
            msgspec.json.encode(event)
            if isinstance(event, AlertRaised | AlertCleared):
                begins, key = isinstance(event, AlertRaised), (event.subject, event.name)
                if begins == (key in self.firing):
                    self.wrong.append(f"{event.name} of {event.subject} was told twice")
                self.firing ^= {key}
                if event.name == "DataQuality":
                    self.quality[event.subject].append(begins)
        return [event.broken for event in judged.events if isinstance(event, CheckBroken)]

    def calm(self) -> None:
        """Nothing but good rows from every source, until all is as it was."""
        for path in self.folder.glob("rows.*"):
            path.unlink()
        (self.folder / "rows.csv").write_bytes(b"temp,flow,mode,n.a\n")
        self.messages.waiting.clear()
        self.prober.status = 200
        for name in self.apps:
            for number in range(CALM):
                rows = [(good_cells if name == "csv" else good)(self.rng) for _ in range(CALM_ROWS)]
                if number * CALM_ROWS < 2 * WINDOW:
                    rows.append(BAD)  # it is not over before the windows that hostile rows are in
                if name in ("csv", "ndjson"):
                    with (self.folder / f"rows.{name}").open("ab") as file:
                        file.write(b"\n".join([*rows, b""]))
                elif name == "http":
                    self.prober.asked = 0
                    self.prober.body = b'{"rows":[' + b",".join(rows) + b'],"cursor":"calm %d"}' % number
                else:
                    self.messages.waiting += rows
                inputs = self.state.inputs.get(name)
                # As many a second as usual: more of them would be trouble as well.
                if inputs is not None and inputs.state.rate:
                    self.clock.now_ += len(rows) / inputs.state.rate
                self.take(name)

    def over(self) -> None:
        """After hostile inputs and calm: there was trouble with every reading, so it began once and ended once."""
        for name in self.apps:
            if self.quality[name] != [True, False]:
                fires = self.state.apps[name].kept.alerts.get("DataQuality")
                about = f": {fires.summary}" if fires is not None else ""
                self.wrong.append(f"{name}: DataQuality began and ended {self.quality[name]}{about}")
        self.quality.clear()


def _reference(rng: random.Random) -> Any:
    learner = Learner(500)
    learner.add(table([good(rng) for _ in range(500)], b"", Columns()), csv=False)
    return learner.reference(learned=False)
