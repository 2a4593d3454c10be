"""What holds when nobody said anything: the device's name and the state folder."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping

from msgspec import structs

from .model import Config

STATE_DIR = "/var/lib/edged"


def device_id(hostname: str) -> str:
    """A valid device id as close to the host's name as possible."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", hostname).strip("-")[:64] or "edge"


def state_dir(env: Mapping[str, str]) -> str:
    """Where systemd wants the state (the first folder it names), else the usual place."""
    return env.get("STATE_DIRECTORY", "").split(":")[0] or STATE_DIR


def fill(config: Config, env: Mapping[str, str], hostname: str | None) -> Config:
    """``config`` with what depends on the machine filled in where the file says nothing."""
    device = config.device
    if not device.id:
        device = structs.replace(device, id=device_id(socket.gethostname() if hostname is None else hostname))
    return structs.replace(config, device=device, state_dir=config.state_dir or state_dir(env))
