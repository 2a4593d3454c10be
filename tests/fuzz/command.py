"""Hostile orders through intake and judge: no effect, no crash, each one refused with its code and counted exactly."""

from __future__ import annotations

import random
import resource
import sys
import time
import traceback
from collections import Counter
from typing import Any

from msgspec.structs import replace

from edged.adapters import ed25519
from edged.config.model import Commands, Config, Device
from edged.judge import judge
from edged.observe.reception import Reception
from edged.vocabulary import facts
from edged.vocabulary.events import CommandAnswered, CommandsRefused, Event
from edged.vocabulary.state import State
from edged.vocabulary.trust import TrustedKey
from tests.bench.measure import Figure
from tests.fixtures.orders import rfc3339
from tests.judge.world import World, app

from .orders import DEVICE, Attempt, Corpus

WALL = 1.8e9
PACES = (0.001, 0.02, 5.0)
"""Seconds on everybody's clock between two messages: in a flood, and one by one."""
_DEADLINE = 5.0


class Site:
    """A device: the real reception, the real judge, and a clock that the test moves."""

    def __init__(self, keys: tuple[TrustedKey, ...], device: str = DEVICE, wall: float = WALL) -> None:
        """``wall``: Unix time at the beginning."""
        config = Config(
            device=Device(id=device, labels={"site": "plant-a"}), commands=Commands(per_minute=1_000_000, open=1000)
        )
        world = World({"a": app(), "b": app()}, config=config)
        world.feed(facts.ConfigLoaded(at=world.now, digest="d", path="p", trusted=keys))
        world.run(2.0)
        world.host(clock_synced=True, wall=wall)
        self.state: State = world.state
        self.config, self.began, self.at = world.config, world.now, world.now
        self._wall = wall
        self.facts: list[facts.Fact] = []
        self.reception = Reception(device, lambda: keys, self, self.facts.append, ed25519.verify)

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return self._wall + self.at - self.began

    def judge(self, fact: facts.Fact) -> tuple[tuple[Any, ...], tuple[Event, ...]]:
        judged = judge(self.state, fact, self.config, self.at)
        self.state = judged.state
        return judged.actions, judged.events


class Score:
    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.effects = self.crashes = self.wrong = 0
        self.refused = self.told = self.genuine = self.done = 0


def run(count: int, seed: int) -> list[Figure]:
    corpus = Corpus(random.Random(seed), WALL)
    keys = (
        *(sender.key for sender in corpus.keys.values()),
        replace(corpus.expired.key, expires=rfc3339(WALL - 1.0)),
        replace(corpus.elsewhere.key, devices=("press-8",)),
    )
    site, score = Site(keys), Score()
    first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun, slowest = time.monotonic(), 0.0
    for number in range(count):
        corpus.wall = site.wall()
        attempt = corpus.next()
        at = time.monotonic()
        try:
            _one(site, score, attempt, number)
        except BaseException as error:
            score.crashes += 1
            if isinstance(error, KeyboardInterrupt):
                raise
            print(f"message {number} ({attempt.name}) crashed:", file=sys.stderr)
            traceback.print_exc(limit=-4, file=sys.stderr)
        slowest = max(slowest, time.monotonic() - at)
        site.at += corpus.random.choice(PACES)
        if site.reception.flush_at and site.at >= site.reception.flush_at:
            _flush(site, score)
    site.at += 60.0
    _flush(site, score)
    _tell(score, site.judge(facts.Tick(at=site.at))[1])
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - first) / 1024
    told = ", ".join(f"{code} {n}" for code, n in score.outcomes.most_common())
    print(f"{count} messages, {count / (time.monotonic() - begun):.0f} a second: {told}", file=sys.stderr)
    undone = score.genuine - score.done
    return [
        Figure("command: messages that crashed it", score.crashes, 0, "", count),
        Figure("command: refused messages that had an effect", score.effects, 0, "", count),
        Figure("command: refusals with a wrong reason code", score.wrong, 0, "", count),
        Figure("command: refusals not told, or told twice", abs(score.refused - score.told), 0, "", score.refused),
        Figure("command: genuine ones among them not carried out", undone, 0, "", score.genuine),
        Figure("command: growth of peak memory over all messages", grown, 64.0, "MB", count),
        Figure("command: slowest message", slowest, _DEADLINE, "s", count),
    ]


def _one(site: Site, score: Score, attempt: Attempt, number: int) -> None:
    genuine = not attempt.codes
    score.genuine += genuine
    _tell(score, site.judge(facts.Tick(at=site.at))[1])  # what time alone changes is nobody's effect
    before, windows = site.state, site.state.authority.windows
    found = site.reception.take(attempt.topic, attempt.data, number)
    actions: tuple[Any, ...] = ()
    code = found.code
    while site.facts:
        fact = site.facts.pop(0)
        actions, events = site.judge(fact)
        _tell(score, events)
        if isinstance(fact, facts.OrderReceived):
            code = _outcome(before, fact, events)
            if not code:
                code = next((e.code for e in events if isinstance(e, CommandsRefused)), "counted")
    score.outcomes[f"{attempt.name}: {code}"] += 1
    if genuine:
        score.done += code == "succeeded"
        return
    score.refused += 1
    score.told += code == "repeated"
    if code not in attempt.codes:
        score.wrong += 1
        print(f"message {number} ({attempt.name}): {code!r}, not one of {sorted(attempt.codes)}", file=sys.stderr)
    same = all(new is old for new, old in zip(_thing(site.state), _thing(before), strict=True))
    # Nonsense that is rightly signed has used up its counter, and nothing else has.
    if actions or not same or (site.state.authority.windows is not windows and attempt.name != "bad arguments"):
        score.effects += 1
        print(f"message {number} ({attempt.name}), {code}: had an effect: {actions}", file=sys.stderr)


def _thing(state: State) -> tuple[Any, ...]:
    """What a refused order may not touch."""
    a = state.authority
    return (state.apps, state.commands, state.config, state.host, state.engine, a.file, a.added, a.revoked, a.time)


def _outcome(before: State, fact: facts.OrderReceived, events: tuple[Event, ...]) -> str:
    answers = [e for e in events if isinstance(e, CommandAnswered) and e.id == fact.order.id]
    if not answers:
        return ""
    known = before.answered.get(fact.order.id)
    return "repeated" if known is not None else answers[-1].reason or answers[-1].status


def _tell(score: Score, events: tuple[Event, ...]) -> None:
    """Counts what the audit gets to see of refusals: one by one, or as a number."""
    for event in events:
        if isinstance(event, CommandsRefused):
            score.told += event.count
        elif isinstance(event, CommandAnswered) and event.status in ("rejected", "expired") and event.request:
            score.told += 1


def _flush(site: Site, score: Score) -> None:
    site.reception.flush()
    for fact in site.facts:
        _tell(score, site.judge(fact)[1])
    site.facts.clear()
