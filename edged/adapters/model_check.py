"""Runs ``edged.modelcheck`` as a child, and stays well whatever becomes of it."""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import structs

from ..modelcheck.types import (
    CURRENT_STAGE,
    READING_STAGE,
    ConfigCheck,
    ConfigVerdict,
    Disagreement,
    ModelCheck,
    ModelVerdict,
    Order,
    Problem,
    Verdict,
)
from ..ports import PortError

V = TypeVar("V", bound=Verdict)

_ROOT = Path(__file__).resolve().parents[2]
# -I: neither the working folder nor the environment may say which code runs.
COMMAND = (
    *(sys.executable, "-I", "-B", "-c"),
    "import runpy, sys; sys.path.insert(0, sys.argv[1]); runpy.run_module('edged.modelcheck', run_name='__main__')",
    str(_ROOT),
)
_MOST_OUT, _MOST_NOISE = 256 * 1024, 4096
_PIPE = 2**16  # all that a pipe holds
_LOOK_EVERY = 0.1
_REAP = 5.0
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_NO_MEMORY = re.compile(rb"bad_alloc|MemoryError|allocate memory", re.IGNORECASE)


class ChildRuntime:
    """A ``ModelRuntime``. Each call is one child process; calls may overlap."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = tuple(command)

    def check_model(self, request: ModelCheck, *, timeout: float, memory_limit: int, cpu_seconds: int) -> ModelVerdict:
        """As in ``ModelRuntime``."""
        environment = _environment(request.threads)
        verdict = self._check(request, ModelVerdict, timeout, memory_limit, cpu_seconds, environment)
        if verdict.stage not in (READING_STAGE, CURRENT_STAGE):
            return verdict
        # The new model had passed by then: that the recording or the old one takes the child down is no reason to keep
        # the old one.
        *problems, last = verdict.problems
        note = Disagreement(note=last.text)
        return structs.replace(verdict, stage="done", problems=tuple(problems), disagreement=note)

    def check_config(
        self, request: ConfigCheck, *, timeout: float, memory_limit: int, cpu_seconds: int
    ) -> ConfigVerdict:
        """As in ``ModelRuntime``."""
        return self._check(request, ConfigVerdict, timeout, memory_limit, cpu_seconds, _environment(1))

    def _check(
        self,
        request: ModelCheck | ConfigCheck,
        kind: type[V],
        timeout: float,
        memory_limit: int,
        cpu_seconds: int,
        environment: Mapping[str, str],
    ) -> V:
        order = Order(request=request, memory_limit=memory_limit, cpu_seconds=cpu_seconds, parent=os.getpid())
        began = time.monotonic()
        out, noise, code = _run(self._command, msgspec.json.encode(order), timeout, environment)
        verdict = _last(out, kind)
        text = _COLOURS.sub("", noise.decode("utf-8", "replace").strip())
        text = "".join(c for c in text if c.isprintable() or c == "\n")
        verdict = structs.replace(verdict, seconds=time.monotonic() - began, noise=text)
        if code == 0 and verdict.stage == "done":
            return verdict
        problem = _ending(code, noise, verdict.stage, timeout, memory_limit, cpu_seconds)
        if problem is None:
            raise PortError(f"the check itself failed with exit code {code}: {text[-300:] or 'it said nothing'}")
        return structs.replace(verdict, problems=(*verdict.problems, problem))


def _environment(threads: int) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        # onnxruntime >= 1.29 reports to its maker otherwise.
        "ORT_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": "1",
        # Each arena is address space that a thread may fill.
        "MALLOC_ARENA_MAX": "2",
    }


def _run(
    command: Sequence[str], order: bytes, timeout: float, environment: Mapping[str, str]
) -> tuple[bytes, bytes, int | None]:
    """(last of stdout, last of stderr, exit code or negative signal; ``None`` when it had to be ended)."""
    end = time.monotonic() + timeout
    stdin = -1
    try:
        stdin = os.memfd_create("order", os.MFD_CLOEXEC)
        # A file and no pipe: it holds any order without anybody reading.
        os.write(stdin, order)
        os.lseek(stdin, 0, os.SEEK_SET)
        # A group of its own, so that all of it can be ended.
        process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise PortError(f"the check cannot be started: {error}") from error
    finally:
        if stdin >= 0:
            os.close(stdin)
    try:
        try:
            out, noise, ended = _listen(process, end)
        finally:
            # Before it is reaped: until then nobody else can get its number.
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait(_REAP)
    except subprocess.TimeoutExpired as error:
        raise PortError("the check cannot be ended: its process hangs in the kernel") from error
    finally:
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    return out, noise, code if ended else None


def _listen(process: subprocess.Popen[bytes], end: float) -> tuple[bytes, bytes, bool]:
    """The last of what it wrote to stdout and stderr until it ended; False when ``end`` (monotonic) came first."""
    with selectors.DefaultSelector() as selector:
        kept: list[bytearray] = []
        for pipe, most in ((process.stdout, _MOST_OUT), (process.stderr, _MOST_NOISE)):
            if pipe is None:
                raise PortError("the check was started without pipes")
            os.set_blocking(pipe.fileno(), False)
            kept.append(bytearray())
            selector.register(pipe, selectors.EVENT_READ, (kept[-1], most))
        while True:
            # Looked at before reading, so that what it wrote last is still read.
            ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
            left = end - time.monotonic()
            # A pipe may stay open after the end: something else may hold it.
            pause = _LOOK_EVERY if selector.get_map() else _LOOK_EVERY / 10
            for key, _ in selector.select(0 if ended else max(min(left, pause), 0)):
                buffer, most = key.data
                if data := os.read(key.fd, _PIPE):
                    buffer += data
                    del buffer[:-most]
                else:
                    selector.unregister(key.fileobj)
            if ended or left <= 0:
                return bytes(kept[0]), bytes(kept[1]), ended


def _last(out: bytes, kind: type[V]) -> V:
    """The last whole verdict; an empty one when there is none."""
    lines = out.split(b"\n")[:-1]
    if not lines:
        return kind()
    try:
        return msgspec.json.decode(lines[-1], type=kind)
    except msgspec.MsgspecError as error:
        raise PortError(f"the check gave an answer that cannot be read: {error}") from error


def _ending(
    code: int | None, noise: bytes, stage: str, timeout: float, memory_limit: int, cpu_seconds: int
) -> Problem | None:
    """Why there is no complete verdict; ``None`` when it was nothing that the checked file can do."""
    if code is None:
        return Problem("hung", f"ended after {timeout:g} s, while it was at: {stage}")
    if code == -signal.SIGXCPU:
        return Problem("hung", f"used more than {cpu_seconds} s of CPU, while it was at: {stage}")
    if code == -signal.SIGKILL:
        return Problem(
            "killed_for_memory", f"killed from outside, as the kernel does when memory is short, at: {stage}"
        )
    # Before that it is the runtime that does not fit in.
    if stage != Verdict().stage and _NO_MEMORY.search(noise):
        limit = f"{memory_limit / 2**20:.0f} MiB"
        return Problem("killed_for_memory", f"ended when it wanted more than {limit} of memory, at: {stage}")
    if code < 0:
        return Problem("crashed", f"crashed with {_name(-code)}, while it was at: {stage}")
    return None


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
