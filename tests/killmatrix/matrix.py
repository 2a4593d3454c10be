"""All points, each killed at once before and after, in several lanes side by side."""

from __future__ import annotations

import queue
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import docker
from msgspec import Struct

from edged.cli import Failure
from tests.fixtures.engine import Engine

from .check import at_the_end, whole_now
from .lane import SETTINGS, Asked, Lane, Setting, Wrong, end_process
from .power import Disk
from .wares import Ware

Story = Literal["good", "bad", "first"]
STORIES: tuple[Story, ...] = ("good", "bad", "first")
"""One that stays; one that is taken back, killed on the way back; the first one of an app's life."""
WITHIN = 60.0
"""Seconds that a deployment may take in all, with a restart of edged in it, on a machine that is busy."""
FIRSTS = 20
TROUBLE = (
    Wrong, Failure, OSError, ValueError, AssertionError, RuntimeError, sqlite3.Error, subprocess.SubprocessError,
    docker.errors.DockerException,
)  # fmt: skip
BACK = ("rolling_back", "reverting", "rolled_back")


class Case(Struct, frozen=True):
    """One kill."""

    setting: str
    story: Story
    point: str
    times: int = 1
    """At the so-manieth passing."""


class Result(Struct, frozen=True):
    case: Case
    wrong: str = ""
    end: str = ""
    """The deployment's last phase; empty: edged had not told anybody that there is one."""
    why: str = ""
    """What edged had against a good one that it took back."""
    seconds: float = 0.0


