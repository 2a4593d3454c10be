"""``FindNetworks``, ``Isolate``, ``Rejoin``: each may be carried out again after it was cut short anywhere."""

from __future__ import annotations

from typing import Any

import msgspec

from ..ports import PortError, Refused
from ..vocabulary.actions import FindNetworks, Isolate, Rejoin
from .executors import Tools


def find_networks(action: FindNetworks, tools: Tools) -> dict[str, Any]:
    """``{"mode", "networks"}``; ``mode`` as the container was created with: ``host``, ``container:…``, a network."""
    mode, networks = tools.containers.networks(action.container_id, action.timeout)
    return {"mode": mode, "networks": msgspec.to_builtins(networks)}


def isolate(action: Isolate, tools: Tools) -> dict[str, Any]:
    """``{"left"}``: what it is connected to all the same."""
    _, before = tools.containers.networks(action.container_id, action.timeout)
    for endpoint in before:
        if endpoint.network in action.networks:
            tools.containers.disconnect(action.container_id, endpoint.network, action.timeout)
    _, after = tools.containers.networks(action.container_id, action.timeout)
    return {"left": [endpoint.network for endpoint in after]}


def rejoin(action: Rejoin, tools: Tools) -> dict[str, Any]:
    """One network that cannot be had does not keep it from the others. Raises ``Refused`` with what is missing."""
    _, there = tools.containers.networks(action.container_id, action.timeout)
    connected = {endpoint.network for endpoint in there}
    missing: list[str] = []
    for endpoint in action.networks:
        if endpoint.network in connected:
            continue
        try:
            tools.containers.connect(action.container_id, endpoint, action.timeout)
        except PortError as error:
            missing.append(f"{endpoint.network}: {error}")
    if missing:
        raise Refused("; ".join(missing))
    return {"joined": [endpoint.network for endpoint in action.networks if endpoint.network not in connected]}
