"""Takes secrets out of what is kept as evidence. Pure."""

from __future__ import annotations

import re
from typing import Any

_SECRET = re.compile(r"pass|secret|token|credential|private|api_?key|access_?key|auth", re.IGNORECASE)
HIDDEN = "***"


def redacted(inspect: dict[str, Any]) -> dict[str, Any]:
    """The engine's description of a container without the values of environment variables that look like secrets."""
    config = inspect.get("Config")
    if not isinstance(config, dict) or not isinstance(config.get("Env"), list):
        return inspect
    return {**inspect, "Config": {**config, "Env": [_variable(entry) for entry in config["Env"]]}}


def _variable(entry: object) -> object:
    name, separator, value = str(entry).partition("=")
    if not separator or not value:
        return entry
    hidden = _SECRET.search(name) or re.search(r"://[^/\s]*:[^/\s]*@", value)
    return f"{name}={HIDDEN}" if hidden else entry
