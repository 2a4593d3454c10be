"""Reads the world, never decides. ``CHECKS`` has one function for each kind of check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..vocabulary.facts import Fact
from .checks import World, disk, host, inputs, logs, metrics, probe, resources, smoke

__all__ = ["CHECKS", "Check", "World"]

Check = Callable[[Any, World], tuple[Fact, ...]]

CHECKS: dict[str, Check] = {
    "resources": resources,
    "host": host,
    "disk": disk,
    "probe": probe,
    "dependency": probe,
    "metrics": metrics,
    "smoke": smoke,
    "inputs": inputs,
    "logs": logs,
}
