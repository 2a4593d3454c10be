"""What the world is made of: containers, usage samples, probe answers.

Times called ``at`` or ``*_at`` are seconds on edged's own clock (monotonic, continuous over reboots, see
``ports.Clock``) unless the docstring says otherwise. Sizes are bytes, shares are 0..1.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

ContainerStatus = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]
DockerHealth = Literal["none", "starting", "healthy", "unhealthy"]
ContainerAction = Literal[
    "create", "start", "die", "kill", "stop", "restart", "oom", "pause", "unpause", "destroy", "rename",
    "update", "health_status",
]  # fmt: skip


class Container(Struct, frozen=True, kw_only=True):
    """One container as the engine describes it. ``None`` means: not told by this source."""

    id: str
    name: str
    status: ContainerStatus
    image: str = ""
    image_id: str = ""
    health: DockerHealth = "none"
    exit_code: int | None = None
    oom_killed: bool = False
    labels: dict[str, str] = {}
    restart_policy: str | None = None
    """``no``, ``always``, ``unless-stopped``, ``on-failure``; ``None`` until the container was inspected."""
    pid: int | None = None
    created_at: float | None = None
    """Unix time of creation."""
    started_at: float | None = None
    """Unix time of the last start."""


class Usage(Struct, frozen=True, kw_only=True):
    """Resources of one container at one instant, read from its cgroup."""

    container_id: str
    memory: int
    """Working set: usage less inactive file cache, bytes (as cAdvisor and ``docker stats`` define it)."""
    memory_limit: int | None = None
    """Bytes; ``None``: unlimited."""
    cpu_seconds: float = 0.0
    """CPU time used since the container started."""
    cpu_limit: float | None = None
    """Cores allowed by the CFS quota; ``None``: unlimited."""
    periods: int = 0
    throttled_periods: int = 0
    throttled_seconds: float = 0.0
    pids: int | None = None
    oom_kills: int = 0


class Disk(Struct, frozen=True, kw_only=True):
    """One file system at one instant."""

    path: str
    total: int
    free: int
    inodes: int = 0
    inodes_free: int = 0
    read_only: bool = False

    @property
    def used_share(self) -> float:
        return 1.0 - self.free / self.total if self.total else 0.0

    @property
    def inodes_used_share(self) -> float:
        return 1.0 - self.inodes_free / self.inodes if self.inodes else 0.0


class HostSample(Struct, frozen=True, kw_only=True):
    """The host at one instant. ``None``: this host does not tell."""

    memory_total: int
    memory_available: int
    swap_total: int = 0
    swap_used: int = 0
    cpu_count: int = 1
    cpu_busy: float | None = None
    """Share of all cores that was busy since the sample before."""
    load: tuple[float, float, float] = (0.0, 0.0, 0.0)
    pressure: dict[str, float] = {}
    """PSI ``avg10`` shares by ``cpu.some``, ``memory.some``, ``memory.full``, ``io.some``, ``io.full``."""
    temperature: float | None = None
    """Hottest sensor, Celsius."""
    throttled: bool | None = None
    """The CPU is being slowed for heat or undervoltage."""
    clock_synced: bool | None = None
    wall: float = 0.0
    """Unix time of the sample."""
    boot_id: str = ""
    uptime: float = 0.0
    oom_kills: int | None = None
    """Kernel's count of OOM kills since boot."""

    @property
    def memory_used_share(self) -> float:
        return 1.0 - self.memory_available / self.memory_total if self.memory_total else 0.0
