"""Models that take their process down, and what the parent makes of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edged.adapters.model_check import ChildRuntime
from edged.modelcheck.types import ModelCheck, ModelVerdict
from edged.ports import PortError

from .bundles import ENDLESS, MIB, X, bundle, filled, model
from .conftest import Check


def only(verdict: ModelVerdict) -> tuple[str, str]:
    assert len(verdict.problems) == 1, verdict
    return verdict.problems[0].code, verdict.problems[0].text


def stub(code: str) -> ChildRuntime:
    """A child that does this instead of the check."""
    return ChildRuntime((sys.executable, "-I", "-S", "-c", f"import os, sys, time, signal\n{code}"))


def run(runtime: ChildRuntime, request: ModelCheck, timeout: float = 30) -> ModelVerdict:
    return runtime.check_model(request, timeout=timeout, memory_limit=200 * MIB, cpu_seconds=20)


def alive(pid: int) -> bool:
    """Running, not just unreaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    end = time.monotonic() + 10
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive(pid)


def test_a_model_that_never_ends(check: Check, tmp_path: Path) -> None:
    began = time.monotonic()
    verdict = check(bundle(tmp_path, ENDLESS), timeout=5)
    assert only(verdict) == ("hung", "ended after 5 s, while it was at: run")
    assert time.monotonic() - began < 15
    assert verdict.load_seconds is not None, "what was measured before is kept"
    assert verdict.memory is not None and verdict.memory.session > 0


def test_a_model_that_burns_its_cpu_time(check: Check, tmp_path: Path) -> None:
    code, text = only(check(bundle(tmp_path, ENDLESS), cpu=2))
    assert code == "hung"
    assert "more than 2 s of CPU" in text


def test_a_model_that_eats_memory(check: Check, tmp_path: Path) -> None:
    verdict = check(bundle(tmp_path, filled("65536, 65536")))  # 16 GiB
    assert only(verdict)[0] == "killed_for_memory"
    assert verdict.load_seconds is not None


def test_golden_vectors_that_eat_memory(check: Check, tmp_path: Path) -> None:
    import numpy as np

    request = bundle(tmp_path)
    np.savez_compressed(request.golden.file, x=np.zeros((2**28,), np.float32), y=X)
    assert {problem.code for problem in check(request).problems} == {"killed_for_memory"}


def test_a_limit_too_small_for_the_runtime(check: Check, tmp_path: Path) -> None:
    with pytest.raises(PortError, match=r"[Mm]emory"):
        check(bundle(tmp_path), memory=24)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGILL, signal.SIGBUS, signal.SIGSYS])
def test_a_child_that_crashes(tmp_path: Path, number: signal.Signals) -> None:
    verdict = run(stub(f"os.kill(os.getpid(), {number.value})"), bundle(tmp_path))
    assert only(verdict) == ("crashed", f"crashed with {number.name}, while it was at: begin")


def test_the_stage_and_figures_before_a_crash_are_kept(tmp_path: Path) -> None:
    told = '{"stage":"load"}\n{"stage":"run","load_seconds":0.5}\n{"stage":"cut o'
    verdict = run(stub(f"os.write(1, {told.encode()!r})\nos.kill(os.getpid(), signal.SIGSEGV)"), bundle(tmp_path))
    assert only(verdict) == ("crashed", "crashed with SIGSEGV, while it was at: run")
    assert verdict.load_seconds == 0.5
    assert not verdict.ok


def test_killed_from_outside_is_for_memory(tmp_path: Path) -> None:
    assert only(run(stub("os.kill(os.getpid(), signal.SIGKILL)"), bundle(tmp_path)))[0] == "killed_for_memory"


def test_bad_alloc_is_for_memory(tmp_path: Path) -> None:
    told, noise = b'{"stage":"run"}\n', b"terminate called after throwing an instance of 'std::bad_alloc'"
    code = f"os.write(1, {told!r}); os.write(2, {noise!r}); os.abort()"
    assert only(run(stub(code), bundle(tmp_path)))[0] == "killed_for_memory"


def test_a_flood_is_bounded(tmp_path: Path) -> None:
    code = (
        "end = time.monotonic() + 1\nwhile time.monotonic() < end: os.write(2, b'x' * 65536); os.write(1, b'y' * 65536)"
    )
    with pytest.raises(PortError, match="exit code 0"):
        run(stub(code), bundle(tmp_path))
    verdict = run(stub(f"{code}\nos.write(2, b'the end')\nos.abort()"), bundle(tmp_path))
    assert only(verdict)[0] == "crashed"
    assert verdict.noise.endswith("xthe end") and len(verdict.noise) <= 4096


def test_a_child_that_closes_its_pipes_and_stays(tmp_path: Path) -> None:
    verdict = run(stub("os.close(1); os.close(2); time.sleep(60)"), bundle(tmp_path), timeout=2)
    assert only(verdict)[0] == "hung"
    assert verdict.seconds < 15


def test_what_a_child_leaves_behind_is_ended(tmp_path: Path) -> None:
    left = tmp_path / "pid"
    code = f"pid = os.fork()\nif pid: open({str(left)!r}, 'w').write(str(pid)); os.abort()\ntime.sleep(60)"
    verdict = run(stub(code), bundle(tmp_path))
    assert only(verdict)[0] == "crashed"
    assert verdict.seconds < 15
    assert gone(int(left.read_text()))


@pytest.mark.parametrize(
    "code", ["sys.exit(3)", "raise ValueError", "print('no json')", 'print(\'{"stage":"done"}\')\nsys.exit(1)']
)
def test_a_check_that_fails_itself_says_nothing_about_the_model(tmp_path: Path, code: str) -> None:
    with pytest.raises(PortError):
        run(stub(code), bundle(tmp_path))


def test_a_child_that_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(PortError, match="cannot be started"):
        run(ChildRuntime((str(tmp_path / "nothing"),)), bundle(tmp_path))


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    """A parent killed in the middle of a check leaves no child behind."""
    import msgspec

    request = tmp_path / "request"
    request.write_bytes(msgspec.json.encode(bundle(tmp_path, ENDLESS)))
    code = """import sys, msgspec; sys.path.insert(0, sys.argv[1])
from edged.adapters.model_check import ChildRuntime
from edged.modelcheck.types import ModelCheck
request = msgspec.json.decode(open(sys.argv[2], "rb").read(), type=ModelCheck)
ChildRuntime().check_model(request, timeout=100, memory_limit=2**29, cpu_seconds=100)"""
    root = str(Path(__file__).parents[2])
    with subprocess.Popen((sys.executable, "-I", "-c", code, root, str(request))) as parent:
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        end = time.monotonic() + 60
        child = 0
        # Deep in the model by then, where nothing is written that could tell it of its parent's end.
        while not child and time.monotonic() < end:
            time.sleep(0.05)
            for pid in children.read_text().split():
                if int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11]) >= 200:
                    child = int(pid)
        parent.kill()
    assert child, "no child was seen at work"
    assert gone(child)


def test_checks_may_overlap(check: Check, tmp_path: Path) -> None:
    request = bundle(tmp_path)
    verdicts: list[ModelVerdict] = []
    threads = [threading.Thread(target=lambda: verdicts.append(check(request))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert [verdict.ok for verdict in verdicts] == [True] * 3


def test_nothing_is_left_open(check: Check, tmp_path: Path) -> None:
    request = bundle(tmp_path)
    check(request)
    before = set(Path("/proc/self/fd").iterdir())
    check(request)
    run(stub("os.abort()"), request)
    assert set(Path("/proc/self/fd").iterdir()) <= before
    assert model(ENDLESS).graph.node, "the graphs above are real ones"
