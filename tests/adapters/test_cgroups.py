"""Container figures from cgroup trees: made up ones in every layout, and real ones of this machine."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from edged.adapters.cgroups import Cgroups
from edged.ports import NotFound, PortError
from edged.vocabulary.world import Usage
from tests.fixtures.engine import Engine, eventually

ID = "0123456789abcdef" * 4
MiB = 2**20
V1_UNLIMITED = 9223372036854771712

V1 = {
    "memory": {
        "memory.usage_in_bytes": f"{100 * MiB}\n",
        "memory.stat": f"cache 1\ninactive_file 5\nhierarchical_memory_limit {256 * MiB}\n"
        f"total_cache 9\ntotal_inactive_file {30 * MiB}\ntotal_active_file 3\n",
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    },
    "cpu": {
        "cpu.stat": "nr_periods 100\nnr_throttled 25\nthrottled_time 1500000000\n",
        "cpu.cfs_quota_us": "150000\n",
        "cpu.cfs_period_us": "100000\n",
    },
    "cpuacct": {"cpuacct.usage": "2500000000\n"},
    "pids": {"pids.current": "7\n"},
}
V2 = {
    "memory.current": f"{100 * MiB}\n",
    "memory.stat": f"anon 5\nfile 6\nworkingset 1\ninactive_anon 2\ninactive_file {30 * MiB}\nactive_file 3\n",
    "memory.max": f"{256 * MiB}\n",
    "memory.events": "low 0\nhigh 0\nmax 4\noom 3\noom_kill 2\noom_group_kill 1\n",
    "cpu.stat": "usage_usec 2500000\nuser_usec 1\nsystem_usec 1\n"
    "nr_periods 100\nnr_throttled 25\nthrottled_usec 1500000\n",
    "cpu.max": "150000 100000\n",
    "pids.current": "7\n",
    "cgroup.procs": "1\n",
}


def fill(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def make_v1(root: Path, path: str) -> None:
    for controller, files in V1.items():
        fill(root / controller, {"cgroup.procs": ""})
        fill(root / controller / path, {"cgroup.procs": "", **files})


def make_v2(root: Path, path: str) -> None:
    fill(root, {"cgroup.controllers": "cpuset cpu io memory pids\n", "cgroup.procs": ""})
    fill(root / path, V2)


def make_proc(proc: Path, pid: int, text: str) -> None:
    fill(proc / str(pid), {"cgroup": text})


LAYOUTS = {
    "v1-cgroupfs": (make_v1, f"docker/{ID}"),
    "v1-systemd": (make_v1, f"system.slice/docker-{ID}.scope"),
    "v2-cgroupfs": (make_v2, f"docker/{ID}"),
    "v2-systemd": (make_v2, f"system.slice/docker-{ID}.scope"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("pid", [None, 0, 4242])
def test_every_layout_gives_the_same_figures(tmp_path: Path, layout: str, pid: int | None) -> None:
    make, path = LAYOUTS[layout]
    make(tmp_path / "cg", path)

    usage = Cgroups(tmp_path / "cg", tmp_path / "proc").usage(ID, pid)

    assert usage.container_id == ID
    assert usage.memory == 70 * MiB
    assert usage.memory_limit == 256 * MiB
    assert usage.cpu_seconds == 2.5
    assert usage.cpu_limit == 1.5
    assert (usage.periods, usage.throttled_periods, usage.throttled_seconds) == (100, 25, 1.5)
    assert usage.pids == 7
    assert usage.oom_kills == 2


@pytest.mark.parametrize("make", [make_v1, make_v2])
def test_unlimited_is_none(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path, f"docker/{ID}")
    if make is make_v1:
        (tmp_path / f"memory/docker/{ID}/memory.stat").write_text(f"hierarchical_memory_limit {V1_UNLIMITED}\n")
        (tmp_path / f"cpu/docker/{ID}/cpu.cfs_quota_us").write_text("-1\n")
    else:
        (tmp_path / f"docker/{ID}/memory.max").write_text("max\n")
        (tmp_path / f"docker/{ID}/cpu.max").write_text("max 100000\n")

    usage = Cgroups(tmp_path).usage(ID, None)

    assert usage.memory_limit is None
    assert usage.cpu_limit is None


def test_more_inactive_cache_than_usage_is_zero_not_negative(tmp_path: Path) -> None:
    make_v2(tmp_path, f"docker/{ID}")
    (tmp_path / f"docker/{ID}/memory.current").write_text("4096\n")
    assert Cgroups(tmp_path).usage(ID, None).memory == 0


def test_v2_limit_of_a_slice_above_counts_and_its_changes_are_seen(tmp_path: Path) -> None:
    path = f"edge.slice/edge-apps.slice/docker-{ID}.scope"
    make_v2(tmp_path / "cg", path)
    fill(tmp_path / "cg/edge.slice", {"memory.max": f"{128 * MiB}\n"})
    fill(tmp_path / "cg/edge.slice/edge-apps.slice", {"memory.max": "max\n"})
    make_proc(tmp_path / "proc", 7, f"0::/{path}\n")
    cgroups = Cgroups(tmp_path / "cg", tmp_path / "proc")

    assert cgroups.usage(ID, 7).memory_limit == 128 * MiB
    (tmp_path / "cg/edge.slice/memory.max").write_text("max\n")
    assert cgroups.usage(ID, 7).memory_limit == 256 * MiB


def test_custom_parent_is_found_through_the_process(tmp_path: Path) -> None:
    make_v1(tmp_path / "cg", f"apps/line-2/{ID}")
    make_proc(
        tmp_path / "proc",
        7,
        f"9:name=systemd:/\n5:pids:/apps/line-2/{ID}\n4:memory:/apps/line-2/{ID}\n"
        f"3:cpu,cpuacct:/apps/line-2/{ID}\n0::/apps/line-2/{ID}\n",
    )
    assert Cgroups(tmp_path / "cg", tmp_path / "proc").usage(ID, 7).pids == 7


def test_a_cgroup_made_inside_the_container_is_cut_off(tmp_path: Path) -> None:
    make_v2(tmp_path / "cg", f"machine.slice/docker-{ID}.scope")
    make_proc(tmp_path / "proc", 7, f"0::/machine.slice/docker-{ID}.scope/init.scope\n")
    assert Cgroups(tmp_path / "cg", tmp_path / "proc").usage(ID, 7).memory == 70 * MiB


def test_a_pid_that_belongs_to_somebody_else_now_is_not_believed(tmp_path: Path) -> None:
    make_v2(tmp_path / "cg", "system.slice/ssh.service")
    make_proc(tmp_path / "proc", 7, "0::/system.slice/ssh.service\n")
    with pytest.raises(NotFound, match="not running"):
        Cgroups(tmp_path / "cg", tmp_path / "proc").usage(ID, 7)


def test_joint_cpu_mount_and_an_empty_unified_hierarchy(tmp_path: Path) -> None:
    make_v1(tmp_path, f"docker/{ID}")
    (tmp_path / "cpu").rename(tmp_path / "cpu,cpuacct")
    fill(tmp_path / f"cpu,cpuacct/docker/{ID}", V1["cpuacct"])
    subprocess.run(["rm", "-r", tmp_path / "cpuacct"], check=True)
    fill(tmp_path / "unified", {"cgroup.controllers": "\n"})
    usage = Cgroups(tmp_path).usage(ID, None)
    assert (usage.cpu_seconds, usage.cpu_limit) == (2.5, 1.5)


def test_hybrid_with_memory_on_v2(tmp_path: Path) -> None:
    make_v1(tmp_path, f"docker/{ID}")
    subprocess.run(["rm", "-r", tmp_path / "memory"], check=True)
    fill(tmp_path / "unified", {"cgroup.controllers": "memory\n"})
    fill(tmp_path / f"unified/docker/{ID}", {k: v for k, v in V2.items() if k.startswith("memory")})
    usage = Cgroups(tmp_path).usage(ID, None)
    assert (usage.memory, usage.cpu_seconds, usage.pids) == (70 * MiB, 2.5, 7)


@pytest.mark.parametrize("make", [make_v1, make_v2])
def test_a_host_without_the_memory_controller_still_tells_the_rest(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path, f"docker/{ID}")
    if make is make_v1:
        subprocess.run(["rm", "-r", tmp_path / "memory"], check=True)
    else:
        (tmp_path / "cgroup.controllers").write_text("cpuset cpu io pids\n")
        for file in (tmp_path / f"docker/{ID}").glob("memory.*"):
            file.unlink()
    usage = Cgroups(tmp_path).usage(ID, None)
    assert (usage.memory, usage.memory_limit, usage.oom_kills) == (0, None, 0)
    assert (usage.cpu_seconds, usage.pids) == (2.5, 7)


def test_old_kernels_without_oom_counts_or_quotas(tmp_path: Path) -> None:
    make_v1(tmp_path, f"docker/{ID}")
    (tmp_path / f"memory/docker/{ID}/memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\n")
    (tmp_path / f"cpu/docker/{ID}/cpu.cfs_quota_us").unlink()
    usage = Cgroups(tmp_path).usage(ID, None)
    assert (usage.oom_kills, usage.cpu_limit) == (0, None)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gone_then_back(tmp_path: Path, layout: str) -> None:
    make, path = LAYOUTS[layout]
    make(tmp_path / "cg", path)
    cgroups = Cgroups(tmp_path / "cg")
    cgroups.usage(ID, None)
    (tmp_path / "cg").rename(tmp_path / "away")
    make(tmp_path / "cg", "other")

    for _ in range(2):
        with pytest.raises(NotFound, match=f"container {ID[:12]} has no cgroup"):
            cgroups.usage(ID, None)
    make(tmp_path / "cg", path)
    assert cgroups.usage(ID, None).pids == 7


def test_controllers_that_appear_while_the_container_starts(tmp_path: Path) -> None:
    make_v1(tmp_path, "other")
    fill(tmp_path / f"pids/docker/{ID}", {"cgroup.procs": "", **V1["pids"]})
    cgroups = Cgroups(tmp_path)
    assert cgroups.usage(ID, None).memory == 0
    make_v1(tmp_path, f"docker/{ID}")
    assert cgroups.usage(ID, None).memory == 70 * MiB


def test_not_mounted_is_told_and_mended(tmp_path: Path) -> None:
    cgroups = Cgroups(tmp_path / "cg")
    with pytest.raises(PortError, match="cgroups are not mounted at") as caught:
        cgroups.usage(ID, None)
    assert not isinstance(caught.value, NotFound)
    make_v2(tmp_path / "cg", f"docker/{ID}")
    assert cgroups.usage(ID, None).pids == 7


def test_nonsense_in_a_file_is_a_port_error(tmp_path: Path) -> None:
    make_v2(tmp_path, f"docker/{ID}")
    (tmp_path / f"docker/{ID}/memory.current").write_text("many\n")
    with pytest.raises(PortError, match="unexpected cgroup file"):
        Cgroups(tmp_path).usage(ID, None)


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    make_v2(tmp_path, f"docker/{ID}")
    file = tmp_path / f"docker/{ID}/memory.current"
    file.unlink()
    file.mkdir()  # root may read any file, but not a folder
    with pytest.raises(PortError, match="Is a directory") as caught:
        Cgroups(tmp_path).usage(ID, None)
    assert not isinstance(caught.value, NotFound)


def test_descriptors_stay_flat_and_old_entries_go(tmp_path: Path) -> None:
    make_v2(tmp_path, f"docker/{ID}")
    ids = [f"{number:064x}" for number in range(1100)]
    for container_id in ids:
        (tmp_path / f"docker/{container_id}").symlink_to(tmp_path / f"docker/{ID}")
    cgroups = Cgroups(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for container_id in ids:
        cgroups.usage(container_id, None)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    assert len(cgroups._places) <= 1024


@pytest.fixture
def real_v1() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A process of ours in real v1 cgroups, below a custom parent."""
    container_id = f"{os.getpid():064x}"
    parent = f"edged-test-{os.getpid()}"
    folders = [Path("/sys/fs/cgroup", name, parent, container_id) for name in V1]
    for folder in folders:
        folder.mkdir(parents=True)
    process = subprocess.Popen(
        ["sh", "-c", "read go; i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; read end"], stdin=subprocess.PIPE
    )
    for folder in folders:
        (folder / "cgroup.procs").write_text(str(process.pid))
    yield container_id, process
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 5
    for folder in folders:
        while folder.exists():
            try:
                folder.rmdir()
            except OSError:
                assert time.monotonic() < deadline, f"{folder} stays busy"
        folder.parent.rmdir()


