"""What a drill does, and what undoes it."""

from __future__ import annotations

from ..ports import Refused
from ..vocabulary.actions import FindLimits, ForgetModel, InjectSignal, RestoreMemory, SpoilModel, SqueezeMemory
from ..vocabulary.deployments import SIDE
from .executors import Result, Tools

LEAST = 6 * 2**20
"""Bytes: engines take no lower limit."""


def inject(action: InjectSignal, tools: Tools) -> Result:
    tools.containers.signal(action.container_id, action.signal, action.timeout)
    return {}


def find_limits(action: FindLimits, tools: Tools) -> Result:
    """As the container was made, not as it is measured."""
    _, inspected = tools.containers.inspect(action.container_id)
    settings = inspected.get("HostConfig") or {}
    memory, swap = int(settings.get("Memory") or 0), int(settings.get("MemorySwap") or 0)
    if memory <= LEAST:
        raise Refused(f"the container has no memory limit above {LEAST // 2**20} MiB that could be lowered")
    return {"memory": memory, "swap": swap}


def squeeze(action: SqueezeMemory, tools: Tools) -> Result:
    """Half of what is in use, where the kernel kills for that (cgroup v2). One that refuses a limit below what it can
    reclaim (v1) gets the lowest that it takes: then the next page that the app asks for is one too many."""
    container, _ = tools.containers.inspect(action.container_id)
    if container.pid is None:
        raise Refused("the container does not run")
    why = Refused("its own limit is too low for that")
    limit = max(LEAST, tools.host.usage(action.container_id, container.pid).memory // 2)
    while limit < action.memory:
        try:
            tools.containers.limit_memory(action.container_id, limit, limit, action.timeout)
        except Refused as error:
            why, limit = error, limit + max(2**20, limit // 16)
            continue
        return {"limit": limit}
    raise why


def restore(action: RestoreMemory, tools: Tools) -> Result:
    tools.containers.limit_memory(action.container_id, action.memory, action.swap, action.timeout)
    return {}


def spoil(action: SpoilModel, tools: Tools) -> Result:
    return tools.artifacts.spoil(action.subject.removesuffix(SIDE), action.where, action.digest)


def forget(action: ForgetModel, tools: Tools) -> Result:
    return tools.artifacts.forget(action.subject.removesuffix(SIDE), action.where, action.digest, action.current)
