"""Reading apart, with a file that hangs for as long as the test wants."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from edged.observe import apart
from edged.observe.apart import Apart
from edged.ports import Chunk, PortError, Unreachable


class Pipe:
    """Reads a FIFO as if it were a file on a dead file server: it blocks until somebody writes."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path, self.closed, self.reads = path, threading.Event(), 0

    def read(self, most: int) -> Chunk:
        self.reads += 1
        with self.path.open("rb") as pipe:
            data = pipe.read(most)
        if data == b"bad":
            raise PortError("bad")
        if data == b"worse":
            raise ValueError("worse")
        return Chunk(lines=data.splitlines())

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipe:
    monkeypatch.setattr(apart, "PATIENCE", 0.2)
    return Pipe(tmp_path / "rows")


def after(source: Apart, within: float = 10.0) -> Chunk:
    """What a reading brings that hung before."""
    until = time.monotonic() + within
    while True:
        try:
            return source.read(100)
        except Unreachable:
            assert time.monotonic() < until
            time.sleep(0.01)


def test_a_reading_that_hangs_is_told_and_waited_for_once(pipe: Pipe) -> None:
    now = [100.0]
    source = Apart(pipe, "/mnt/rows", lambda: now[0])
    with pytest.raises(Unreachable, match="/mnt/rows does not answer: a reading begun 0 s ago"):
        source.read(100)
    now[0], begun = 400.0, time.monotonic()
    for _ in range(50):
        with pytest.raises(Unreachable, match="begun 300 s ago still waits, and goes on by itself"):
            source.read(100)
    assert time.monotonic() - begun < 5.0 and pipe.reads == 1


def test_what_it_brings_in_the_end_is_not_lost(pipe: Pipe) -> None:
    source = Apart(pipe, "/mnt/rows")
    with pytest.raises(Unreachable):
        source.read(100)
    pipe.path.write_bytes(b"1\n2\n")
    assert after(source) == Chunk(lines=[b"1", b"2"])
    with pytest.raises(Unreachable):  # and the next one begins anew
        source.read(100)
    pipe.path.write_bytes(b"bad")
    with pytest.raises(PortError, match="bad"):
        after(source)
    with pytest.raises(Unreachable):
        source.read(100)
    pipe.path.write_bytes(b"worse")
    with pytest.raises(PortError, match=r"internal error: ValueError\('worse'\)"):
        after(source)


def test_it_is_closed_after_it_was_read(pipe: Pipe) -> None:
    source = Apart(pipe, "/mnt/rows")
    with pytest.raises(Unreachable):
        source.read(100)
    source.close()
    assert not pipe.closed.wait(0.1)
    pipe.path.write_bytes(b"1\n")
    assert pipe.closed.wait(10.0)
