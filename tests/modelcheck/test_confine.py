"""What the child can no longer do, and what the parent stays free of."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from edged.adapters import model_check
from edged.adapters.model_check import ChildRuntime
from edged.modelcheck.types import ModelCheck

from .bundles import MIB, bundle
from .conftest import Check

ROOT = str(Path(__file__).parents[2])
CONFINED = """
import ctypes, errno, json, os, resource, signal, socket, sys, threading
sys.path.insert(0, sys.argv[1])
from edged.modelcheck.confine import confine
seen = {"network": confine(2**28, 7, os.getppid())}

def attempt(name, call):
    try:
        call()
        seen[name] = "done"
    except OSError as error:
        seen[name] = errno.errorcode[error.errno]
    except MemoryError:
        seen[name] = "MemoryError"

attempt("tcp", lambda: socket.create_connection(("127.0.0.1", 9), 1))
attempt("unix", lambda: socket.socket(socket.AF_UNIX))
attempt("exec", lambda: os.execv("/bin/true", ["true"]))
attempt("write", lambda: open(sys.argv[2], "wb", 0).write(b"x"))
attempt("files", lambda: [open("/dev/null") for _ in range(100)])
attempt("memory", lambda: bytearray(2**29))
thread = threading.Thread(target=attempt, args=("thread", lambda: socket.socket()))
thread.start()
thread.join()
seen["oom"] = int(open("/proc/self/oom_score_adj").read())
seen["limits"] = [resource.getrlimit(kind) for kind in (resource.RLIMIT_CPU, resource.RLIMIT_CORE)]
seen["no_new_privs"] = "NoNewPrivs:\\t1" in open("/proc/self/status").read()
print(json.dumps(seen))
"""
# Memory deny write execute, as a hardened unit has it; kernels before 6.3 cannot do it this way and go without.
HARDENED = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)
libc.prctl(65, 1, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def python(code: str, *arguments: str) -> Any:
    done = subprocess.run(
        (sys.executable, "-I", "-c", code, ROOT, *arguments), capture_output=True, timeout=60, check=True
    )
    return json.loads(done.stdout)


def test_what_a_confined_process_cannot_do(tmp_path: Path) -> None:
    seen = python(CONFINED, str(tmp_path / "file"))
    assert seen == {
        "network": "cut",
        "tcp": "EPERM",
        "unix": "EPERM",
        "exec": "EPERM",
        "write": "EFBIG",
        "files": "EMFILE",
        "memory": "MemoryError",
        "thread": "EPERM",
        "oom": 1000,
        "limits": [[7, 9], [0, 0]],
        "no_new_privs": True,
    }
    assert (tmp_path / "file").read_bytes() == b""


def test_a_parent_that_has_gone_already_stops_it() -> None:
    code = """import sys; sys.path.insert(0, sys.argv[1])
from edged.modelcheck.confine import confine
confine(2**28, 7, -1)"""
    done = subprocess.run((sys.executable, "-I", "-c", code, ROOT), capture_output=True, timeout=60, check=False)
    assert b"whoever ordered this check has ended" in done.stderr


def test_it_works_hardened(tmp_path: Path) -> None:
    command = (sys.executable, "-I", "-c", HARDENED, *model_check.COMMAND)
    request = bundle(tmp_path)
    verdict = ChildRuntime(command).check_model(request, timeout=60, memory_limit=400 * MIB, cpu_seconds=60)
    assert verdict.ok, verdict
    assert verdict.network == "cut"


def test_neither_environment_nor_folder_says_what_code_runs(check: Check, tmp_path: Path, monkeypatch: Any) -> None:
    request = bundle(tmp_path)
    for name in ("numpy", "onnxruntime", "msgspec", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    # The loader would complain on stderr.
    monkeypatch.setenv("LD_PRELOAD", str(tmp_path / "none.so"))
    verdict = check(request)
    assert verdict.ok and verdict.noise == ""


def test_the_daemon_does_not_load_what_the_child_needs() -> None:
    code = """import sys, json; sys.path.insert(0, sys.argv[1])
import edged.app.daemon, edged.adapters.model_check
print(json.dumps([name for name in ("numpy", "onnxruntime", "jsonschema", "yaml") if name in sys.modules]))"""
    assert python(code) == []


def test_the_parent_does_not_grow(tmp_path: Path) -> None:
    import msgspec

    request: ModelCheck = bundle(tmp_path)
    (tmp_path / "request").write_bytes(msgspec.json.encode(request))
    code = """import sys, json, msgspec; sys.path.insert(0, sys.argv[1])
from edged.adapters.model_check import ChildRuntime
from edged.modelcheck.types import ModelCheck
request = msgspec.json.decode(open(sys.argv[2], "rb").read(), type=ModelCheck)

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

sizes = []
for _ in range(12):
    assert ChildRuntime().check_model(request, timeout=60, memory_limit=2**29, cpu_seconds=60).ok
    sizes.append(resident())
print(json.dumps(sizes))"""
    sizes = python(code, str(tmp_path / "request"))
    assert sizes[-1] - sizes[1] < MIB, sizes


def test_what_libraries_print_does_not_get_between_the_verdicts(tmp_path: Path) -> None:
    code = """import sys; sys.path.insert(0, sys.argv[1])
import os
from edged.modelcheck import child, confine
def loud(*limits):
    os.write(1, b"native noise")
    return confine.confine(*limits)
child.confine = loud
sys.exit(child.main())"""
    runtime = ChildRuntime((sys.executable, "-I", "-c", code, ROOT))
    verdict = runtime.check_model(bundle(tmp_path), timeout=60, memory_limit=400 * MIB, cpu_seconds=60)
    assert verdict.ok and verdict.noise == "native noise"


def test_the_peak_can_be_begun_anew() -> None:
    code = """import sys, json; sys.path.insert(0, sys.argv[1])
from edged.modelcheck import memory
block = bytearray(b"x") * 2**27
del block
before = memory.peak()
memory.forget_peak()
print(json.dumps([before, memory.peak(), memory.resident()]))"""
    before, after, resident = python(code)
    assert before > 128 * MIB
    assert resident <= after < 64 * MIB
