"""Delivery by copy, with a real engine."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import tarfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import docker.errors
import pytest

from edged.adapters.artifacts import ArtifactStore, steps
from edged.adapters.docker_engine import DockerEngine
from edged.ports import ArtifactError, NotFound, PortError, Refused, Unreachable
from edged.vocabulary.actions import Where
from tests.adapters.artifacts import deploy, no_web, runtime
from tests.adapters.test_artifacts_cuts import STRIDE
from tests.bundles.maker import MODEL, write
from tests.fixtures.engine import BUSYBOX, EMPTY, IDLE, Engine, eventually

pytestmark = pytest.mark.engine
CONFIG = Where("config", "/app/config/config.yaml", "copy")
FOLDER = Where("model", "/models", "copy")
FILE = Where("model", "/models/model.onnx", "copy")
SET_UP = "mkdir -p /app/config /models; echo old: 1 > /app/config/config.yaml; chmod 640 /app/config/config.yaml;" \
    " chown 7:8 /app/config/config.yaml; echo before > /models/model.onnx; echo l > /models/labels.txt; "  # fmt: skip


@pytest.fixture
def adapter(engine: Engine) -> Iterator[DockerEngine]:
    with closing(DockerEngine(engine.url, timeout=20.0)) as adapter:
        yield adapter


@pytest.fixture
def store(adapter: DockerEngine, tmp_path: Path) -> ArtifactStore:
    state = tmp_path / "state"
    state.mkdir()
    return ArtifactStore(state, adapter, runtime(), no_web)


class Box:
    """A container with files, looked at without edged's own code."""

    def __init__(self, engine: Engine, more: str = ":", **options: Any) -> None:
        self.engine = engine
        self.id = engine.run("app", "sh", "-c", SET_UP + more + "; echo ready; " + IDLE[2], **options)
        while b"ready" not in engine.client.logs(self.id):
            assert engine.inspect("app")["State"]["Running"], engine.client.logs(self.id)

    def tar(self, path: str) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
        bits, _ = self.engine.client.get_archive(self.id, path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(bits))) as tar:
            return {m.name: (m, f.read() if m.isreg() and (f := tar.extractfile(m)) else b"") for m in tar}

    def read(self, path: str) -> bytes | None:
        try:
            return self.tar(path)[path.rpartition("/")[2]][1]
        except docker.errors.NotFound:
            return None

    def names(self, folder: str) -> set[str]:
        return {name.partition("/")[2] for name in self.tar(folder)} - {""}


def changed(engine: Engine, container: str) -> set[str]:
    return {f"{one['Kind']} {one['Path']}" for one in engine.client.diff(container) or ()}


def test_a_configuration_goes_in_and_back_again_with_owner_and_mode(
    engine: Engine, store: ArtifactStore, tmp_path: Path
) -> None:
    box = Box(engine)
    old = store.back_up("app", CONFIG, box.id, "", 30)["digest"]
    assert store.back_up("app", CONFIG, box.id, "", 30)["digest"] == old
    new = deploy(store, "app", CONFIG, write(tmp_path / "b", {"c.yaml": b"new: 2\n"}))
    assert store.place("app", CONFIG, box.id, new, old, 30)["changed"] > 0
    info, data = box.tar(CONFIG.path)["config.yaml"]
    assert (data, info.uid, info.gid, info.mode & 0o7777) == (b"new: 2\n", 7, 8, 0o640)
    assert box.names("/app/config") == {"config.yaml"}
    assert store.place("app", CONFIG, box.id, new, old, 30)["changed"] == 0

    store.place("app", CONFIG, box.id, old, new, 30)
    info, data = box.tar(CONFIG.path)["config.yaml"]
    assert (data, info.uid, info.gid, info.mode & 0o7777) == (b"old: 1\n", 7, 8, 0o640)
    assert box.names("/app/config") == {"config.yaml"}


