"""Logs of a real engine: its drivers, rotation, restarts, and readers that do not read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edged.adapters.docker_engine import DockerEngine
from edged.config import Logs
from edged.observe.jobs import LogsJob, LogTarget
from edged.observe.log_position import Position
from edged.observe.log_readers import LogReaders
from edged.ports import LogLine, LogStream, NotFound, Refused
from edged.vocabulary.facts import CheckFailed, LogsCounted
from tests.fixtures.demand import demand
from tests.fixtures.engine import REPO, Engine, eventually

pytestmark = pytest.mark.engine

Watching = Callable[..., "Watch"]
Follow = Callable[[str], LogStream]
ROTATED = {
    "json-file": {"max-size": "32k", "max-file": "3"},
    # Compressed files of that size are gone before the engine itself has read them.
    "local": {"max-size": "32k", "max-file": "3", "compress": "false"},
}


@pytest.fixture
def adapter(engine: Engine) -> Iterator[DockerEngine]:
    made = DockerEngine(engine.url)
    yield made
    made.close()


def shell(*lines: str) -> tuple[str, ...]:
    return ("sh", "-c", "\n".join((*lines, "trap 'exit 0' TERM; sleep 1000 & wait")))


@pytest.fixture
def watching(adapter: DockerEngine) -> Iterator[Callable[..., Watch]]:
    made: list[Watch] = []

    def watch(container: str, **more: str | float) -> Watch:
        made.append(Watch(adapter, container, **more))
        return made[-1]

    yield watch
    for one in made:
        one.readers.stop()


@pytest.fixture
def follow(adapter: DockerEngine) -> Iterator[Callable[[str], LogStream]]:
    """Follows a log from its beginning."""
    with ExitStack() as opened:

        def open_(container: str) -> LogStream:
            stream = adapter.follow_logs(container, "1.0", 100, 5.0)
            opened.callback(stream.close)
            return stream

        yield open_


def read(stream: LogStream, enough: Callable[[list[LogLine]], bool], within: float = 15.0) -> list[LogLine]:
    lines: list[LogLine] = []

    def more() -> bool:
        got = stream.read(2**20)
        lines.extend(got.lines)
        return enough(lines) or got.ended

    eventually(more, within)
    return lines


class Wall:
    """The clocks as they are."""

    @staticmethod
    def now() -> float:
        return time.monotonic()

    @staticmethod
    def wall() -> float:
        return time.time()


class Watch:
    """The check of one app's log against the real engine."""

    def __init__(self, adapter: DockerEngine, container: str, *, resume: str = "", started: float = 1.0) -> None:
        self.readers = LogReaders(adapter, Wall())
        self.target = LogTarget(app="a", rules=Logs(), container=container, started=started, resume=resume)
        self.counts = dict.fromkeys(("lines", "skipped", "errors"), 0)
        self.position, self.kept = "", 0
        """Where a next one goes on, and the errors up to there."""
        self.failed: list[CheckFailed] = []

    def look(self) -> Watch:
        for fact in self.readers.take(
            LogsJob(check="logs", subject="host", every=1.0, deadline=30.0, apps=(self.target,))
        ):
            if isinstance(fact, CheckFailed):
                self.failed.append(fact)
            elif isinstance(fact, LogsCounted):
                for one in fact.apps:
                    self.counts["lines"] += one.lines
                    self.counts["skipped"] += one.skipped
                    self.counts["errors"] += one.counts.get("errors", 0)
                    if one.position:
                        self.position, self.kept = one.position, self.counts["errors"]
        return self

    def until(self, errors: int, within: float = 20.0) -> Watch:
        eventually(lambda: self.look().counts["errors"] >= errors, within, f"{errors} errors, got {self.counts}")
        return self


@pytest.mark.parametrize("driver", ["json-file", "local"])
@pytest.mark.parametrize("tty", [False, True])
def test_every_line_comes_once_with_long_and_binary_ones(
    engine: Engine, follow: Follow, driver: str, tty: bool
) -> None:
    """A line of 40 kB comes in pieces; what follows it is another line, where the driver tells its end at all."""
    script = shell(
        "echo first", "echo ERROR of stderr >&2", "sleep 0.1", "printf 'ERROR '; head -c 40000 /dev/zero | tr '\\0' x",
        "echo", "echo next", "printf '\\377\\376\\000\\033[31mbinary\\n'", "sleep 0.1", "echo last",
    )  # fmt: skip
    made = engine.run("app", *script, tty=tty, log_config={"Type": driver})
    lines = read(follow(made), lambda got: bool(got) and b"last" in got[-1].text)
    texts = [line.text.rstrip(b"\r\n") for line in lines]
    wanted = [b"first", b"ERROR of stderr", b"ERROR xxx", b"next", b"binary", b"last"]
    if tty and driver == "local" and not any(text.startswith(b"next") for text in texts):
        wanted.remove(b"next")  # Docker 20.10 glues it to the long one
    found = [next((text for text in texts if one in text[:20]), None) for one in wanted]
    assert None not in found and len(texts) == len(wanted), texts
    assert all(Position().after([line], "c").since for line in lines) and max(map(len, texts)) <= 4096


