"""One round: faults begin as planned, in any overlap; all of them end; then everything must come to rest."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path

from msgspec import Struct

from edged.cli import Failure
from tests.fixtures.broker import Mosquitto
from tests.fixtures.engine import Engine
from tests.fixtures.load import Account

from . import oracle
from .crew import LOOP_SECONDS, Crew
from .oracle import Broken, Told
from .plan import AppFault, Round, Shot, Spell
from .site import HOUR, Site

REST = 120.0
"""Seconds within which all is well again after the last fault: more than any wait of the configuration."""
PERSON = 15.0
"""Seconds after which a person comes who was called."""
QUIET = 3.0
"""Seconds for which it has to stay so."""
_LASTING = ThreadPoolExecutor(1)
"""A dockerd ends with the thread that started it."""
MISTAKES = ("Traceback", "internal error", "failed by a mistake")


class Result(Struct, frozen=True):
    round: Round
    broken: tuple[Broken, ...]
    done: Counter[str]
    """Faults that could be done, by kind."""
    ends: Counter[str]
    """How what edged was asked for ended."""
    missed: int
    repaired: int
    """Containers that the engine itself had lost, and that a person has to make anew."""
    events: int
    seconds: float


def conduct(engine: Engine, broker: Mosquitto, crew: Crew, folder: Path, plan: Round, quiet: float = QUIET) -> Result:
    begun, wall = time.monotonic(), time.time()
    crew.heal()
    site = Site(engine, broker, folder, plan.number, crew.ports)
    done: Counter[str] = Counter()
    try:
        site.start()
        _wait(site.healthy, REST)
        missed = _faults(site, crew, plan, done)
        crew.heal()
        wrong, repaired = _rest(site, crew, quiet)
        broken = [Broken("healthy", what) for what in wrong]
        site.edged.stop(within=30.0)
        events = _told(site, wall)
        _wait(lambda: _last(events) in _arrived(site), 10.0)
        (folder / "events").write_text("\n".join(map(str, events)))
        needy = frozenset(name for number, name in enumerate(crew.names) if number % 3 == 2)
        broken += oracle.check(events, _arrived(site), needy)
        text = site.edged.text()
        broken += [Broken("no mistake", f"the log of edged has {word!r}") for word in MISTAKES if word in text]
    except (AssertionError, RuntimeError, OSError, sqlite3.Error, Failure) as error:
        broken, events, missed, repaired = [Broken("healthy", f"the round could not be carried out: {error}")], [], 0, 0
    finally:
        site.end()
        engine.start()
        engine.thaw()
    ends = oracle.ends(events)
    return Result(plan, tuple(broken), done, ends, missed, repaired, len(events), time.monotonic() - begun)


def _faults(site: Site, crew: Crew, plan: Round, done: Counter[str]) -> int:
    """All of them; returns how many could not be done, since what they were to hit was away."""
    begun, missed, failed = time.monotonic(), 0, list[str]()
    threads = [threading.Thread(target=_hold, args=(site, spell, begun, failed), daemon=True) for spell in plan.spells]
    for thread in threads:
        thread.start()
    calm: list[tuple[float, str]] = []
    for shot in plan.shots:
        while (left := begun + shot.at - time.monotonic()) > 0.0:
            time.sleep(min(left, 0.2))
            calm = _calmed(crew, calm)
        name = crew.names[shot.app]
        if not crew.fail(name, shot.what, partial(_ask, site, crew, shot)):
            missed += 1
            continue
        done[_name(shot.what)] += 1
        if shot.what == "loop":
            calm.append((time.monotonic() + LOOP_SECONDS, name))
    while calm:
        time.sleep(0.1)
        calm = _calmed(crew, calm)
    for thread, spell in zip(threads, plan.spells, strict=True):
        thread.join(60.0)
        if thread.is_alive():
            raise RuntimeError(f"{spell.what} did not come to its end")
        done[spell.what] += 1
    if failed:
        raise RuntimeError("; ".join(failed))
    return missed


def _name(what: AppFault) -> str:
    return "kill loop" if what == "loop" else what


def _calmed(crew: Crew, calm: list[tuple[float, str]]) -> list[tuple[float, str]]:
    for at, name in calm:
        if time.monotonic() >= at:
            crew.calm(name)
    return [(at, name) for at, name in calm if time.monotonic() < at]


def _ask(site: Site, crew: Crew, shot: Shot, app: str) -> None:
    """Refused, much of the time: so much else is going on."""
    orders: list[tuple[str, dict[str, str]]] = []
    match shot.what:
        case "drill":
            orders = [("drill.run", {"kind": ("kill", "hang", "unhealthy")[int(shot.at * 100) % 3]})]
        case "deploy":
            site.deployed[app] += 1
            orders = [("config.deploy", {"bundle": str(crew.bundle(site.deployed[app]))})]
        case "restore":
            orders = [("data.backup", {}), ("data.restore", {})]

    def ask() -> None:
        for kind, more in orders:
            try:
                site.edged.command(kind, app=app, **more)
            except (Failure, IndexError, OSError, ValueError):
                return  # edged was killed meanwhile

    threading.Thread(target=ask, daemon=True).start()


def _hold(site: Site, spell: Spell, begun: float, failed: list[str]) -> None:
    time.sleep(max(0.0, begun + spell.at - time.monotonic()))
    begin, end = _ways(site, spell)
    try:
        begin()
        time.sleep(spell.seconds)
        end()
    except (AssertionError, RuntimeError, OSError, subprocess.SubprocessError) as error:
        failed.append(f"{spell.what}: {error}")


def _ways(site: Site, spell: Spell) -> tuple[Callable[[], None], Callable[[], None]]:
    """How it begins and ends."""
    engine, broker = site.engine, site.broker
    match spell.what:
        case "dependency":
            return site.plant.down, site.plant.up
        case "engine stop":
            return engine.stop, lambda: _LASTING.submit(engine.start).result()
        case "engine crash":
            return engine.crash, lambda: _LASTING.submit(engine.start).result()
        case "engine freeze":
            return engine.freeze, engine.thaw
        case "disk":
            return site.disk.fill, site.disk.make_room
        case "clock":
            return lambda: site.clock.jump(spell.size), lambda: site.clock.jump(0)
        case "broker":
            return broker.stop, broker.start
        case "edged":
            return site.edged.kill, site.start


def _rest(site: Site, crew: Crew, quiet: float) -> tuple[list[str], int]:
    """What is still not well when it should be, and how many containers had to be made anew."""
    begun, well, seen, repaired = time.monotonic(), 0.0, 0, 0
    while True:
        wrong, now = site.unsettled(), time.monotonic()
        if wrong:
            well = 0.0
            if now > begun + REST:
                return wrong, repaired
            if now > begun + PERSON * (repaired + 1):
                text = site.edged.text()
                repaired += len(crew.repair(text[seen:]))
                seen = len(text)
                site.back_up_again()
        elif not well:
            well = now
        elif now >= well + quiet:
            return [], repaired
        time.sleep(0.2)


def _told(site: Site, begun: float) -> list[Told]:
    """The whole log, as it is on disk. The wall clock jumps by whole hours, and a round takes less than one."""
    with closing(sqlite3.connect(f"file:{site.disk.folder / 'edged.db'}?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT sequence, boot, payload FROM event ORDER BY sequence").fetchall()
    found = []
    for sequence, boot, payload in rows:
        event = json.loads(payload)
        at = (datetime.fromisoformat(event["time"]).timestamp() - begun) % HOUR
        kind = event["type"].removeprefix("dev.edged.")
        found.append(Told(sequence, boot, at, kind, event.get("subject", ""), event["data"]))
    return found


def _last(events: list[Told]) -> int:
    return max((event.sequence for event in events), default=0)


def _arrived(site: Site) -> set[int]:
    return set(Account.of(site.reader, f"edged/v1/{site.name}/event").firsts)


def _wait(condition: Callable[[], bool], within: float) -> None:
    deadline = time.monotonic() + within
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