def test_a_stopped_and_a_recreated_container(engine: Engine, store: ArtifactStore, tmp_path: Path) -> None:
    box = Box(engine)
    engine.client.stop(box.id, timeout=1)
    old = store.back_up("app", CONFIG, box.id, "", 30)["digest"]
    new = deploy(store, "app", CONFIG, write(tmp_path / "b", {"c.yaml": b"new: 2\n"}))
    store.place("app", CONFIG, box.id, new, old, 30)
    assert box.read(CONFIG.path) == b"new: 2\n"
    engine.rm("app")
    again = Box(engine)
    assert again.read(CONFIG.path) == b"old: 1\n"
    store.place("app", CONFIG, again.id, new, old, 30)
    assert again.read(CONFIG.path) == b"new: 2\n"


def test_a_model_folder_and_back(engine: Engine, store: ArtifactStore, tmp_path: Path) -> None:
    box = Box(engine)
    before = box.names("/models")
    old = store.back_up("app", FOLDER, box.id, "", 30)["digest"]
    bundle = write(tmp_path / "b", {"model.onnx": MODEL, "extra/deep/a.json": b"{}"})
    new = deploy(store, "app", FOLDER, bundle)
    store.place("app", FOLDER, box.id, new, old, 30)
    assert box.read("/models/model.onnx") == MODEL
    assert box.read("/models/extra/deep/a.json") == b"{}"
    assert box.read("/models/labels.txt") == b"l\n"
    assert box.names("/models") == before | {"extra", "extra/deep", "extra/deep/a.json"}

    store.place("app", FOLDER, box.id, old, new, 30)
    assert box.read("/models/model.onnx") == b"before\n"
    assert box.names("/models") == before | {"extra", "extra/deep"}  # empty folders stay


def test_a_model_file_alone(engine: Engine, store: ArtifactStore, tmp_path: Path) -> None:
    box = Box(engine)
    before = box.names("/models")
    old = store.back_up("app", FILE, box.id, "", 30)["digest"]
    new = deploy(store, "app", FILE, write(tmp_path / "b", {"model.onnx": MODEL, "golden.npz": b"x"}))
    store.place("app", FILE, box.id, new, old, 30)
    assert box.read("/models/model.onnx") == MODEL
    assert box.names("/models") == before
    store.place("app", FILE, box.id, old, new, 30)
    assert box.read("/models/model.onnx") == b"before\n"


def test_what_was_not_there_is_not_there_again(engine: Engine, store: ArtifactStore, tmp_path: Path) -> None:
    box = Box(engine)
    where = Where("config", "/app/config/other.yaml", "copy")
    assert store.back_up("app", where, box.id, "", 30) == {"digest": ""}
    new = deploy(store, "app", where, write(tmp_path / "b", {"c.yaml": b"new: 2\n"}))
    store.place("app", where, box.id, new, "", 30)
    assert box.read(where.path) == b"new: 2\n"
    store.place("app", where, box.id, "", new, 30)
    store.place("app", where, box.id, "", new, 30)
    assert box.read(where.path) is None
    assert box.names("/app/config") == {"config.yaml"}


@pytest.mark.parametrize("kind", ["volume", "bind"])
def test_a_volume(engine: Engine, store: ArtifactStore, tmp_path: Path, kind: str) -> None:
    (tmp_path / "v").mkdir()
    source = "volume" if kind == "volume" else str(tmp_path / "v")
    box = Box(engine, mounts=[f"{source}:/app/config"], read_only=False)
    old = store.back_up("app", CONFIG, box.id, "", 30)["digest"]
    new = deploy(store, "app", CONFIG, write(tmp_path / "b", {"c.yaml": b"new: 2\n"}))
    store.place("app", CONFIG, box.id, new, old, 30)
    assert box.read(CONFIG.path) == b"new: 2\n"
    assert box.names("/app/config") == {"config.yaml"}


def test_links_are_followed_to_the_file(engine: Engine, store: ArtifactStore, tmp_path: Path) -> None:
    box = Box(engine, "mkdir /real; mv /app/config/config.yaml /real/c; ln -s ../../real/c /app/config/config.yaml")
    old = store.back_up("app", CONFIG, box.id, "", 30)["digest"]
    new = deploy(store, "app", CONFIG, write(tmp_path / "b", {"c.yaml": b"new: 2\n"}))
    store.place("app", CONFIG, box.id, new, old, 30)
    assert box.read("/real/c") == b"new: 2\n"
    assert box.tar("/app/config")["config/config.yaml"][0].issym()
    assert box.names("/real") == {"c"}
    store.place("app", CONFIG, box.id, old, new, 30)
    assert box.read("/real/c") == b"old: 1\n"


