"""Hostile inputs of an app: lines, files, answers, messages, references. Nothing may crash, grow or be told twice."""

from __future__ import annotations

import json
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
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
from edged.vocabulary.events import AlertRaised
from edged.vocabulary.facts import AnyFact, Fact
from edged.vocabulary.state import AppState, State
from tests.bench.measure import Figure

from .inputs import NUMBERS, mutated

_DEADLINE = 2.0
"""Seconds that one input may take at the very most, its judgement included."""
_FEATURES = ("temp", "flow", "mode", "n.a")
_decoder = msgspec.json.Decoder(AnyFact)
NAMES = ("", "temp", "\0", "x" * 5000, "é" * 200, "\u202e", "a.b", "__class__", "n", "temp\n", "\ud800")


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
            "ndjson": App(drift=Drift(source=Source(file=str(folder / "rows.ndjson")), window=100, every=10.0)),
            "csv": App(drift=Drift(source=Source(file=str(folder / "rows.csv")), window=100, every=10.0)),
            "http": App(drift=Drift(source=Source(http="http://127.0.0.1:1/"), window=100, every=10.0)),
            "mqtt": App(drift=Drift(source=Source(mqtt="mqtt://127.0.0.1/x"), window=100, every=10.0)),
        }
        self.config = Config(apps=self.apps)
        self.state = State(apps={n: AppState(name=n, config=a, condition="healthy") for n, a in self.apps.items()})
        self.shipped_bytes = reference.encode(_reference(rng))
        self.input_readers = InputReaders(self, self.clock)
        self.raised: Counter[str] = Counter()
        self.told = 0

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

    def take(self, name: str) -> str:
        rules = self.apps[name].drift
        assert rules is not None
        job = InputsJob(
            check="inputs", subject=name, every=10.0, deadline=30.0, rules=rules, model="sha256:" + "0" * 64,
            generation=0, resume="", quiet=True,
        )  # fmt: skip
        self.clock.now_ += 1.0
        try:
            facts = self.input_readers.take(job)
        except PortError:
            return "refused"
        for fact in facts:
            self.judge(fact)
        return "counted" if any(getattr(fact, "rows", 0) for fact in facts) else "nothing"

    def judge(self, fact: Fact) -> None:
        again = _decoder.decode(msgspec.json.encode(fact))
        assert again == fact
        judged = judge(self.state, again, self.config, self.clock.now_)
        self.state = judged.state
        self.told += len(judged.events)
        for event in judged.events:
            msgspec.json.encode(event)
            if isinstance(event, AlertRaised):
                self.raised[event.name] += 1


def _reference(rng: random.Random) -> Any:
    learner = Learner(500)
    lines = [
        json.dumps({"temp": rng.gauss(20, 1), "flow": rng.random(), "mode": rng.choice("ab"), "n": {"a": 1}}).encode()
        for _ in range(500)
    ]
    learner.add(table(lines, b"", Columns()), csv=False)
    return learner.reference(learned=False)


def _value(rng: random.Random) -> Any:
    return rng.choice((
        rng.gauss(20, 1), rng.choice(NUMBERS), float("nan"), float("inf"), -1e308, 1e-320, "a", "b" * 3000, "\ud800",
        rng.choice(NAMES), None, True, [1, [2]], {"a": 1}, {"a": {"b": 2}}, {str(n): n for n in range(50)}, -0.0,
        10**400,
    ))  # fmt: skip


def line(rng: random.Random) -> bytes:
    """One row, or what is to pass for one."""
    kind = rng.randrange(8)
    if kind == 0:
        return rng.randbytes(rng.choice([0, 1, 50, 3000]))
    row: Any = {"temp": rng.gauss(20, 1), "flow": rng.random(), "mode": rng.choice("ab"), "n": {"a": 1}}
    for _ in range(rng.choice([0, 1, 1, 3])):
        row[rng.choice([*_FEATURES, *NAMES, f"k{rng.random()}"])] = _value(rng)
    if kind == 1:
        row = rng.choice([[row], 1, None, "x", [], {}, True])
    data = json.dumps(row).encode()
    if kind == 2:
        data = mutated(rng, data)
    if kind == 3 and rng.random() < 0.02:
        data = rng.choice(
            [b"[" * 100_000, b'{"a":' * 50_000, b"9" * 100_000, b" " * 100_000, b'{"temp":' + b"1" * 60_000]
        )
    return data


def cells(rng: random.Random) -> bytes:
    odd = ("1", "", "nan", "-inf", "1e999", "a", '"', '"a,b"', "\0", "1_0", "é", "0x1", " 5 ", "9" * 400)
    values = [rng.choice(odd) for _ in range(rng.choice([3, 3, 3, 0, 1, 50]))]
    data = ",".join(values).encode()
    return mutated(rng, data) if rng.random() < 0.2 else data


