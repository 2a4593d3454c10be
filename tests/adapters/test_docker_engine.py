"""The adapter against a real engine."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from edged.adapters.docker_engine import DockerEngine
from edged.ports import NotFound, PortError, Refused, Unreachable
from edged.vocabulary.facts import ContainerChanged
from tests.fixtures.engine import STUBBORN, Engine, eventually
from tests.fixtures.patience import PATIENCE

pytestmark = pytest.mark.engine
SECOND = 1_000_000_000


@pytest.fixture
def adapter(engine: Engine) -> Iterator[DockerEngine]:
    with closing(DockerEngine(engine.url, timeout=5.0)) as adapter:
        yield adapter


class Following:
    """Collects an adapter's events on a thread, with the time each one came."""

    def __init__(self, adapter: DockerEngine, since: float | None = None) -> None:
        self.changes: list[ContainerChanged] = []
        self.times: list[float] = []
        self.accepted = threading.Event()
        self.error: PortError | None = None
        self._adapter = adapter
        self._since = time.time() if since is None else since
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            with closing(self._adapter.events(self._since, lambda: 7.0)) as stream:
                for change in stream:
                    self.accepted.set()
                    if change is not None:
                        self.times.append(time.perf_counter())
                        self.changes.append(change)
        except PortError as error:
            self.error = error

    def __enter__(self) -> Following:
        self.thread.start()
        assert self.accepted.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._adapter.close_events()
        self.thread.join(2)
        assert not self.thread.is_alive()

    def actions(self, name: str = "app") -> list[str]:
        return [change.action for change in self.changes if change.name == name]

    def wait(self, action: str, name: str = "app") -> ContainerChanged:
        def found() -> ContainerChanged | None:
            return next((one for one in self.changes if (one.action, one.name) == (action, name)), None)

        got = eventually(found, what=f"{action} of {name}")
        assert isinstance(got, ContainerChanged)
        return got


def test_ping_and_list_and_inspect(engine: Engine, adapter: DockerEngine) -> None:
    assert adapter.ping(2.0)[0].isdigit()
    assert adapter.list_all() == ()
    before = time.time()
    running = engine.run("app", labels={"edged.enable": "true"}, restart_policy="unless-stopped")
    created = engine.run("made", start=False)
    gone = engine.run("ended", "sh", "-c", "exit 3")
    eventually(partial(ended, engine, "ended"))

    listed = {container.id: container for container in adapter.list_all()}
    assert set(listed) == {running, created, gone}
    app = listed[running]
    assert (app.name, app.status, app.health, app.image) == ("app", "running", "none", "edged-test/busybox:latest")
    assert app.labels == {"edged.enable": "true"}
    assert before - 2 < (app.created_at or 0) < before + 5
    assert (app.restart_policy, app.pid, app.started_at) == (None, None, None), "not told by a list"
    assert listed[created].status == "created"
    assert (listed[gone].status, listed[gone].exit_code) == ("exited", 3)

    inspected, raw = adapter.inspect("app")
    assert (inspected.id, inspected.pid, inspected.restart_policy) == (running, engine.pid("app"), "unless-stopped")
    assert before - 1 < (inspected.started_at or 0) < before + 5
    assert raw["State"]["Status"] == "running"
    assert adapter.inspect(created)[0].started_at is None
    assert adapter.inspect(gone)[0].exit_code == 3


