"""A few schedules of random faults in one short round: ``scripts/fault-schedules`` takes hundreds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.conduct import conduct
from tests.faults.crew import Crew
from tests.faults.plan import Round, Shot, Spell
from tests.fixtures.broker import Mosquitto
from tests.fixtures.engine import Engine

pytestmark = [pytest.mark.engine, pytest.mark.broker]

SHOTS = (
    Shot(0.1, 0, "kill"), Shot(0.2, 3, "restore"), Shot(0.3, 1, "hang"), Shot(0.5, 2, "oom"), Shot(0.6, 0, "deploy"),
    Shot(0.8, 3, "unhealthy"),
)  # fmt: skip
SPELLS = (
    Spell(0.2, "broker", 2.0),
    Spell(0.4, "clock", 2.0, -5),
    Spell(1.2, "edged", 0.3),
    Spell(1.5, "engine freeze", 1.0),
)


def test_everything_at_once(engine: Engine, broker: Mosquitto, tmp_path: Path) -> None:
    crew = Crew(engine, tmp_path, 4)
    result = conduct(engine, broker, crew, tmp_path / "r", Round(1, SHOTS, SPELLS), quiet=0.5)
    assert [f"{one.invariant}: {one.what}" for one in result.broken] == []
    assert sum(result.done[what] for what in ("kill", "hang", "oom", "unhealthy")) >= 3 and result.events > 40
    assert {"broker", "clock", "edged", "engine freeze", "restore", "deploy"} <= result.done.keys()