def _files(yard: Yard, name: str, make: Callable[[random.Random], bytes], header: bytes) -> str:
    rng, path = yard.rng, yard.folder / f"rows.{name}"
    if header and not path.exists():
        path.write_bytes(rng.choice([header, header, header, b"", b"\n", b"a,a,a\n", rng.randbytes(30) + b"\n"]))
    with path.open("ab") as file:
        file.write(b"\n".join(make(rng) for _ in range(rng.randrange(1, 12))) + rng.choice([b"\n", b"\n", b""]))
    how = rng.randrange(40)
    if how == 0:
        path.replace(path.with_name(path.name + ".1"))
    elif how == 1:
        path.write_bytes(rng.randbytes(rng.randrange(2000)))
    elif how == 2:
        with path.open("r+b") as file:
            file.truncate(rng.randrange(path.stat().st_size + 1))
    elif how in (3, 5, 6):
        path.unlink()
    elif how == 4 and rng.random() < 0.1:
        with path.open("ab") as file:
            file.truncate(path.stat().st_size + 3 * 2**20)  # a hole
    outcome = yard.take(name)
    if path.exists() and path.stat().st_size > 2**20:
        path.unlink()
    return f"{name} {outcome}"


def _http(yard: Yard) -> str:
    rng = yard.rng
    rows = b",".join(line(rng) for _ in range(rng.randrange(8)))
    cursor = json.dumps(rng.choice([str(rng.random()), "", "x" * 5000, 7, None, "same"])).encode()
    body = rng.choice([
        b'{"rows":[' + rows + b'],"cursor":' + cursor + b"}",
        b"\n".join([*(line(rng) for _ in range(4)), b'{"cursor":' + cursor + b"}"]),
        rows, b"", b"{}", b"null", b"[" * 50_000,
    ])  # fmt: skip
    yard.prober.body = mutated(rng, body) if rng.random() < 0.2 else body
    yard.prober.status = rng.choice([200, 200, 200, 200, 204, 404, 410, 500])
    yard.prober.asked = 0
    return f"http {yard.take('http')}"


def _mqtt(yard: Yard) -> str:
    rng = yard.rng
    for _ in range(rng.randrange(1, 6)):
        data = line(rng)
        yard.messages.waiting.append(rng.choice([data, b"[" + data + b"," + line(rng) + b"]", b"[]", b"[1,", b""]))
    return f"mqtt {yard.take('mqtt')}"


def _shipped(yard: Yard) -> str:
    try:
        reference.decode(mutated(yard.rng, yard.shipped_bytes))
    except ValueError:
        return "reference refused"
    return "reference taken"


def _position(yard: Yard) -> str:
    rng = yard.rng
    at = json.dumps({"inode": rng.choice(NUMBERS), "offset": rng.choice(NUMBERS), "print": rng.choice(NAMES)}).encode()
    position = rng.choice([at, mutated(rng, at), rng.randbytes(20)]).decode("utf-8", "replace")
    try:
        FileRows(yard.folder / "rows.ndjson", csv=False, position=position).read(1000)
    except PortError:
        return "position refused"
    return "position taken"


def run(count: int, seed: int) -> list[Figure]:
    """``count`` inputs; each seed has its own."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="edged-rows-", dir=memory if memory.is_dir() else None))
    try:
        return _run(Yard(folder, random.Random(seed)), count)
    finally:
        shutil.rmtree(folder)


def _run(yard: Yard, count: int) -> list[Figure]:
    makers: list[Callable[[], str]] = [
        lambda: _files(yard, "ndjson", line, b""), lambda: _files(yard, "csv", cells, b"temp,flow,mode\n"),
        lambda: _http(yard), lambda: _mqtt(yard), lambda: _shipped(yard), lambda: _position(yard),
    ]  # fmt: skip
    outcomes: Counter[str] = Counter()
    crashes, slowest, first = 0, 0.0, 0
    begun = time.monotonic()
    for number in range(count):
        if number == min(1000, count // 2):
            first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        at = time.monotonic()
        try:
            outcome = yard.rng.choice(makers)()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            crashes += 1
            outcome = f"CRASH {type(error).__name__}"
            print(f"input {number} crashed:", file=sys.stderr)
            traceback.print_exc(limit=-5, file=sys.stderr)
        slowest = max(slowest, time.monotonic() - at)
        outcomes[outcome] += 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - first) / 1024
    rate = count / (time.monotonic() - begun)
    told = ", ".join(f"{code} {n}" for code, n in outcomes.most_common())
    print(f"{count} inputs, {rate:.0f} a second: {told}; alerts raised: {dict(yard.raised)}", file=sys.stderr)
    kept = max(len(msgspec.json.encode(inputs)) for inputs in yard.state.inputs.values())
    hours = max(1.0, (yard.clock.now_ - Clock.now_) / 3600.0)
    return [
        Figure("inputs: that crashed", crashes, 0, "", count),
        Figure("inputs: growth of peak memory", grown, 64.0, "MB", count),
        Figure("inputs: slowest one", slowest, _DEADLINE, "s", count),
        Figure("inputs: alerts raised an hour and app, all rows bad", yard.raised["DataQuality"] / len(yard.apps)
               / hours, 2.0, "", count, None, f"{yard.told} events in {hours:.0f} hours"),
        Figure("inputs: what is remembered of an app", kept / 1024, 4.0 * len(_FEATURES) + 4.0, "KB", count),
    ]  # fmt: skip
