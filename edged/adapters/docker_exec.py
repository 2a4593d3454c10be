"""A program in a running container, by the engine's exec calls."""

from __future__ import annotations

import time
from typing import Any

from ..ports import Refused, Unreachable
from .docker_client import Clients
from .docker_http import Exchange
from .docker_streams import Demultiplexer, Tail

_LOOK_EVERY = 0.05


def execute(
    clients: Clients, url: str, container_id: str, command: tuple[str, ...], max_bytes: int, timeout: float
) -> tuple[int, bytes]:
    """``ports.Containers.execute``. Not by the SDK's own stream: that one waits as long as the program is silent."""
    deadline = time.monotonic() + timeout
    late = Unreachable(f"{command[0]} did not end within {timeout:g} s; it may go on in the container")
    made: Any = clients.call(lambda client: client.exec_create(container_id, list(command), stdin=False), timeout)
    tail, frames = Tail(max_bytes), Demultiplexer()
    path = f"/v{clients.version(timeout)}/exec/{made['Id']}/start"
    with Exchange(url) as exchange:
        exchange.post(path, b'{"Detach":false,"Tty":false}', max(0.1, deadline - time.monotonic()))
        try:
            for data in exchange.blocks(deadline):
                tail.feed(frames.feed(data))
        except TimeoutError:
            raise late from None
    while (seen := _seen(clients, made["Id"], timeout)).get("Running"):
        if time.monotonic() > deadline:
            raise late
        time.sleep(_LOOK_EVERY)
    code = seen.get("ExitCode")
    if not isinstance(code, int):
        raise Refused(f"the engine does not tell how {command[0]} ended")
    return code, tail.bytes()


def _seen(clients: Clients, identity: str, timeout: float) -> dict[str, Any]:
    found: Any = clients.call(lambda client: client.exec_inspect(identity), timeout)
    return found if isinstance(found, dict) else {}
