"""What the child takes from itself before it touches a file it does not trust.

Done by the child, not between fork and exec: the daemon has threads, and the limits must not bind the interpreter's
own start. All of it works without privileges and inside a hardened unit, unless that forbids ``@resources`` calls.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Literal

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # BPF: ld abs word, jeq, jge, ret
_ALLOW, _DENY = 0x7FFF0000, 0x00050000 | errno.EPERM
_X32 = 0x40000000

# AUDIT_ARCH and the numbers of socket, execve, execveat, ptrace, io_uring_setup. By the interpreter's own width, for
# 32-bit systems run on 64-bit kernels too.
_ARM = (0x40000028, (281, 11, 387, 26, 425))
_DENIED = {
    ("x86_64", 64): (0xC000003E, (41, 59, 322, 101, 425)),
    ("aarch64", 64): (0xC00000B7, (198, 221, 281, 117, 425)),
    ("riscv64", 64): (0xC00000F3, (198, 221, 281, 117, 425)),
    ("aarch64", 32): _ARM,
    ("armv8l", 32): _ARM,
    ("armv7l", 32): _ARM,
    ("armv6l", 32): _ARM,
}
_FILES = 64
_NICE = 5


def confine(memory: int, cpu_seconds: int, parent: int) -> Literal["cut", "open"]:
    """Sets all limits; returns whether the network is cut. Raises ``OSError`` when a limit cannot be set."""
    libc = ctypes.CDLL(None, use_errno=True)
    _prctl(libc, _PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise ProcessLookupError(errno.ESRCH, "whoever ordered this check has ended")
    _yield_first()
    limits = {
        # Not RLIMIT_AS: libraries and mapped models count there too, and say nothing about memory used.
        resource.RLIMIT_DATA: (memory, memory),
        # The soft limit's signal ends the process; the hard one is for a library that ignores it.
        resource.RLIMIT_CPU: (cpu_seconds, cpu_seconds + 2),
        resource.RLIMIT_NOFILE: (_FILES, _FILES),
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_CORE: (0, 0),
    }
    for kind, (soft, hard) in limits.items():
        highest = resource.getrlimit(kind)[1]
        if highest != resource.RLIM_INFINITY:
            soft, hard = min(soft, highest), min(hard, highest)
        resource.setrlimit(kind, (soft, hard))
    _prctl(libc, _PR_SET_NO_NEW_PRIVS, 1)
    return _cut_network(libc)


def _yield_first() -> None:
    """When memory or CPU get short, this process gives way, not the daemon. Raising one's own score needs no right."""
    Path("/proc/self/oom_score_adj").write_text("1000")
    os.nice(_NICE)


def _cut_network(libc: ctypes.CDLL) -> Literal["cut", "open"]:
    """No new sockets, no other programs, for this process and all its threads.

    A filter and not a network namespace: hardened units may not make namespaces, and a namespace would leave the
    engine's Unix socket open, which is as good as root. A kernel without seccomp leaves the network open.
    """
    known = _DENIED.get((os.uname().machine, 64 if sys.maxsize > 2**32 else 32))
    if known is not None:
        program = _program(*known)
        code = ctypes.create_string_buffer(program, len(program))
        filter_ = struct.pack("HP", len(program) // 8, ctypes.addressof(code))
        libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.c_char_p(filter_), 0, 0)
    try:
        socket.socket(socket.AF_UNIX).close()
    except PermissionError:
        return "cut"
    return "open"


def _program(arch: int, denied: tuple[int, ...]) -> bytes:
    """Classic BPF over ``struct seccomp_data``: number of the call at 0, architecture at 4."""
    tests = [(_AT_LEAST, _X32), *((_EQUAL, number) for number in denied)]
    code = [(_LOAD, 0, 0, 4), (_EQUAL, 0, len(tests) + 2, arch), (_LOAD, 0, 0, 0)]
    code += [(test, len(tests) - at, 0, value) for at, (test, value) in enumerate(tests)]
    code += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _DENY)]
    return b"".join(struct.pack("HBBI", *line) for line in code)


def _prctl(libc: ctypes.CDLL, option: int, value: int) -> None:
    if libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")
