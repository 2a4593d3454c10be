"""The wall clock jumps by years, both ways, while edged runs and while it does not: only what people read changes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.broker import Mosquitto, Reader
from tests.fixtures.demand import demand
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine
from tests.fixtures.load import Account

pytestmark = [pytest.mark.engine, pytest.mark.broker]

EVENT = "edged/v1/test-device/event"
QUICK = {"restart": {"backoff": "100ms", "stop_timeout": "1s", "budget": 10, "per": "1h"}}
YEAR = 365 * 86400


class WallClock:
    """What edged takes for the time, through libfaketime; its monotonic clocks go on as they are."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "offset"
        self.set(0)
        library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        self.env = {
            "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(self._file), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
        }  # fmt: skip

    def set(self, years: int) -> None:
        """So many years from now, or ago."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{years * YEAR:+d}\n")
        fresh.rename(self._file)


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[WallClock]:
    demand("" if shutil.which("faketime") else "faketime is not installed")
    yield WallClock(tmp_path)


def year(event: dict[str, Any]) -> int:
    return int(event["time"][:4])


def test_jumps_by_years_disturb_nothing(
    engine: Engine, edged: Callable[..., Edged], broker: Mosquitto, read: Callable[..., Reader], clock: WallClock
) -> None:
    console = read("edged/v1/test-device/#")
    for name in ("worker", "tended"):
        engine.run(name)
    probe = {"health": {"tcp": f"127.0.0.1:{broker.port}", "every": "200ms", "timeout": "200ms"}}
    apps = {"worker": QUICK, "tended": QUICK | probe}
    config = {"apps": apps, "mqtt": {"url": broker.url}, "sampling": {"every": "200ms"}}
    daemon = edged(config).start(**clock.env)
    for name in apps:
        daemon.wait_state(name, "healthy")
    daemon.command("maintenance.set", app="tended", on=True, seconds=7200.0, why="new camera")
    today = datetime.now(UTC).year

    def jump(years: int, restarts: int, kill: bool) -> None:
        """Jumps, looks whether all is as it was, and has the worker recovered once."""
        quiet = daemon.events()[-1]["sequence"]
        if kill:
            daemon.kill()
        clock.set(years)
        if kill:
            daemon.start(**clock.env)
            daemon.wait_state("tended", "healthy")
        else:
            samples = daemon.app("worker")["memory_bytes"]
            daemon.wait(lambda: daemon.status()["time"][:4] == str(today + years), 10.0, "edged sees the new time")
            daemon.wait(lambda: daemon.app("worker")["memory_bytes"] or samples, 5.0, "samples go on")
        assert daemon.app("tended")["maintenance"]["why"] == "new camera"
        told = [e for e in daemon.events() if e["sequence"] > quiet and not e["type"].endswith("edged.started")]
        assert [e["type"] for e in told if e["subject"] != "worker" and "app.changed" not in e["type"]] == []
        before = engine.inspect("worker")["State"]["StartedAt"]
        engine.kill_main("worker")
        daemon.wait(lambda: engine.inspect("worker")["State"]["StartedAt"] != before, 15.0, "a restart")
        daemon.wait_state("worker", "healthy")
        ends = daemon.wait(lambda: _ends(daemon, restarts), 15.0, "the recovery is told of")
        assert 0.0 < ends[-1]["data"]["seconds"] < 20.0
        assert year(ends[-1]) in (today + years, today + years - 1)
        assert daemon.app("worker")["recovery"]["budget_used"] == restarts
        assert daemon.status()["broker"]["connected"] or kill

    jump(15, 1, kill=False)
    jump(-40, 2, kill=False)
    jump(12, 3, kill=True)
    jump(-20, 4, kill=True)
    daemon.wait(lambda: daemon.status()["broker"]["spool_messages"] == 0, 20.0, "all is delivered")
    last = max(e["sequence"] for e in daemon.events())
    daemon.wait(lambda: last in Account.of(console, EVENT).ids, 10.0, "the newest event arrives")
    account = Account.of(console, EVENT)
    assert (account.gaps, account.out_of_order, account.lost(last)) == (0, 0, 0)
    assert not [e for e in account.events.values() if e["type"].endswith("spool.dropped")]


def _ends(daemon: Edged, number: int) -> list[dict[str, Any]]:
    found = [e for e in daemon.events("recovery.succeeded") if e["subject"] == "worker"]
    return found if len(found) >= number else []