@pytest.mark.engine
@pytest.mark.skipif(os.geteuid() != 0, reason="making cgroups needs root")
@pytest.mark.skipif(not Path("/sys/fs/cgroup/memory").is_dir(), reason="this host has cgroup v2 only")
def test_a_real_process_in_a_real_v1_cgroup(real_v1: tuple[str, subprocess.Popen[bytes]]) -> None:
    container_id, process = real_v1
    Path(f"/sys/fs/cgroup/memory/edged-test-{os.getpid()}/memory.limit_in_bytes").write_text(str(64 * MiB))
    Path(f"/sys/fs/cgroup/cpu/edged-test-{os.getpid()}/{container_id}/cpu.cfs_quota_us").write_text("50000")
    cgroups = Cgroups()
    before = cgroups.usage(container_id, process.pid)
    assert process.stdin is not None
    process.stdin.write(b"go\n")
    process.stdin.flush()

    deadline = time.monotonic() + 10
    while (after := cgroups.usage(container_id, process.pid)).cpu_seconds < before.cpu_seconds + 0.005:
        assert time.monotonic() < deadline, f"no CPU time seen: {after}"
        time.sleep(0.01)

    assert after.pids == 1
    assert after.cpu_limit == 0.5
    assert after.memory_limit == 64 * MiB, "inherited from the parent"
    assert 0 < after.memory < 64 * MiB