def test_health_as_list_and_inspect_and_events_tell_it(engine: Engine, adapter: DockerEngine) -> None:
    check = {"test": ["CMD", "test", "-e", "/tmp/ok"], "interval": SECOND // 10, "retries": 1, "start_period": 0}
    with Following(adapter) as following:
        engine.run("app", "sh", "-c", "touch /tmp/ok; sleep 0.6; rm /tmp/ok; sleep 100", healthcheck=check)
        assert adapter.list_all()[0].health in {"starting", "healthy"}
        eventually(lambda: adapter.list_all()[0].health == "healthy")
        eventually(lambda: adapter.inspect("app")[0].health == "unhealthy")
        assert adapter.list_all()[0].health == "unhealthy"
        eventually(lambda: len(following.actions()) >= 4)
    # health_status, and nothing of the exec_create, exec_start and exec_die of each check
    assert following.actions() == ["create", "start", "health_status", "health_status"]
    assert [change.health for change in following.changes[2:]] == ["healthy", "unhealthy"]


def test_a_death_is_told_at_once(engine: Engine, adapter: DockerEngine) -> None:
    engine.run("app")
    with Following(adapter) as following:
        began = time.perf_counter()
        engine.kill_main("app")
        died = following.wait("die")
        took = following.times[0] - began
    assert (died.exit_code, died.at, died.image) == (137, 7.0, "edged-test/busybox:latest")
    assert abs(died.time - time.time()) < 10
    assert following.actions() == ["die"], "nobody asked for it: no kill, no stop"
    assert took < PATIENCE


def test_a_persons_stop_and_kill(engine: Engine, adapter: DockerEngine) -> None:
    for name in ("stopped", "stubborn", "killed", "restarted"):
        engine.run(name, *(STUBBORN if name == "stubborn" else ()))
    with Following(adapter) as following:
        engine.client.stop("stopped")
        engine.client.stop("stubborn", timeout=1)
        engine.client.kill("killed")
        engine.client.restart("restarted")
        following.wait("restart", "restarted")
        for name in ("stopped", "stubborn", "killed"):
            following.wait("die", name)
        for name in ("stopped", "stubborn"):
            following.wait("stop", name)
    assert death_first(following.actions("stopped")) == ["kill", "die", "stop"]
    assert following.wait("kill", "stopped").signal == 15
    assert following.wait("die", "stopped").exit_code == 0
    assert death_first(following.actions("stubborn")) == ["kill", "kill", "die", "stop"]
    assert [one.signal for one in following.changes if one.name == "stubborn" and one.action == "kill"] == [15, 9]
    assert following.actions("killed") == ["kill", "die"], "a kill is never followed by a stop"
    assert following.wait("kill", "killed").signal == 9
    assert death_first(following.actions("restarted")) == ["kill", "die", "stop", "start", "restart"]


def test_pause_rename_update_oom_and_destroy(engine: Engine, adapter: DockerEngine) -> None:
    with Following(adapter) as following:
        engine.run("app")
        adapter.pause("app", 5)
        assert adapter.list_all()[0].status == "paused"
        assert (adapter.inspect("app")[0].pid or 0) > 0
        adapter.unpause("app", 5)
        engine.client.update_container("app", restart_policy={"Name": "always"})
        assert adapter.inspect("app")[0].restart_policy == "always"
        engine.client.rename("app", "other")
        engine.rm("other")
        following.wait("destroy", "other")
        # Not at once: an engine does not hear of a kill in a container's first instants.
        engine.run("big", "sh", "-c", "sleep 0.5; exec dd if=/dev/zero of=/dev/null bs=64M", mem_limit=8 << 20)
        following.wait("oom", "big")
        assert following.wait("die", "big").exit_code == 137
    assert following.actions() == ["create", "start", "pause", "unpause", "update"]
    assert following.actions("other") == ["rename", "kill", "die", "destroy"]
    assert adapter.inspect("big")[0].oom_killed


def test_start_stop_restart(engine: Engine, adapter: DockerEngine) -> None:
    engine.run("app")
    first = adapter.inspect("app")[0]
    adapter.start("app", 5)
    adapter.restart("app", 1.0, 5)
    second = adapter.inspect("app")[0]
    assert second.pid != first.pid
    assert (second.started_at or 0) > (first.started_at or 0)
    adapter.stop("app", 0.5, 5)
    adapter.stop("app", 0.5, 5)
    assert adapter.list_all()[0].status == "exited"
    adapter.start("app", 5)
    adapter.start("app", 5)
    assert adapter.list_all()[0].status == "running"


def test_restart_of_one_that_ignores_sigterm_takes_the_stop_timeout(engine: Engine, adapter: DockerEngine) -> None:
    engine.run("app", *STUBBORN)
    began = time.monotonic()
    adapter.restart("app", 1.0, timeout=0.1)
    assert 0.9 < time.monotonic() - began < 5
    assert adapter.list_all()[0].status == "running"


def test_refusals(engine: Engine, adapter: DockerEngine) -> None:
    engine.run("app")
    for call in (
        lambda: adapter.start("nobody", 5),
        lambda: adapter.inspect("nobody"),
        lambda: adapter.logs("nobody", 5, 100, 5),
        lambda: adapter.usage("nobody"),
    ):
        with pytest.raises(NotFound, match="nobody"):
            call()
    with pytest.raises(Refused, match="is not paused"):
        adapter.unpause("app", 5)
    with pytest.raises(PortError):
        adapter.start("", 5)
    engine.run("broken", "/no/such/program", start=False)
    with pytest.raises(PortError, match="no such file"):
        adapter.start("broken", 5)


def test_usage(engine: Engine, adapter: DockerEngine) -> None:
    engine.run("app", "sh", "-c", "while :; do :; done", mem_limit=64 << 20, nano_cpus=50_000_000)
    eventually(lambda: adapter.usage("app").cpu_seconds > 0.05)
    eventually(lambda: adapter.usage("app").throttled_periods > 0)
    used = adapter.usage("app")
    assert used.container_id == adapter.inspect("app")[0].id
    assert 0 < used.memory < 64 << 20
    assert (used.memory_limit, used.cpu_limit) == (64 << 20, 0.05)
    assert (used.pids or 0) >= 1
    adapter.stop("app", 0, 5)
    with pytest.raises(NotFound, match="does not run"):
        adapter.usage("app")


def death_first(actions: list[str]) -> list[str]:
    """Docker 26 may tell of a stop just before the death that it brought."""
    return " ".join(actions).replace("stop die", "die stop").split()


def logged(adapter: DockerEngine, name: str) -> bool:
    return adapter.logs(name, 10, 10_000, 5).count(b"\n") == 3


def ended(engine: Engine, name: str) -> bool:
    return engine.pid(name) == 0


def test_logs(engine: Engine, adapter: DockerEngine) -> None:
    script = "echo one; echo two >&2; echo three; trap 'exit 0' TERM; sleep 100 & wait"
    for name, tty in (("plain", False), ("tty", True)):
        engine.run(name, "sh", "-c", script, tty=tty)
        eventually(partial(logged, adapter, name))
        lines = adapter.logs(name, 10, 10_000, 5).splitlines()
        # The two streams of one without a terminal may overtake each other.
        assert sorted(line.split(b" ", 1)[1] for line in lines) == [b"one", b"three", b"two"]
        assert all(line.startswith(b"20") and b"Z " in line for line in lines), "timestamps"
        assert adapter.logs(name, 1, 10_000, 5).count(b"\n") == 1
        assert adapter.logs(name, 0, 10_000, 5) == b""


def test_logs_are_bounded_in_bytes(engine: Engine, adapter: DockerEngine) -> None:
    script = "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end"
    for name, tty in (("plain", False), ("tty", True)):
        engine.run(name, "sh", "-c", script, tty=tty)
        eventually(partial(ended, engine, name))
        got = adapter.logs(name, 1000, 5000, 5)
        assert len(got) <= 5000
        assert got.rstrip().endswith(b"end")


def test_logs_are_bounded_in_time(engine: Engine, adapter: DockerEngine) -> None:
    engine.run("app")
    adapter.list_all()
    engine.freeze()
    began = time.monotonic()
    with closing(DockerEngine(engine.url, timeout=0.3)) as impatient, pytest.raises(Unreachable):
        impatient.logs("app", 10, 100, 0.3)
    assert time.monotonic() - began < 1.5 * PATIENCE


def test_many_threads(engine: Engine, adapter: DockerEngine) -> None:
    for name in ("a1", "a2", "a3", "a4"):
        engine.run(name)
    with ThreadPoolExecutor(8) as pool:
        for pid in pool.map(lambda n: adapter.inspect(f"a{n % 4 + 1}")[0].pid, range(80)):
            assert pid
        list(pool.map(lambda n: adapter.restart(f"a{n + 1}", 1, 10), range(4)))
    assert len(adapter._clients._idle) <= 2
    assert {one.status for one in adapter.list_all()} == {"running"}


def test_no_engine_yet_then_another_one(engine: Engine, adapter: DockerEngine) -> None:
    engine.stop()
    with pytest.raises(Unreachable, match="no such socket"):
        adapter.list_all()
    with pytest.raises(Unreachable, match="no such socket"):
        next(adapter.events(0, time.monotonic))
    engine.start()
    assert adapter.list_all() == ()
    engine.crash()
    for call in (adapter.list_all, adapter.ping):
        with pytest.raises(Unreachable, match="nobody listens"):
            call()
    engine.start()
    assert adapter.ping()
    assert adapter.list_all() == ()


def test_a_frozen_engine(engine: Engine, adapter: DockerEngine) -> None:
    adapter.list_all()
    with closing(DockerEngine(engine.url, timeout=0.3)) as impatient, Following(adapter) as following:
        impatient.list_all()
        engine.freeze()
        for call, told in ((lambda: adapter.ping(0.3), "0.3s"), (impatient.list_all, "0.3s")):
            began = time.monotonic()
            with pytest.raises(Unreachable, match=f"does not answer within {told}"):
                call()
            assert 0.25 < time.monotonic() - began < PATIENCE
        with pytest.raises(Unreachable, match="does not answer within"):
            next(impatient.events(0, time.monotonic))
        assert following.thread.is_alive(), "the stream itself cannot know"
    assert following.error is None


def test_the_streams_end(engine: Engine, adapter: DockerEngine) -> None:
    following = Following(adapter)
    with following:
        engine.crash()
        following.thread.join(5)
    assert isinstance(following.error, Unreachable)
    assert "broke off" in str(following.error) or "reset" in str(following.error)


def test_close_events_while_the_engine_has_not_accepted(engine: Engine, adapter: DockerEngine) -> None:
    engine.freeze()
    for known_version in (False, True):
        following = Following(adapter)
        following.thread.start()
        eventually(lambda: adapter._stream is not None and adapter._stream._socket is not None)
        began = time.monotonic()
        adapter.close_events()
        following.thread.join(2)
        assert time.monotonic() - began < 1.5
        assert following.error is None
        if not known_version:
            engine.thaw()
            adapter.list_all()
            engine.freeze()


def test_a_hidden_socket(engine: Engine, adapter: DockerEngine) -> None:
    adapter.list_all()
    engine.hide_socket()
    for call in (adapter.list_all, adapter.ping):
        with pytest.raises(Unreachable, match="no such socket"):
            call()
    engine.show_socket()
    assert adapter.ping()
    assert adapter.list_all() == ()


def test_events_since(engine: Engine, adapter: DockerEngine) -> None:
    began = time.time()
    engine.run("app")
    engine.rm("app")
    with Following(adapter, since=began) as following:
        following.wait("destroy")
    assert following.actions() == ["create", "start", "kill", "die", "destroy"]
    with Following(adapter, since=following.changes[-1].time - 0.001) as again:
        again.wait("destroy")
    assert again.actions()[-1] == "destroy", "repeated: whoever reconnects has to recognise it"


def test_silence_shows_that_the_thread_lives(
    engine: Engine, adapter: DockerEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.adapters.docker_engine._IDLE", 0.05)
    with closing(adapter.events(time.time(), time.monotonic)) as stream:
        assert [next(stream) for _ in range(4)] == [None] * 4
        engine.run("app")
        names = {change.name for change in (next(stream) for _ in range(3)) if change}
    assert names == {"app"}


@contextmanager
def forwarded(path: str) -> Iterator[str]:
    """A TCP address that leads to the socket at ``path``."""
    pairs: list[socket.socket] = []

    def pump(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def accept() -> None:
        while True:
            try:
                inner, _ = listener.accept()
            except OSError:
                return
            outer = socket.socket(socket.AF_UNIX)
            pairs.extend((inner, outer))
            outer.connect(path)
            for ends in ((inner, outer), (outer, inner)):
                threads.append(threading.Thread(target=pump, args=ends))
                threads[-1].start()

    listener = socket.create_server(("127.0.0.1", 0))
    threads = [threading.Thread(target=accept)]
    threads[0].start()
    try:
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for one in pairs:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in threads:
            thread.join(2)
        for one in pairs:
            one.close()


def test_over_tcp(engine: Engine) -> None:
    with forwarded(str(engine.socket)) as url, closing(DockerEngine(url, 5.0)) as adapter:
        assert adapter.ping()
        with Following(adapter) as following:
            engine.run("app")
            adapter.restart("app", 1, 5)
            following.wait("restart")
        assert adapter.list_all()[0].name == "app"


def test_this_python_in_a_container(engine: Engine, adapter: DockerEngine) -> None:
    engine.run_python("py", "import sys; import edged.ports; print('hello', *sys.argv[1:])", "world")
    eventually(partial(ended, engine, "py"))
    assert adapter.logs("py", 10, 1000, 5).endswith(b"Z hello world\n")


def test_nothing_is_left_open(engine: Engine, adapter: DockerEngine) -> None:
    def descriptors() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    engine.run("app")
    adapter.list_all()
    before = descriptors()
    for _ in range(20):
        adapter.list_all()
        adapter.ping()
        adapter.logs("app", 5, 100, 5)
        with closing(adapter.events(0, time.monotonic)) as stream:
            next(stream)
    assert descriptors() <= before
    os.kill(engine.pid("app"), signal.SIGTERM)


def test_a_program_in_a_container(engine: Engine, adapter: DockerEngine) -> None:
    engine.run("box")
    run = adapter.execute
    code, said = run("box", ("sh", "-c", "echo out; echo err >&2; exit 3"), 100, 10.0)
    assert code == 3 and sorted(said.split()) == [b"err", b"out"]
    code, said = run("box", ("sh", "-c", "seq 1 100000"), 100, 10.0)
    assert code == 0 and said.endswith(b"\n100000\n") and len(said) <= 200
    assert run("box", ("no-such-program",), 100, 10.0)[0] in (126, 127)
    began = time.monotonic()
    with pytest.raises(Unreachable, match="did not end within 1 s"):
        run("box", ("sleep", "100"), 100, 1.0)
    assert time.monotonic() - began < 5.0
    with pytest.raises(NotFound):
        run("nobody", ("true",), 100, 5.0)
    engine.client.stop("box", timeout=0)
    with pytest.raises(Refused):
        run("box", ("true",), 100, 5.0)


def test_removing_what_is_left_over(engine: Engine, adapter: DockerEngine) -> None:
    engine.run("box")
    with pytest.raises(Refused):
        adapter.remove("box", 10.0)
    engine.client.stop("box", timeout=0)
    adapter.remove("box", 10.0)
    adapter.remove("box", 10.0)
    assert adapter.list_all() == () and adapter.prune_images(10.0) >= 0