@pytest.mark.parametrize(
    ("path", "options", "code"),
    [
        ("/etc/c.yaml", {"read_only": True, "image": EMPTY}, "read_only"),
        ("/nowhere/c.yaml", {}, "no_folder"),
        ("/app/config", {}, "path_kind"),
    ],
)
def test_what_cannot_be_done_says_why_and_changes_nothing(
    engine: Engine, store: ArtifactStore, tmp_path: Path, path: str, options: dict[str, Any], code: str
) -> None:
    where = Where("config", path, "copy")
    made = engine.run("app", start=False, **options) if options else Box(engine).id
    new = deploy(store, "app", where, write(tmp_path / "b", {"c.yaml": b"x" * 20_000_000}))
    before = changed(engine, made)
    if code != "path_kind":
        with pytest.raises(ArtifactError) as error:
            store.back_up("app", where, made, "", 30)
        assert error.value.code == code, error.value
    with pytest.raises(ArtifactError) as error:
        store.place("app", where, made, new, "", 30)
    assert error.value.code == code, error.value
    assert changed(engine, made) == before


def test_a_single_file_that_is_mounted_cannot_be_replaced(engine: Engine, store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "c").write_text("mounted")
    made = engine.run("app", image=EMPTY, start=False, mounts=[f"{tmp_path}/c:/etc/c.yaml"])
    where = Where("config", "/etc/c.yaml", "copy")
    new = deploy(store, "app", where, write(tmp_path / "b", {"c.yaml": b"new"}))
    old = store.back_up("app", where, made, "", 30)["digest"]
    with pytest.raises(ArtifactError) as error:
        store.place("app", where, made, new, old, 30)
    assert error.value.code == "in_the_way", error.value
    store.place("app", where, made, old, new, 30)
    assert not [one for one in engine.client.diff(made) if ".edged-" in one["Path"]]
    assert (tmp_path / "c").read_text() == "mounted"


def test_a_large_file_streams(engine: Engine, store: ArtifactStore, tmp_path: Path) -> None:
    import tracemalloc

    data = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(2**20))
    box = Box(engine)
    new = deploy(store, "app", CONFIG, write(tmp_path / "b", {"c.yaml": data}))
    tracemalloc.start()
    store.place("app", CONFIG, box.id, new, "", 60)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert box.read(CONFIG.path) == data
    assert peak < 8 * 2**20, peak


def test_calls_of_the_adapter(engine: Engine, adapter: DockerEngine) -> None:
    box = Box(engine, "trap 'touch /got' HUP")
    adapter.signal(box.id, "HUP", 5)
    with pytest.raises(NotFound):
        next(adapter.get_archive(box.id, "/nowhere", 10**6, 5))
    with pytest.raises(Refused, match="larger"):
        list(adapter.get_archive(box.id, "/bin/busybox", 1000, 5))
    with pytest.raises(NotFound):
        adapter.put_archive(box.id, "/nowhere", iter([bytes(1024)]), 5)
    with pytest.raises(Refused):
        adapter.signal(box.id, "NONSENSE", 5)
    engine.freeze()
    with pytest.raises(Unreachable):
        list(adapter.get_archive(box.id, "/bin", 10**9, 0.5))
    with pytest.raises(Unreachable):
        adapter.put_archive(box.id, "/tmp", iter([bytes(1024)]), 0.5)
    engine.thaw()


def test_a_container_that_is_gone_is_not_taken_for_an_empty_one(
    engine: Engine, store: ArtifactStore, tmp_path: Path
) -> None:
    box = Box(engine)
    engine.rm("app")
    for made in (box.id, ""):
        with pytest.raises(ArtifactError) as error:
            store.back_up("app", CONFIG, made, "", 30)
        assert error.value.code == "unreachable"


