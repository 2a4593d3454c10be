"""What a run leaves behind, and what the next one says about its end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from edged.app import blackbox
from edged.app.blackbox import Blackbox, Left, folder, where
from edged.app.life import previous_end
from edged.durable import Ending

STACKS = """main 0x7f01
Fatal Python error: {error}

Thread 0x00007f02 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 320 in wait
  File "/opt/edged/lib/edged/report/recorder.py", line 99 in _run

Current thread 0x00007f01 (most recent call first):
  File "/usr/lib/python3.11/re/__init__.py", line 176 in search
  File "/opt/edged/lib/python3.11/site-packages/edged/judge/host.py", line 50 in readings
  File "/opt/edged/lib/python3.11/site-packages/edged/loop.py", line 120 in turn

Extension modules: msgspec._core (total: 1)
"""
ABORTED, CRASHED = STACKS.format(error="Aborted"), STACKS.format(error="Segmentation fault")
PLACE = "edged/judge/host.py:50 readings"


def ending(clean: bool, boot_id: str = "b") -> dict[str, bytes]:
    return {"ending": msgspec.json.encode(Ending(boot_id=boot_id, clean=clean))}


@pytest.mark.parametrize(
    ("stored", "left", "told"),
    [
        ({}, Left(), "first"),
        ({}, Left(result="timeout"), "first"),
        (ending(True), Left(), "clean"),
        (ending(True), Left(result="success"), "clean"),
        (ending(True), Left(result="exit-code"), "clean"),
        (ending(False), Left(), "crash"),
        (ending(False, "other"), Left(), "power"),
        ({"ending": b"garbage"}, Left(), "crash"),
        (ending(False), Left(result="signal"), "crash"),
        (ending(False), Left(result="oom-kill"), "oom-kill"),
        (ending(False), Left(result="timeout"), "timeout"),
        (ending(False), Left(note="the thread edged-outbox …"), "watchdog: the thread edged-outbox …"),
        (ending(False), Left("the thread x …", ABORTED, "watchdog"), "watchdog: the thread x …"),
        (ending(False), Left(stacks=ABORTED, result="watchdog"), f"watchdog: the loop hung in {PLACE}"),
        (ending(False), Left(stacks="main 0x7f01\n", result="watchdog"), "watchdog: edged was frozen, it did nothing"),
        (ending(False), Left(stacks=ABORTED), f"crash: Aborted in {PLACE}"),
        (ending(False), Left(stacks=CRASHED, result="core-dump"), f"crash: Segmentation fault in {PLACE}"),
        # An older run wrote the ending, the last one came to its end before it could.
        (ending(True), Left(result="timeout"), "timeout"),
        (ending(True), Left(result="signal"), "crash"),
    ],
)
def test_previous_end(stored: dict[str, bytes], left: Left, told: str) -> None:
    found = previous_end(stored, "b", left)
    assert found == told or (told.endswith("nothing") and found.startswith(told))


def test_the_state_of_an_older_version_is_understood() -> None:
    assert previous_end({"ending": b'{"boot_id":"b","clean":false,"note":"x"}'}, "b", Left()) == "crash"


@pytest.mark.parametrize(
    "stacks", ["", "main 0x1\n", "nonsense", "main 0x1\nFatal Python error: Aborted\n", "\x00" * 99]
)
def test_stacks_that_say_nothing(stacks: str) -> None:
    assert where(stacks) == ""


def test_where_without_any_code_of_ours() -> None:
    text = 'main 0x1\n\nCurrent thread 0x0001 [edged] (most recent call first):\n  File "/usr/x.py", line 3 in wait\n'
    assert where(text) == "/usr/x.py:3 wait"


def test_a_note_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "result").write_text("watchdog\n")
    assert Blackbox(tmp_path).note("the check x …")
    assert Blackbox(tmp_path).open() == Left(note="the check x …", result="watchdog")
    assert Blackbox(tmp_path).open() == Left() and not list(tmp_path.iterdir())


def test_what_cannot_be_read_keeps_nobody_from_starting(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "hung").mkdir()
    (tmp_path / "stacks").write_bytes(b"\xff" * (blackbox.MOST + 9))
    left = Blackbox(tmp_path).open()
    assert left.note == "" and len(left.stacks) <= blackbox.MOST and "cannot be read" in caplog.text


def test_a_note_that_cannot_be_written_is_waited_for_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(blackbox, "WITHIN", 0.1)
    monkeypatch.setattr(blackbox, "write_atomic", lambda path, data: gate.wait(10.0))
    began = time.monotonic()
    assert not Blackbox(tmp_path).note("x")
    assert time.monotonic() - began < 5.0
    gate.set()
    monkeypatch.undo()
    monkeypatch.setattr(blackbox, "WITHIN", 0.1)
    assert not Blackbox(tmp_path / "nowhere").note("x")
    deadline = time.monotonic() + 5.0
    while "No such file" not in caplog.text:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_folder_is_the_service_managers_if_it_gives_one(tmp_path: Path) -> None:
    assert folder(tmp_path, {}) == tmp_path
    assert folder(tmp_path, {"RUNTIME_DIRECTORY": "/run/edged:/run/other"}) == Path("/run/edged")


HANGS = """
import sys, time
from pathlib import Path
from edged.app.blackbox import Blackbox

def stuck():
    print("now", flush=True)
    time.sleep(60)

box = Blackbox(Path(sys.argv[1]))
box.arm()
{then}
"""


def run(folder: Path, then: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", HANGS.format(then=then), str(folder)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
    return process


def test_the_watchdogs_signal_writes_down_where_the_loop_stood(tmp_path: Path) -> None:
    process = run(tmp_path, "stuck()")
    process.send_signal(signal.SIGABRT)
    assert process.wait(10.0) == -signal.SIGABRT
    (tmp_path / "result").write_text("watchdog\n")
    left = Blackbox(tmp_path).open()
    assert re.fullmatch(r"watchdog: the loop hung in <string>:[78] stuck", previous_end(ending(False), "b", left))


def test_an_orderly_end_leaves_nothing(tmp_path: Path) -> None:
    process = run(tmp_path, "box.disarm(); print('done')")
    assert process.wait(10.0) == os.EX_OK
    assert not list(tmp_path.iterdir())
