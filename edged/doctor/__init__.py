"""``edged doctor``: looks at this host, and says what is wrong and what mends it.

An examination is a function that looks (``Patient`` -> findings, one after the other) and asks pure functions for
the verdict. It changes nothing on the host that it does not take back.

Modules here import what they need at their top, not in functions: examinations run in threads, and two threads that
import the engine's library at the same time each wait for the other's half.
"""

from __future__ import annotations

from . import broker, cgroups, clock, configuration, daemon, disk, engine, host, inputs, state, systemd
from .finding import Finding
from .runner import Examination, examine

__all__ = ["EXAMINATIONS", "Examination", "Finding", "examine"]

EXAMINATIONS: dict[str, Examination] = {
    "config": Examination(configuration.look, 5.0),
    "engine": Examination(engine.look, 8.0),
    "cgroups": Examination(cgroups.look, 8.0),
    "clock": Examination(clock.look, 5.0),
    "disk": Examination(disk.look, 8.0),
    "state": Examination(state.look, 8.0),
    "broker": Examination(broker.look, 8.0),
    "inputs": Examination(inputs.look, 8.0),
    "systemd": Examination(systemd.look, 8.0),
    "daemon": Examination(daemon.look, 5.0, daemon.RESTART),
    "host": Examination(host.look, 5.0),
}
"""name -> what looks and for how long, in the order in which it is told"""
