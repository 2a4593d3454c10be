"""Control groups: where memory and CPU of containers are read, a few microseconds a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from ..adapters.cgroups import Cgroups
from ..adapters.docker_engine import DockerEngine
from ..adapters.files import read_text
from ..ports import NotFound, PortError
from .finding import Finding, fail, ok, skip, warn
from .patient import Patient

_TIMEOUT = 3.0
_PARAMETERS = "cgroup_enable=memory cgroup_memory=1"


class Hierarchy(Struct, frozen=True, kw_only=True):
    version: str
    """``v1``, ``v2``, ``hybrid`` (v1 with an empty v2 beside it), or empty when nothing is mounted."""
    controllers: frozenset[str]


def look(patient: Patient) -> Iterator[Finding]:
    found = hierarchy(patient.sys / "fs/cgroup", patient.proc)
    yield from judge(found, _boot_file(Path("/boot")))
    yield _reading(patient)


def hierarchy(root: Path, proc: Path) -> Hierarchy:
    unified = read_text(f"{root}/cgroup.controllers")
    if unified is not None:
        return Hierarchy(version="v2", controllers=frozenset(unified.split()))
    # #subsys_name hierarchy num_cgroups enabled
    rows = [line.split() for line in (read_text(f"{proc}/cgroups") or "").splitlines() if not line.startswith("#")]
    enabled = frozenset(row[0] for row in rows if len(row) == 4 and row[3] == "1" and (root / row[0]).is_dir())
    hybrid = (root / "unified/cgroup.controllers").exists()
    return Hierarchy(version=("hybrid" if hybrid else "v1") if enabled else "", controllers=enabled)


def judge(found: Hierarchy, boot_file: str) -> Iterator[Finding]:
    """``boot_file``: where this host keeps the kernel's command line, empty when not known."""
    if not found.version:
        yield fail("cgroups", "no control groups are mounted: memory and CPU of containers cannot be read",
                   "sudo apt-get install cgroupfs-mount && sudo reboot")  # fmt: skip
        return
    yield ok("cgroups", f"{found.version} with {', '.join(sorted(found.controllers & {'cpu', 'memory', 'pids'}))}")
    if "memory" not in found.controllers:
        text = "the kernel was started without the memory controller: no memory limits, no figures"
        yield fail("cgroups memory", text, _enable(boot_file))
    if "cpu" not in found.controllers:
        yield fail("cgroups cpu", "the cpu controller is not there: no CPU figures of containers",
                   "remove cgroup_disable=cpu from the kernel's command line, then: sudo reboot")  # fmt: skip


def _enable(boot_file: str) -> str:
    if boot_file.endswith("cmdline.txt"):
        return f"sudo sed -i '1 s/$/ {_PARAMETERS}/' {boot_file} && sudo reboot"
    if boot_file.endswith("grub"):
        return f"sudo sed -i 's/^GRUB_CMDLINE_LINUX=\"/&{_PARAMETERS} /' {boot_file} && sudo update-grub && sudo reboot"
    return f"add to the kernel's command line: {_PARAMETERS}   then: sudo reboot"


def _boot_file(boot: Path) -> str:
    """The Raspberry Pi's file (Bookworm's place first), else GRUB's."""
    for path in (boot / "firmware/cmdline.txt", boot / "cmdline.txt", Path("/etc/default/grub")):
        if path.exists():
            return str(path)
    return ""


def _reading(patient: Patient) -> Finding:
    """Reads one running container's files as the daemon does."""
    name = "cgroups reading"
    engine = DockerEngine(patient.config.docker.url, _TIMEOUT)
    try:
        running = next((c for c in engine.list_all() if c.status == "running"), None)
        if running is None:
            return skip(name, "no container runs, so none could be read", "start a container, then: edged doctor")
        container, _ = engine.inspect(running.id)
    except PortError as error:
        return skip(name, f"needs the engine: {error}", "edged doctor --only engine")
    finally:
        engine.close()
    try:
        usage = Cgroups(patient.sys / "fs/cgroup", patient.proc).usage(container.id, container.pid)
    except NotFound as error:
        return warn(name, f"{container.name}: {error}; the engine is asked instead, which is slow",
                    f"cat /proc/{container.pid}/cgroup; ls {patient.sys}/fs/cgroup")  # fmt: skip
    except PortError as error:
        return fail(name, f"{container.name}: {error}", f"sudo ls -ld {patient.sys}/fs/cgroup; mount | grep cgroup")
    return ok(name, f"{container.name}: {usage.memory / 2**20:.1f} MiB, {usage.cpu_seconds:.1f} s of CPU")