def test_edged_is_killed_at_the_steps_of_a_copy(engine: Engine, store: ArtifactStore, tmp_path: Path) -> None:
    box = Box(engine)
    old = store.back_up("app", CONFIG, box.id, "", 30)["digest"]
    new = deploy(store, "app", CONFIG, write(tmp_path / "b", {"c.yaml": b"new: 2\n"}))
    wanted, other, step = new, old, 1
    while True:
        pid = os.fork()
        if pid == 0:
            left = step

            def count(_: str) -> None:
                nonlocal left
                left -= 1
                if left == 0:
                    os._exit(99)

            try:
                steps.at = count
                adapter = DockerEngine(engine.url, timeout=20.0)
                own = ArtifactStore(tmp_path / "state", adapter, runtime(), no_web)
                own.place("app", CONFIG, box.id, wanted, other, 60)
                os._exit(0)
            finally:
                os._exit(1)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code in (0, 99)
        assert box.read(CONFIG.path) in (b"old: 1\n", b"new: 2\n")
        store.place("app", CONFIG, box.id, wanted, other, 60)
        assert box.read(CONFIG.path) == (b"new: 2\n" if wanted == new else b"old: 1\n")
        assert box.names("/app/config") == {"config.yaml"}
        if code == 0:
            break
        wanted, other, step = other, wanted, step + STRIDE
    assert step > 20


def test_a_reader_never_sees_a_part_of_a_file(engine: Engine, store: ArtifactStore, tmp_path: Path) -> None:
    box = Box(engine)
    one, two = (
        deploy(store, "app", CONFIG, write(tmp_path / name, {"c.yaml": name.encode() * 1_000_000}), name)
        for name in ("one", "two")
    )
    store.place("app", CONFIG, box.id, one, "", 30)
    look = "echo ready; while :; do md5sum < /app/config/config.yaml || echo missing; done 2>/dev/null"
    host = engine.client.create_host_config(network_mode="host", pid_mode=f"container:{box.id}")
    path = "/proc/1/root/app/config/config.yaml"
    reader = engine.client.create_container(
        BUSYBOX, ["sh", "-c", look.replace("/app/config/config.yaml", path)], name="reader", host_config=host
    )["Id"]
    engine.client.start(reader)
    eventually(lambda: b"  -" in engine.client.logs(reader), what=engine.client.logs(reader).decode())
    for number in range(15):
        store.place("app", CONFIG, box.id, *((two, one) if number % 2 == 0 else (one, two)), 30)
    lines = engine.client.logs(reader).decode().splitlines()
    sums = {hashlib.md5(name * 1_000_000).hexdigest() + "  -" for name in (b"one", b"two")}
    assert set(lines) - {"ready", "missing"} == sums
    gone = sum(line == "missing" for line, _ in itertools.groupby(lines))
    assert gone <= 15, "the engine unpacks by another name, or frees the name for a moment, once"


def test_the_engine_dies_in_the_middle(engine: Engine, store: ArtifactStore, tmp_path: Path) -> None:
    box = Box(engine)
    old = store.back_up("app", CONFIG, box.id, "", 30)["digest"]
    data = b"new: 2\n" * 10_000_000
    new = deploy(store, "app", CONFIG, write(tmp_path / "b", {"c.yaml": data}))
    errors: list[PortError] = []

    def place() -> None:
        try:
            store.place("app", CONFIG, box.id, new, old, 60)
        except PortError as error:
            errors.append(error)

    containerd = Path("/proc", (engine.folder / "exec" / "containerd" / "containerd.pid").read_text().strip(), "stat")
    reached = threading.Event()
    before, steps.at = steps.at, lambda point: reached.set() if point == "copy.beside.put:before" else None
    try:
        thread = threading.Thread(target=place)
        thread.start()
        assert reached.wait(20)
        engine.crash()
        thread.join(60)
    finally:
        steps.at = before
    assert [type(error) for error in errors] == [Unreachable]
    # It goes with the dockerd that began it, and only then can another one begin its own.
    eventually(lambda: not containerd.exists() or ") Z " in containerd.read_text())
    engine.start()
    assert box.read(CONFIG.path) == b"old: 1\n"
    store.place("app", CONFIG, box.id, new, old, 60)
    assert box.read(CONFIG.path) == data
    assert box.names("/app/config") == {"config.yaml"}
