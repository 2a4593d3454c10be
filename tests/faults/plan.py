"""What is to go wrong when, drawn from a seed. Pure."""

from __future__ import annotations

import random
from typing import Literal

from msgspec import Struct

AppFault = Literal["kill", "hang", "oom", "unhealthy", "loop", "drill", "deploy", "restore"]
SiteFault = Literal["dependency", "engine stop", "engine crash", "engine freeze", "disk", "clock", "broker", "edged"]

WITHIN = 20.0
"""Seconds in which all faults of a round begin."""
APP_FAULTS: dict[AppFault, int] = {
    "kill": 4, "hang": 3, "oom": 3, "unhealthy": 3, "loop": 1, "drill": 1, "deploy": 2, "restore": 2,
}  # fmt: skip
"""By weight. ``loop``: it ends again and again, more often than its budget. ``deploy``: another configuration, every
second one of which makes it unhealthy. ``restore``: its data is backed up, and put back."""
ASKED: frozenset[AppFault] = frozenset({"drill", "deploy", "restore"})
"""What edged is asked for. It may refuse, most of all while much else goes on."""

SITE_FAULTS: tuple[SiteFault, ...] = (
    "dependency", "engine stop", "engine crash", "engine freeze", "disk", "clock", "broker", "edged",
)  # fmt: skip
LOOP = 8
"""Ends of an app in a loop."""


class Shot(Struct, frozen=True, order=True):
    """Something happens to one app."""

    at: float
    """Seconds into the round."""
    app: int
    what: AppFault


class Spell(Struct, frozen=True, order=True):
    """Something holds for a while, for all apps."""

    at: float
    what: SiteFault
    seconds: float
    size: int = 0
    """Of a jump of the clock, hours."""


class Round(Struct, frozen=True):
    """One schedule for each app, all at once, and what befalls the site meanwhile."""

    number: int
    shots: tuple[Shot, ...]
    spells: tuple[Spell, ...]


def rounds(count: int, apps: int, seed: int) -> list[Round]:
    """``count`` schedules in rounds of ``apps``."""
    chance = random.Random(seed)
    return [_round(number, min(apps, count - begun), chance) for number, begun in enumerate(range(0, count, apps))]


def _round(number: int, apps: int, chance: random.Random) -> Round:
    kinds, weights = list(APP_FAULTS), list(APP_FAULTS.values())
    shots = [
        Shot(round(chance.uniform(0.0, WITHIN), 2), app, what)
        for app in range(apps)
        for what in chance.choices(kinds, weights, k=chance.randint(1, 4))
    ]
    chosen = chance.sample(SITE_FAULTS, chance.randint(2, 5))
    engines = [what for what in chosen if what.startswith("engine")]
    chosen = [what for what in chosen if what not in engines[1:]]  # one engine goes down in one way at a time
    spells = [
        Spell(
            round(chance.uniform(0.0, 0.7 * WITHIN), 2), what, round(chance.uniform(1.0, 6.0), 2),
            chance.choice((-200_000, -5, 3, 90_000)) if what == "clock" else 0,
        )
        for what in chosen
    ]  # fmt: skip
    return Round(number, tuple(sorted(shots)), tuple(sorted(spells)))
