"""What only a whole device with systemd can show: how long edged stays down when it hangs, and how exposed it is."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fixtures.engine import Engine, new_engine
from tests.fixtures.machine import Machine, prepare_host
from tests.fixtures.unit import Hangs, Unit

from .measure import Figure, median

PLACES = {"loop": "the loop", "commit": "the worker that writes", "sample": "a worker that reads the host"}


@contextmanager
def device(engine: Engine) -> Iterator[Machine]:
    """A machine with edged and its unit, which watches ``engine``."""
    host = new_engine()
    try:
        machine = Machine(prepare_host(host), engine).start()
        machine.install_here()
        yield machine
    finally:
        host.end()


def hang(engine: Engine, count: int) -> list[Figure]:
    """Loop and workers hang, one at a time, with the WatchdogSec of the unit."""
    engine.run("worker")
    with device(engine) as machine:
        unit = Unit(machine)
        unit.configure({"apps": {"worker": {}}})
        hangs = Hangs(unit)
        unit.start()
        watchdog = _watchdog(machine)
        figures = [_down(unit, hangs, place, count, watchdog) for place in PLACES]
        unit.end()
    return figures


def _watchdog(machine: Machine) -> float:
    """The unit's WatchdogSec in seconds, as systemd told it to the daemon."""
    told = machine.sh("tr '\\0' '\\n' </proc/$(systemctl show --value -p MainPID edged)/environ")
    return next(int(line.partition("=")[2]) / 1e6 for line in told.splitlines() if line.startswith("WATCHDOG_USEC="))


def _down(unit: Unit, hangs: Hangs, place: str, count: int, watchdog: float) -> Figure:
    times = []
    for _ in range(count):
        unit.wait_state("worker", "healthy", 30.0)
        boot = unit.status()["boot"]
        hung = hangs.loop() if place == "loop" else hangs.worker(place)
        ended = unit.runs_anew(boot, watchdog + 60.0)["previous_end"]
        times.append(time.monotonic() - hung)
        if not ended.startswith("watchdog"):
            raise AssertionError(f"{place} hung, and the next run calls that: {ended}")
    note = f"WatchdogSec={watchdog:g}; median {median(times):.1f} s"
    return Figure(
        f"{PLACES[place]} hangs -> edged answers again (worst)", max(times), watchdog + 2.0, "s", count, None, note
    )


def security(engine: Engine) -> list[Figure]:
    """The exposure that ``systemd-analyze security`` gives the running unit, 0 to 10."""
    with device(engine) as machine:
        unit = Unit(machine)
        unit.start()
        shown = machine.sh("systemd-analyze security --no-pager edged.service")
        table = json.loads(machine.sh("systemd-analyze security --no-pager --json=short edged.service"))
        version = machine.sh("systemctl --version").split()[1]
        unit.end()
    exposure = re.search(r"exposure level for edged.service: ([\d.]+)", shown)
    assert exposure is not None, shown
    left = sum(1 for row in table if row.get("exposure"))
    note = f"systemd {version}; {left} of {len(table)} restrictions not used"
    return [Figure("exposure of edged.service, of 10", float(exposure[1]), 2.0, "", 1, None, note)]
