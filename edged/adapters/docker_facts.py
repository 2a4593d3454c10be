"""What the engine tells of itself, as it stands: for a person who wants to know what is wrong with it."""

from __future__ import annotations

import json
import time
from typing import Any

from docker.constants import DEFAULT_DOCKER_API_VERSION, MINIMUM_DOCKER_API_VERSION

from ..ports import Refused, Unreachable
from .docker_http import Exchange

OLDEST_KNOWN: str = MINIMUM_DOCKER_API_VERSION
NEWEST_KNOWN: str = DEFAULT_DOCKER_API_VERSION
"""API versions that edged's library speaks."""
_LARGEST = 8 * 2**20


def ask(url: str, path: str, timeout: float) -> dict[str, Any]:
    """The answer to ``GET path``, a JSON object. Raises ``PortError``; ``timeout``: seconds in all."""
    deadline = time.monotonic() + timeout
    body = b""
    with Exchange(url) as exchange:
        exchange.get(path, timeout)
        try:
            while part := exchange.read(deadline - time.monotonic()):
                body += part
                if len(body) > _LARGEST or time.monotonic() > deadline:
                    raise TimeoutError
        except TimeoutError:
            raise Unreachable(f"{url}: does not answer within {timeout:g}s") from None
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise Refused(f"{url}: what answers there is not a container engine")
    return told