class Matrix:
    """``power``: what the file system had not been made to write is lost with the kill."""

    def __init__(self, engine: Engine, folder: Path, power: bool) -> None:
        self._engine, self._folder, self._power = engine, folder, power
        self._made = 0
        self._lock = threading.Lock()

    @contextmanager
    def lane(self, setting: Setting) -> Iterator[Lane]:
        with self._lock:
            self._made += 1
            name = f"app{self._made}{'-power' * self._power}"
        folder = self._folder / name
        disk = Disk(folder.with_name(f"{name}-disk")) if self._power else None
        lane = Lane(self._engine, folder, name, setting, disk.mount() if disk is not None else None)
        lane.disk, lane.boot = disk, int(self._power)
        try:
            lane.begin()
            yield lane
        finally:
            try:
                lane.end()
            finally:
                if disk is not None:
                    disk.end()
                shutil.rmtree(folder, ignore_errors=True)

    def points(self, setting: Setting) -> dict[Story, Counter[str]]:
        """What is passed without any kill, and how often."""
        found: dict[Story, Counter[str]] = {}
        with self.lane(setting) as lane:
            stories: tuple[tuple[Story, bool], ...] = (("first", False), ("good", False), ("bad", True))
            for story, spoilt in stories:
                (lane.kill / "points").unlink(missing_ok=True)
                (lane.kill / "record").touch()
                ware = lane.next_ware(spoilt)
                lane.ask(ware).wait(WITHIN)
                lane.wait_over(WITHIN)
                (lane.kill / "record").unlink()
                if not spoilt:
                    lane.placed = ware
                at_the_end(lane, lane.placed)
                passed = Counter((lane.kill / "points").read_text().split())
                if story == "bad":  # the way there is that of a good one
                    passed = Counter({point: n for point, n in passed.items() if point.split("/")[0] in BACK})
                found[story] = passed
        return found

    def run(self, cases: Sequence[Case], lanes: int, told: Callable[[Result], None]) -> list[Result]:
        """Every case, ``lanes`` at a time."""
        results: list[Result] = []

        def work(setting: Setting, own: queue.SimpleQueue[Case]) -> None:
            while True:
                try:
                    for result in self._serve(setting, own):
                        results.append(result)
                        told(result)
                    return
                except TROUBLE as trouble:
                    results.append(Result(Case(setting.name, "good", "lane"), f"the lane itself: {trouble}"))
                    told(results[-1])

        threads = []
        by_setting = {name: [case for case in cases if case.setting == name] for name in SETTINGS}
        for name, own in by_setting.items():
            waiting: queue.SimpleQueue[Case] = queue.SimpleQueue()
            for case in own:
                waiting.put(case)
            for _ in range(min(len(own), max(1, round(lanes * len(own) / len(cases))))):
                threads.append(threading.Thread(target=work, args=(SETTINGS[name], waiting), daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        done = [result.case for result in results]
        return [*results, *(Result(case, "never tried") for case in cases if case not in done)]

    def _serve(self, setting: Setting, cases: queue.SimpleQueue[Case]) -> Iterator[Result]:
        """One lane until something goes wrong with it, or all is done."""
        kept: Lane | None = None
        with ExitStack() as stack:
            while (case := _next(cases)) is not None:
                if case.story == "first":
                    with self.lane(setting) as lane:
                        yield self._one(lane, case)
                    continue
                if kept is None:
                    kept = stack.enter_context(self.lane(setting))
                    self._settle(kept)
                result = self._one(kept, case)
                yield result
                if result.wrong:  # what is not in order would be found again and again
                    stack.close()
                    kept = None

    def _settle(self, lane: Lane) -> None:
        """Something of edged's own is in place before the first kill."""
        ware = lane.next_ware(False)
        lane.ask(ware).wait(WITHIN)
        lane.wait_over(WITHIN)
        lane.placed = ware
        at_the_end(lane, ware)

    def _one(self, lane: Lane, case: Case) -> Result:
        begun, logged = time.monotonic(), len(lane.edged.text())
        wrong = end = why = ""
        try:
            end, why = self._kill(lane, case)
        except TROUBLE as trouble:
            wrong = f"{type(trouble).__name__}: {trouble}"
        if wrong or why:
            logs = self._folder / "logs"
            logs.mkdir(exist_ok=True)
            name = f"{lane.name}-{lane.sequence}{'' if wrong else '-rolled-back'}.log"
            (logs / name).write_text(f"{case}\n{wrong or why}\n{lane.edged.text()[logged:]}")
        return Result(case, wrong, end, why, time.monotonic() - begun)

    def _kill(self, lane: Lane, case: Case) -> tuple[str, str]:
        """Returns how the deployment ended, and what edged had against a good one that it took back."""
        (lane.kill / "killed").unlink(missing_ok=True)
        ware = lane.next_ware(case.story == "bad")
        until_up(lane)
        known = set(lane.ends())
        how = 19 if lane.disk is not None else 9
        (lane.kill / "kill.new").write_text(f"{case.point}\n{case.times}\n{how}")
        (lane.kill / "kill.new").rename(lane.kill / "kill")
        asked = lane.ask(ware)
        struck = lane.wait_struck(asked, WITHIN)
        (lane.kill / "kill").unlink(missing_ok=True)
        if not struck:
            raise Wrong(f"{case.point} was not passed {case.times} times")
        if lane.disk is not None:
            lane.disk.lose(lane)
        else:
            assert lane.edged.process is not None
            end_process(lane.edged.process)
            whole_now(lane, lane.placed, ware)
        lane.wait_over(WITHIN)
        end = _judged(lane, case, ware, asked, known)
        return end, lane.said("rolled_back") if end == "rolled_back" and case.story != "bad" else ""


def _judged(lane: Lane, case: Case, ware: Ware, asked: Asked, known: set[str]) -> str:
    """How the deployment ended, if everything is as it has to be."""
    told = {identity: ends for identity, ends in lane.ends().items() if identity not in known}
    if len(told) > 1:
        raise Wrong(f"one was asked for, and there are {len(told)}")
    if not told:
        if asked.answers:
            raise Wrong("edged had accepted the deployment, and knows nothing of it any more")
        at_the_end(lane, lane.placed)
        return ""
    ((identity, ends),) = told.items()
    if len(ends) != 1:
        raise Wrong(f"{identity} has the ends {ends}")
    finals = [
        event for event in lane.edged.events("command.answered")
        if event["data"]["id"] == identity and event["data"]["status"] in ("succeeded", "failed", "rejected")
    ]  # fmt: skip
    if len(finals) > 1:
        raise Wrong(f"{identity} has {len(finals)} last answers")
    end = ends[0]
    if case.story == "bad" and end != "rolled_back":
        raise Wrong(f"a bad one has ended {end}")
    if end not in ("committed", "rolled_back"):
        raise Wrong(f"a good one has ended {end}")
    if end == "committed":
        lane.placed = ware
    at_the_end(lane, lane.placed)
    return end


def cases_of(name: str, found: dict[Story, Counter[str]], chance: random.Random) -> list[Case]:
    """Every point once; of one that is passed several times any passing. An app's first deployment needs an app of its
    own each time: of the points that a later one passes too it gets ``FIRSTS``."""
    again = sorted(found["first"].keys() & found["good"].keys())
    skipped = set(chance.sample(again, max(0, len(again) - FIRSTS)))
    cases = [
        Case(name, story, point, chance.randint(1, times)) for story, points in found.items()
        for point, times in sorted(points.items()) if story != "first" or point not in skipped
    ]  # fmt: skip
    chance.shuffle(cases)
    return cases


def until_up(lane: Lane) -> None:
    deadline = time.monotonic() + 30.0
    while lane.status() is None:
        if time.monotonic() > deadline:
            raise Wrong("edged does not answer")
        time.sleep(0.02)


def say(result: Result) -> None:
    if result.wrong:
        print(f"{result.case}: {result.wrong}", file=sys.stderr, flush=True)
    elif result.why:
        print(f"taken back though good: {result.case}: {result.why}", file=sys.stderr, flush=True)


def _next(cases: queue.SimpleQueue[Case]) -> Case | None:
    try:
        return cases.get_nowait()
    except queue.Empty:
        return None