@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_rotation_loses_nothing_and_doubles_nothing(engine: Engine, watching: Watching, driver: str) -> None:
    """About 300 kB through files of 32 kB each; a second reader goes on from where the first one was."""
    script = shell("i=0; while [ $i -lt 3000 ]; do echo ERROR $i is one of three thousand lines that are written; "
                   "i=$((i+1)); [ $((i % 50)) = 0 ] && usleep 40000; done")  # fmt: skip
    made = engine.run("app", *script, log_config={"Type": driver, "Config": ROTATED[driver]})
    first = watching(made, started=time.time() - 5.0)
    first.until(1)
    kept = first.kept
    assert first.position, "the first report is one that is kept"
    first.readers.stop()
    second = watching(made, resume=first.position).until(3000 - kept, within=40.0)
    time.sleep(1.0)
    second.look()
    second.readers.stop()
    assert second.counts["errors"] == 3000 - kept and second.counts["skipped"] == 0


def test_a_reader_that_does_not_read_holds_nobody_up(engine: Engine, follow: Follow) -> None:
    """The container writes 40 MB through rotating files while the connection stands open, full, and unread."""
    script = shell("head -c 40000000 /dev/zero | tr '\\0' 'x' | fold -w 100; echo; echo > /tmp/done")
    made = engine.run("app", *script, log_config={"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}})
    stream = follow(made)

    def done() -> bool:
        inspected = engine.client.exec_create(made, ["cat", "/tmp/done"])
        engine.client.exec_start(inspected)
        return bool(engine.client.exec_inspect(inspected["Id"])["ExitCode"] == 0)

    eventually(done, 60.0, "the container has written it all")
    assert stream.read(1000).lines, "and what was there is still there"


@pytest.mark.parametrize("how", ["restart", "kill", "engine"])
def test_a_stream_ends_and_the_next_goes_on(engine: Engine, watching: Watching, how: str) -> None:
    made = engine.run("app", *shell("echo ERROR at the start"), restart_policy="always")
    watch = watching(made, started=time.time() - 5.0).until(1)
    for _ in range(3):
        watch.look()
    if how == "restart":
        engine.client.restart(made, timeout=1)
    elif how == "kill":
        engine.kill_main("app")
    else:
        engine.stop()
        watch.look()
        engine.start()
    watch.until(2, within=40.0)
    time.sleep(1.5)
    assert watch.look().counts["errors"] == 2


def test_last_words(engine: Engine, watching: Watching) -> None:
    made = engine.run("app", "sh", "-c", "sleep 0.5; echo ERROR a; echo FATAL b >&2; exit 3")
    watch = watching(made, started=time.time() - 5.0).look()
    eventually(lambda: not engine.pid("app"), 10.0)
    watch.target = LogTarget(app="a", rules=Logs())
    watch.until(2)
    assert watch.look().counts["errors"] == 2


def test_none_cannot_be_read_and_that_is_said_once(engine: Engine, adapter: DockerEngine, watching: Watching) -> None:
    made = engine.run("app", *shell("echo ERROR"), log_config={"Type": "none"})
    with pytest.raises(Refused, match="does not support reading"):
        adapter.follow_logs(made, "", 0, 5.0)
    watch = watching(made)
    eventually(lambda: watch.look().failed, 10.0)
    for _ in range(3):
        watch.look()
    [said] = watch.failed
    assert "does not support reading" in said.error and "logs: off" in said.error


def test_what_goes_elsewhere_is_read_from_the_engines_cache(engine: Engine, watching: Watching) -> None:
    config = {"Type": "gelf", "Config": {"gelf-address": "udp://127.0.0.1:9"}}
    made = engine.run("app", *shell("echo ERROR one"), log_config=config)
    watch = watching(made, started=time.time() - 5.0).until(1)
    assert not watch.failed


def test_the_journal() -> None:
    """An engine and a journald of their own, in a mount namespace that nobody else sees."""
    journald = Path("/lib/systemd/systemd-journald")
    demand("" if journald.exists() and os.geteuid() == 0 else "needs root and systemd-journald")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", JOURNAL.format(journald=journald, python=sys.executable), folder],
            cwd=REPO, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, again, restarted = (json.loads(line) for line in done.stdout.splitlines()[-3:])
    kept = first["kept"]
    assert (first["errors"], again["errors"], restarted["errors"]) == (501, 501 - kept, 1002 - kept), done.stdout
    assert 502 <= first["lines"] <= 505, "each piece of the long one counts"


JOURNAL = """
set -e
mount --make-rprivate /
mkdir -p /run/systemd /run/log
mount -t tmpfs t /run/systemd
mount -t tmpfs t /run/log
mkdir -p /run/systemd/journal /run/log/journal
{journald} & J=$!
trap 'kill $J' EXIT
for _ in $(seq 100); do [ -S /run/systemd/journal/socket ] && break; sleep 0.1; done
{python} -m tests.adapters.journal_log
"""


def test_a_container_that_is_not_there(engine: Engine, adapter: DockerEngine, watching: Watching) -> None:
    with pytest.raises(NotFound):
        adapter.follow_logs("0" * 64, "", 0, 5.0)
    assert not watching("0" * 64).look().failed


def test_a_flood_without_an_end_of_line(engine: Engine, watching: Watching) -> None:
    """Rounds stay short, and what is kept of it small."""
    import tracemalloc

    made = engine.run(
        "flood", "sh", "-c", "while :; do cat /dev/zero; done | tr '\\0' x",
        log_config={"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}}, nano_cpus=500_000_000,
    )  # fmt: skip
    watch = watching(made, started=time.time() - 5.0).look()
    rounds: list[float] = []
    tracemalloc.start()
    try:
        for _ in range(10):
            time.sleep(0.3)
            began = time.thread_time()
            watch.look()
            rounds.append(time.thread_time() - began)
        now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert watch.counts["lines"] <= 2 and max(rounds) < 0.5, rounds
    assert now < 2**20 and most < 8 * 2**20