@pytest.fixture
def custom_parent() -> Iterator[str]:
    """A cgroup parent that is removed again, which the engine does not do."""
    name = f"edged-test-parent-{os.getpid()}"
    yield f"/{name}"
    for folder in [*Path("/sys/fs/cgroup").glob(f"*/{name}"), Path("/sys/fs/cgroup", name)]:
        if folder.is_dir():
            folder.rmdir()


def with_memory(cgroups: Cgroups, container_id: str, pid: int | None) -> Usage | None:
    """What the kernel counts in batches may still be 0 right after a start."""
    usage = cgroups.usage(container_id, pid)
    return usage if usage.memory else None


@pytest.mark.engine
def test_a_real_container_through_its_life(custom_parent: str, engine: Engine) -> None:
    container_id = engine.run("cgroup-life", mem_limit=64 * MiB, nano_cpus=500_000_000)
    custom_id = engine.run("cgroup-custom", cgroup_parent=custom_parent)
    cgroups = Cgroups()

    for pid in (None, engine.pid("cgroup-life")):
        usage = eventually(partial(with_memory, cgroups, container_id, pid))
        assert 0 < usage.memory < 64 * MiB
        assert usage.memory_limit == 64 * MiB
        assert usage.cpu_limit == 0.5
        assert usage.pids is not None and usage.pids >= 1
    assert cgroups.usage(custom_id, engine.pid("cgroup-custom")).memory_limit is None
    with pytest.raises(NotFound):
        Cgroups().usage(custom_id, None)

    engine.client.restart(container_id, timeout=1)
    assert eventually(lambda: with_memory(cgroups, container_id, engine.pid("cgroup-life")))
    engine.client.stop(container_id, timeout=1)
    with pytest.raises(NotFound):
        cgroups.usage(container_id, None)
