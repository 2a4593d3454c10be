"""Values of flags, and of the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from . import USAGE, Failure

DEFAULT = Path("/etc/edged/edged.yaml")
CREDSTORE = Path("/etc/credstore")
"""Stands for ``${CREDENTIALS_DIRECTORY}`` at a terminal, as with ``edged doctor``: only the service itself has one."""


def environment() -> Mapping[str, str]:
    """What fills in a configuration's ``${NAME}`` when it is read by a verb, and not by the daemon."""
    return {"CREDENTIALS_DIRECTORY": str(CREDSTORE), **os.environ}


def duration(text: str, flag: str) -> float:
    """Seconds. Raises ``Failure`` that names the flag."""
    from ..config.units import Unreadable, parse_duration

    try:
        return parse_duration(text)
    except Unreadable as error:
        raise Failure(USAGE, f"{flag} {error}") from None
