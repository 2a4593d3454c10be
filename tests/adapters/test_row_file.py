"""Rows of a file that is appended to, rotated, truncated and replaced: each of them once, and in order."""

from __future__ import annotations

import gzip
import os
import random
import shutil
from pathlib import Path

import pytest

from edged.adapters.inputs.lines import MOST_LINE, TOO_LONG
from edged.adapters.inputs.row_file import SKIPPED, FileRows
from edged.ports import PortError


class Log:
    """A file that an app writes to, numbered row by row."""

    def __init__(self, folder: Path, header: str = "") -> None:
        self.path, self.header, self.written = folder / "rows.log", header, 0

    def add(self, count: int = 1, *, path: Path | None = None) -> None:
        with (path or self.path).open("a") as file:
            if self.header and file.tell() == 0:
                file.write(self.header + "\n")
            for _ in range(count):
                file.write(f'{{"n": {self.written}, "pad": "{"x" * (self.written % 50)}"}}\n')
                self.written += 1

    def rename(self, to: str = "rows.log.1") -> Path:
        return self.path.rename(self.path.with_name(to))

    def copy_and_truncate(self, to: str = "rows.log.1") -> None:
        shutil.copy2(self.path, self.path.with_name(to))
        os.truncate(self.path, 0)


def numbers(rows: FileRows, most: int = 2**20) -> list[int]:
    """All that there is to be read now."""
    found: list[int] = []
    while True:
        chunk = rows.read(most)
        found += [int(line.split(b",")[0].split(b":")[1]) for line in chunk.lines]
        if not chunk.more:
            return found


def reader(log: Log, position: str = "", *, csv: bool = False) -> FileRows:
    return FileRows(log.path, csv=csv, position=position)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_a_file_that_is_not_there_yet(log: Log) -> None:
    rows = reader(log)
    assert numbers(rows) == []
    log.add(3)
    assert numbers(rows) == [0, 1, 2]
    assert numbers(rows) == []


def test_a_line_is_only_read_when_it_is_whole(log: Log) -> None:
    log.add(2)
    rows = reader(log)
    with log.path.open("a") as file:
        file.write('{"n": 2, "pa')
    assert numbers(rows) == [0, 1]
    with log.path.open("a") as file:
        file.write('d": ""}\n')
    assert numbers(rows) == [2]


@pytest.mark.parametrize("how", ["rename", "copy_and_truncate"])
def test_what_was_written_before_the_rotation_is_read_first(log: Log, how: str) -> None:
    log.add(5)
    rows = reader(log)
    assert numbers(rows) == [0, 1, 2, 3, 4]
    log.add(5)
    getattr(log, how)()
    log.add(3)
    assert numbers(rows) == list(range(5, 13))


def test_an_app_that_still_writes_to_the_renamed_file(log: Log) -> None:
    log.add(2)
    rows = reader(log)
    assert numbers(rows) == [0, 1]
    old = log.rename()
    log.add(2, path=old)
    assert numbers(rows) == [2, 3]
    log.path.touch()
    log.add(1, path=old)
    assert numbers(rows) == [4]
    log.add(2)
    assert numbers(rows) == [5, 6]


def test_two_rotations_at_once(log: Log) -> None:
    log.add(3)
    rows = reader(log)
    assert numbers(rows) == [0, 1, 2]
    log.add(2)
    log.rename("rows.log.2")
    log.add(4)
    os.utime(log.path, ns=(0, log.path.with_name("rows.log.2").stat().st_mtime_ns + 1_000_000))
    log.rename("rows.log.1")
    log.add(1)
    os.utime(log.path, ns=(0, log.path.with_name("rows.log.1").stat().st_mtime_ns + 1_000_000))
    assert numbers(rows) == list(range(3, 10))


def test_a_rotated_file_is_found_among_many_old_ones(log: Log) -> None:
    for day in range(10, 30):
        old = log.path.with_name(f"rows.log-202601{day}")
        old.write_text('{"n": -1}\n')
        os.utime(old, (day, day))
    log.path.with_name("rows.log.d").mkdir()
    log.add(2)
    rows = reader(log)
    assert numbers(rows) == [0, 1]
    log.add(2)
    log.rename("rows.log-20260130")
    log.add(1)
    assert numbers(rows) == [2, 3, 4]


