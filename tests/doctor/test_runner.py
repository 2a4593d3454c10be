"""Examinations side by side: in order, in time, and none stops the others."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from edged.doctor import EXAMINATIONS, examine
from edged.doctor.finding import Finding, ok
from edged.doctor.patient import Patient
from edged.doctor.runner import Examination

from .conftest import Admit


def test_in_order_and_in_time(examined: Admit, caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()

    def slow(_: Patient) -> Iterator[Finding]:
        time.sleep(0.2)
        yield ok("slow", "there")

    def hangs(_: Patient) -> Iterator[Finding]:
        yield ok("hangs", "begun")
        release.wait(30)

    def breaks(_: Patient) -> Iterator[Finding]:
        yield ok("breaks", "begun")
        raise RuntimeError("a bug")

    began = time.monotonic()
    found = list(
        examine(
            examined(),
            {
                "slow": Examination(slow, 10.0),
                "hangs": Examination(hangs, 0.3, "pull the plug"),
                "breaks": Examination(breaks, 10.0),
                "quick": Examination(lambda _: iter([ok("quick", "there")]), 10.0),
            },
        )
    )
    took = time.monotonic() - began
    release.set()
    assert took < 5.0
    assert [(one.examination, one.verdict) for one in found] == [
        ("slow", "ok"), ("hangs", "ok"), ("hangs", "fail"), ("breaks", "ok"), ("breaks", "fail"), ("quick", "ok"),
    ]  # fmt: skip
    assert "did not end within 0.3 s" in found[2].text and found[2].fix.startswith("pull the plug")
    assert "a bug" in found[4].text and "a bug" in caplog.text


def test_libraries_are_loaded_before_threads_could_fall_over_each_other() -> None:
    code = "import sys, edged.doctor; print({'docker.api.client', 'paho.mqtt.client'} - sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "set()\n"


def test_the_command_line_does_not_load_the_doctor() -> None:
    code = "import sys, edged.cli as c; c.run(['--help']); print('edged.doctor' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.endswith("False\n") and "  doctor " in done.stdout


def test_no_examination_may_take_longer_than_an_operator_waits() -> None:
    assert max(one.seconds for one in EXAMINATIONS.values()) <= 8.0
