"""How a container is connected, from the engine's JSON. Pure and tolerant: what is odd is left out.

Only what somebody asked for is taken: addresses that the engine chose by itself may be another container's by the time
they are needed again.
"""

from __future__ import annotations

from typing import Any

from ..vocabulary.isolation import Endpoint
from .docker_translate import _dict, _text

_NO_NETWORK = "none"


def to_networks(inspected: object) -> tuple[str, tuple[Endpoint, ...]]:
    """The network mode and the endpoints of an inspected container."""
    told = _dict(inspected)
    mode = _dict(told.get("HostConfig")).get("NetworkMode")
    own = str(told.get("Id", ""))[:12]
    networks = _dict(_dict(told.get("NetworkSettings")).get("Networks"))
    found = tuple(_endpoint(name, _dict(how), own) for name, how in networks.items() if name != _NO_NETWORK)
    return mode if isinstance(mode, str) else "", found


def _endpoint(name: str, how: dict[str, Any], own: str) -> Endpoint:
    fixed = _dict(how.get("IPAMConfig"))
    # The engine adds the container's own id to the aliases, and does so again.
    return Endpoint(
        network=name,
        aliases=tuple(alias for alias in _texts(how.get("Aliases")) if alias != own),
        ipv4=_text(fixed.get("IPv4Address")),
        ipv6=_text(fixed.get("IPv6Address")),
        links=_texts(how.get("Links")),
        options={key: _text(value) for key, value in _dict(how.get("DriverOpts")).items()},
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(entry for entry in value if isinstance(entry, str)) if isinstance(value, list) else ()