def test_packed_files_are_left_alone(log: Log) -> None:
    log.add(3)
    rows = reader(log)
    numbers(rows)
    log.add(1)
    old = log.rename()
    with gzip.open(old.with_name("rows.log.1.gz"), "wb") as packed:
        packed.write(old.read_bytes())
    old.unlink()
    log.add(2)
    assert numbers(rows) == [4, 5]


def test_a_new_reader_goes_on_where_the_old_one_stood(log: Log) -> None:
    log.add(4)
    position = reader(log).read(2**20).position
    log.add(2)
    log.rename()
    log.add(2)
    assert numbers(reader(log, position)) == [4, 5, 6, 7]
    assert numbers(reader(log, "no position")) == [6, 7]


def test_the_same_length_with_other_content_is_another_file(log: Log) -> None:
    log.add(4)
    rows = reader(log)
    numbers(rows)
    size, log.written = log.path.stat().st_size, 100
    os.truncate(log.path, 0)
    log.add(4)
    assert log.path.stat().st_size >= size
    assert numbers(rows) == [100, 101, 102, 103]


def test_csv_has_its_header_in_each_file(tmp_path: Path) -> None:
    log = Log(tmp_path, header="n,pad")
    rows = reader(log, csv=True)
    log.path.write_text("n,p")
    assert rows.read(2**20).lines == []
    log.path.write_text("n,pad\n1,a\n")
    chunk = rows.read(2**20)
    assert (chunk.header, chunk.lines) == (b"n,pad", [b"1,a"])
    log.rename()
    log.path.write_text("n,pad,more\n2,b,c\n")
    assert rows.read(2**20).more
    chunk = rows.read(2**20)
    assert (chunk.header, chunk.lines) == (b"n,pad,more", [b"2,b,c"])


def test_a_line_too_long_is_left_out_and_counted(log: Log) -> None:
    log.add(1)
    rows = reader(log)
    with log.path.open("ab") as file:
        file.write(b"y" * (5 * MOST_LINE))
    refused = 0
    lines: list[bytes] = []
    for _ in range(5):
        chunk = rows.read(1)
        refused += chunk.refused.get(TOO_LONG, 0)
        lines += chunk.lines
    assert (refused, len(lines)) == (1, 1)
    with log.path.open("ab") as file:
        file.write(b"yyy\n")
    log.add(1)
    assert numbers(rows) == [1]


def test_what_cannot_be_caught_up_with_is_left_out(log: Log) -> None:
    log.add(10)
    rows = FileRows(log.path, csv=False, position="", catch_up=20_000)
    numbers(rows)
    log.add(2000)
    chunk = rows.read(2**20)
    assert chunk.refused == {SKIPPED: 1}
    assert len(chunk.lines) < 400 and chunk.lines[-1].startswith(b'{"n": 2009')


@pytest.mark.parametrize("what", ["folder", "pipe", "forbidden"])
def test_no_plain_file(log: Log, what: str) -> None:
    if what == "folder":
        log.path.mkdir()
    elif what == "pipe":
        os.mkfifo(log.path)
    else:
        log.path.symlink_to(log.path)
    with pytest.raises(PortError, match=r"rows\.log"):
        reader(log).read(2**20)


@pytest.mark.parametrize("seed", range(30))
def test_whatever_is_done_to_it_each_row_is_read_once(tmp_path: Path, seed: int) -> None:
    """As long as the one before is still there when it is read: anything may happen between two readings."""
    rng = random.Random(seed)
    log = Log(tmp_path)
    log.add(1)
    rows, found, position, clock = reader(log), [0], "", 1_000_000_000
    os.utime(log.path, ns=(clock, clock))
    assert numbers(rows) == [0]
    for _ in range(60):
        rotated = False
        for _ in range(rng.randrange(4)):
            kind = rng.choice(["add", "add", "rename", "copy_and_truncate"])
            if kind == "add" or rotated or not log.path.exists() or not log.path.stat().st_size:
                log.add(rng.randrange(1, 40))
            else:
                rotated = True
                log.path.with_name("rows.log.1").unlink(missing_ok=True)
                getattr(log, kind)()
            clock += 1_000_000_000
            if log.path.exists():
                os.utime(log.path, ns=(clock, clock))
        if rng.random() < 0.3 and position:
            rows = reader(log, position)
        while True:
            chunk = rows.read(rng.choice([1, 300, 2**20]))
            found += [int(line.split(b",")[0].split(b":")[1]) for line in chunk.lines]
            position = chunk.position or position
            if not chunk.more:
                break
    assert found == list(range(log.written))
