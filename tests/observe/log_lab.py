"""Readers of logs in a laboratory: a clock that a test moves, and an engine whose streams it fills."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from edged.config import Logs
from edged.observe.jobs import LogsJob, LogTarget
from edged.observe.log_readers import LogReaders
from edged.ports import LogLine, LogRead, PortError
from edged.vocabulary.facts import CheckFailed, LogsCounted
from edged.vocabulary.log_facts import LogCount

BEGAN = 1_795_253_149.0


def stamp(wall: float) -> str:
    return datetime.fromtimestamp(int(wall), UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{wall % 1 * 1e9:09.0f}Z"


class Clock:
    def __init__(self) -> None:
        self.t, self.set = 0.0, BEGAN

    def now(self) -> float:
        return self.t

    def wall(self) -> float:
        return self.set + self.t


class Stream:
    def __init__(self, engine: Engine, container: str, since: str, tail: int) -> None:
        self.engine, self.container, self.closed = engine, container, False
        log = engine.logs[container]
        past = log[len(log) - min(tail, len(log)) :]
        self.waiting = [line for line in past if not since or _wall(line) >= float(since)]
        self.since, self.read_sizes, self.error = since, list[int](), None
        self.ended = False

    error: PortError | None

    def read(self, most: int) -> LogRead:
        assert not self.closed and most > 0
        if self.error is not None:
            raise self.error
        size, lines = 0, []
        while self.waiting and size < most:
            line = self.waiting.pop(0)
            size += len(line.text) + 40
            lines.append(line)
        self.engine.taken[self.container] = self.engine.taken.get(self.container, 0) + size
        self.engine.clock.t += size * self.engine.cost
        return LogRead(lines, size, self.ended and not self.waiting)

    def close(self) -> None:
        self.closed = True


def _wall(line: LogLine) -> float:
    return datetime.fromisoformat(line.at[:26] + "Z").timestamp()


class Engine:
    """Log lines by container, kept for ever, and who follows them."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.logs, self.streams = clock, dict[str, list[LogLine]](), list[Stream]()
        self.refuses: dict[str, PortError] = {}
        self.asked: list[tuple[str, str, int]] = []
        self.taken: dict[str, int] = {}
        self.cost = 0.0
        """Seconds that a byte takes."""

    def follow_logs(self, container: str, since: str, tail: int, timeout: float) -> Stream:
        self.asked.append((container, since, tail))
        if container in self.refuses:
            raise self.refuses[container]
        self.logs.setdefault(container, [])
        stream = Stream(self, container, since, tail)
        self.streams.append(stream)
        return stream

    def write(self, container: str, *texts: str, wall: float | None = None) -> None:
        at = self.clock.wall() if wall is None else wall
        for number, text in enumerate(texts):
            line = LogLine(stamp(at + number * 1e-6), text.encode() + b"\n")
            self.logs.setdefault(container, []).append(line)
            for stream in self.streams:
                if stream.container == container and not stream.closed and at >= float(stream.since or 0.0):
                    stream.waiting.append(line)

    def end(self, container: str) -> None:
        for stream in self.streams:
            stream.ended = stream.ended or stream.container == container

    def open(self) -> list[Stream]:
        return [stream for stream in self.streams if not stream.closed]


class Lab:
    def __init__(self) -> None:
        self.clock = Clock()
        self.engine = Engine(self.clock)
        self.readers = self.fresh()
        self.targets: dict[str, LogTarget] = {}
        self.told: list[LogCount] = []
        self.failed: list[CheckFailed] = []

    def fresh(self) -> LogReaders:
        engine: Any = self.engine
        return LogReaders(engine, self.clock, monotonic=self.clock.now, pause=self.pause)

    def pause(self, seconds: float) -> None:
        self.clock.t += seconds

    def watch(self, app: str, container: str = "", started: float = 0.0, **rules: Any) -> None:
        self.targets[app] = LogTarget(app=app, rules=Logs(**rules), container=container, started=started)

    def run(self, seconds: float = 1.0) -> Lab:
        """Rounds, a second apart."""
        until = self.clock.t + seconds
        while self.clock.t < until:
            apps = tuple(self.targets.values())
            facts = self.readers.take(LogsJob(check="logs", subject="host", every=1.0, deadline=30.0, apps=apps))
            for fact in facts:
                if isinstance(fact, LogsCounted):
                    self.told += fact.apps
                elif isinstance(fact, CheckFailed):
                    self.failed.append(fact)
            self.clock.t = max(self.clock.t, int(self.clock.t) + 1.0)
        return self

    def restart(self) -> Lab:
        """edged ends at once and begins with what was kept."""
        kept = {}
        for one in self.told:
            if one.position:
                kept[one.app] = one.position
        self.readers = self.fresh()
        self.targets = {name: replace(t, resume=kept.get(name, "")) for name, t in self.targets.items()}
        for stream in self.engine.streams:
            stream.closed = True
        return self

    def kept(self, app: str) -> int:
        """Errors counted up to the position that survives."""
        mine = [one for one in self.told if one.app == app]
        last = max((n for n, one in enumerate(mine) if one.position), default=-1)
        return sum(one.counts.get("errors", 0) for one in mine[: last + 1])

    def forget(self) -> None:
        """What was told after the last position was kept is lost with edged."""
        for app in {one.app for one in self.told}:
            mine = [n for n, one in enumerate(self.told) if one.app == app]
            last = max((n for n in mine if self.told[n].position), default=-1)
            self.told = [one for n, one in enumerate(self.told) if one.app != app or n <= last]

    def total(self, app: str, what: str = "errors") -> int:
        mine = [one for one in self.told if one.app == app]
        if what in ("lines", "skipped"):
            return sum(getattr(one, what) for one in mine)
        return sum(number for one in mine for kind, number in one.counts.items() if kind == what)
