"""What a container uses, read straight from its cgroup: a few microseconds a file, no engine involved.

Works with cgroup v1, v2 and hybrid set-ups, Docker's two cgroup drivers and custom cgroup parents. A
controller that this host lacks (Raspberry Pi OS boots without ``memory``) leaves its figures at 0 or
``None``.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import NamedTuple

from ..ports import NotFound, PortError
from ..vocabulary.world import Usage
from .cgroup_files import NO_CPU, NO_MEMORY, CpuReader, CpuV1, CpuV2, MemoryReader, MemoryV1, MemoryV2
from .files import exists, read

_V1 = ("memory", "cpu", "cpuacct", "pids")
# Containers that were removed are never asked for again, so their entries have to go some other way.
_MOST_KEPT = 1024


class _Mounts(NamedTuple):
    v1: dict[str, str]
    """Folder of each mounted v1 controller."""
    unified: str
    """Folder of the v2 hierarchy; empty when there is none, or when it has none of our controllers."""
    v2: frozenset[str]
    """Our controllers on the v2 hierarchy."""


class _Place(NamedTuple):
    memory: MemoryReader | None
    cpu: CpuReader | None
    pids: str
    """Path of ``pids.current``, or empty."""
    complete: bool
    """All of the host's controllers were found; while a container starts, some may not be there yet."""


class Cgroups:
    """Finds and reads the cgroups of containers. Holds no descriptors between two calls."""

    def __init__(self, root: Path = Path("/sys/fs/cgroup"), proc: Path = Path("/proc")) -> None:
        self._root = str(root)
        self._proc = str(proc)
        self._mounts: _Mounts | None = None
        self._places: dict[str, _Place] = {}

    def usage(self, container_id: str, pid: int | None) -> Usage:
        """Raises ``NotFound`` when the container has no cgroup (any more), ``PortError`` if it is unreadable.

        ``pid`` is the container's first process; it finds cgroups in unusual places. Counters start at 0
        again when the container is restarted.
        """
        try:
            place = self._places.get(container_id) or self._find(container_id, pid)
            memory = place.memory.read() if place.memory else NO_MEMORY
            cpu = place.cpu.read() if place.cpu else NO_CPU
            pids = int(read(place.pids)) if place.pids else None
        except OSError as error:
            self._places.pop(container_id, None)
            if error.errno in (errno.ENOENT, errno.ENODEV):
                raise NotFound(f"container {container_id[:12]} has no cgroup any more: not running") from None
            raise PortError(f"cannot read {error.filename or 'cgroup file'}: {error.strerror}") from error
        except ValueError as error:
            self._places.pop(container_id, None)
            raise PortError(f"container {container_id[:12]}: unexpected cgroup file: {error}") from error
        return Usage(
            container_id=container_id,
            memory=memory.working_set,
            memory_limit=memory.limit,
            cpu_seconds=cpu.seconds,
            cpu_limit=cpu.limit,
            periods=cpu.periods,
            throttled_periods=cpu.throttled_periods,
            throttled_seconds=cpu.throttled_seconds,
            pids=pids,
            oom_kills=memory.oom_kills,
        )

    def _find(self, container_id: str, pid: int | None) -> _Place:
        if self._mounts is None:
            self._mounts = _find_mounts(self._root)
        mounts, own = self._mounts, self._paths_of(container_id, pid)
        guesses = (f"/docker/{container_id}", f"/system.slice/docker-{container_id}.scope")

        def folder(mount: str, controller: str, file: str) -> str:
            for path in (own.get(controller, ""), *guesses):
                if path and exists(f"{mount}{path}/{file}"):
                    return mount + path
            return ""

        v1 = {name: folder(mount, name, "cgroup.procs") for name, mount in mounts.v1.items()}
        v2 = {
            "memory": folder(mounts.unified, "", "memory.current") if "memory" in mounts.v2 else "",
            # cpu.stat is there even where the controller is not switched on for this cgroup.
            "cpu": folder(mounts.unified, "", "cpu.stat") if "cpu" in mounts.v2 else "",
            "pids": folder(mounts.unified, "", "pids.current") if "pids" in mounts.v2 else "",
        }
        if not any(v1.values()) and not any(v2.values()):
            raise NotFound(f"container {container_id[:12]} has no cgroup below {self._root}: not running")

        memory: MemoryReader | None = None
        if v1.get("memory"):
            memory = MemoryV1(v1["memory"])
        elif v2["memory"]:
            memory = MemoryV2(v2["memory"], mounts.unified)
        cpu: CpuReader | None = None
        if v1.get("cpu") or v1.get("cpuacct"):
            cpu = CpuV1(v1.get("cpu", ""), v1.get("cpuacct", ""))
        elif v2["cpu"]:
            cpu = CpuV2(v2["cpu"])
        pids = v1.get("pids") or v2["pids"]
        place = _Place(
            memory=memory,
            cpu=cpu,
            pids=f"{pids}/pids.current" if pids else "",
            complete=all(v1.values()) and all(v2[name] for name in mounts.v2),
        )
        if place.complete:
            if len(self._places) >= _MOST_KEPT:
                self._places.clear()
            self._places[container_id] = place
        return place

    def _paths_of(self, container_id: str, pid: int | None) -> dict[str, str]:
        """Path of each controller by ``/proc/<pid>/cgroup``; the v2 hierarchy's key is empty.

        Only paths that name the container are believed: the pid may have been given to another process
        by now. They are cut off behind it, for a container may run in a cgroup of its own making below.
        """
        if not pid:
            return {}
        try:
            text = read(f"{self._proc}/{pid}/cgroup").decode("utf-8", "surrogateescape")
        except OSError:
            return {}  # ended, or hidden from us: the usual places are left to try
        paths = {}
        for line in text.splitlines():
            _, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            at = path.find(container_id)
            if at >= 0:
                end = path.find("/", at)
                for controller in controllers.split(","):
                    paths[controller] = path if end < 0 else path[:end]
        return paths


def _find_mounts(root: str) -> _Mounts:
    v1: dict[str, str] = {}
    unified = root
    if not exists(f"{root}/cgroup.controllers"):
        unified = f"{root}/unified"
        for name in _V1:
            for folder in (f"{root}/{name}", f"{root}/cpu,cpuacct" if name.startswith("cpu") else ""):
                if folder and exists(f"{folder}/cgroup.procs"):
                    v1[name] = folder
                    break
    v2: frozenset[str] = frozenset()
    if exists(f"{unified}/cgroup.controllers"):
        names = read(f"{unified}/cgroup.controllers").decode().split()
        v2 = frozenset(names) & {"memory", "cpu", "pids"}
    if not v1 and not v2:
        raise PortError(f"cgroups are not mounted at {root}, or none of memory, cpu and pids is enabled")
    return _Mounts(v1, unified, v2)
