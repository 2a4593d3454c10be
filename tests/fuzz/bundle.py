"""Hostile bundles: nothing may be written outside the staging folder, and only ``BundleRefused`` may come of them."""

from __future__ import annotations

import os
import random
import resource
import shutil
import stat
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from edged.adapters import ed25519
from edged.bundles import BundleRefused, Rules, Trust, open_source, stage
from edged.bundles.trust import Key
from tests.bench.measure import Figure
from tests.bundles.maker import FILES_LIMIT, public

from . import inputs

_DEADLINE = 60.0
"""Seconds that one input may take at the very most."""
_MOST_FILE = 64 * 2**20
_MOST_MEMORY = 2 * 2**30
"""Bytes more than at the start. The yard lies in memory: one hole filled with zeros could take all of the machine's."""


class Yard:
    """A folder in memory with a room to stage in, and neighbours that nobody may touch."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.room = root / "yard" / "room"
        self.room.mkdir(parents=True)
        self.source = root / "source"
        for name in ("yard/neighbour", "yard/etc/passwd", "outside/secret", "yard/room2/x"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(b"untouched " * 10)
        self.before = self.sentinels()

    def sentinels(self) -> tuple[object, ...]:
        """Everything but source and room: names, kinds, sizes, times, links."""
        found: list[object] = []
        waiting = [str(self.root)]
        while waiting:
            for entry in os.scandir(waiting.pop()):
                if entry.path in (str(self.room), str(self.source)):
                    continue
                status = entry.stat(follow_symlinks=False)
                is_folder = stat.S_ISDIR(status.st_mode)
                # The times of folders that hold room and source change rightly.
                times = (0, 0) if is_folder else (status.st_mtime_ns, status.st_ctime_ns)
                found.append((entry.path, status.st_mode, status.st_ino, is_folder or status.st_size, times))
                if is_folder:
                    waiting.append(entry.path)
        return tuple(sorted(found, key=str))

    def contents(self) -> list[str]:
        """What is wrong with what was staged: all must be plain files and folders with plain modes."""
        wrong = []
        for path in self.room.rglob("*"):
            status = path.lstat()
            kind = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
            want = 0o755 if stat.S_ISDIR(status.st_mode) else 0o644
            if not kind or stat.S_IMODE(status.st_mode) != want or (status.st_nlink > 1 and not path.is_dir()):
                wrong.append(str(path))
        return wrong

    def check_weight(self) -> None:
        """Stops everything when more memory is taken than any input of ours needs."""
        held = sum(path.lstat().st_blocks for path in (self.source, *self.source.rglob("*"))) * 512
        if held > _MOST_FILE:
            raise MemoryError(f"an input takes {held} bytes")

    def clear(self) -> None:
        for path in (*self.room.iterdir(), self.source):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def run(count: int, seed: int) -> list[Figure]:
    """``count`` inputs; each seed has its own."""
    random_ = random.Random(seed)
    memory = Path("/dev/shm")
    root = Path(tempfile.mkdtemp(prefix="edged-fuzz-", dir=memory if memory.is_dir() else None))
    old = [(kind, resource.getrlimit(kind)) for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_AS)]
    umask = os.umask(0o022)
    try:
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        for (kind, (_, hard)), most in zip(old, (_MOST_FILE, mapped + _MOST_MEMORY), strict=True):
            resource.setrlimit(kind, (most, hard))
        return _run(Yard(root), random_, count)
    finally:
        for kind, limits in old:
            resource.setrlimit(kind, limits)
        os.umask(umask)
        shutil.rmtree(root)


def _run(yard: Yard, random_: random.Random, count: int) -> list[Figure]:
    trust = Trust(keys=(Key(id="k", public=public(), role="deployer"),))
    plain = Rules(opset=21, ir_version=10, limits=FILES_LIMIT)
    signed = Rules(trust=trust, check=ed25519.verify, opset=21, ir_version=10, limits=FILES_LIMIT)
    outcomes: Counter[str] = Counter()
    crashes = escapes = 0
    slowest = 0.0
    corpus = inputs.Corpus(random_)
    first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.monotonic()
    for number in range(count):
        name = corpus.place(yard.source)
        yard.check_weight()
        at = time.monotonic()
        try:
            with open_source(yard.source, FILES_LIMIT.files) as source:
                stage(source, yard.room, signed if number % 4 == 0 else plain, reserve=0)
            outcome = "taken"
        except BundleRefused as refused:
            outcome = refused.code
        except BaseException as error:
            crashes += 1
            outcome = f"CRASH {type(error).__name__}"
            if isinstance(error, KeyboardInterrupt):
                raise
            print(f"input {number} ({name}) crashed:", file=sys.stderr)
            traceback.print_exc(limit=-4, file=sys.stderr)
        slowest = max(slowest, time.monotonic() - at)
        outcomes[outcome] += 1
        wrong = yard.contents() if outcome == "taken" else [p.name for p in yard.room.iterdir()]
        if wrong or yard.sentinels() != yard.before:
            escapes += 1
            print(f"input {number} ({name}), {outcome}: left {wrong or 'something outside'}", file=sys.stderr)
        yard.clear()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - first) / 1024
    rate = count / (time.monotonic() - begun)
    told = ", ".join(f"{code} {n}" for code, n in outcomes.most_common())
    print(f"{count} inputs, {rate:.0f} a second: {told}", file=sys.stderr)
    taken = f"{outcomes['taken']} taken, {len(outcomes)} different outcomes"
    return [
        Figure("bundle: inputs that crashed", crashes, 0, "", count, None, taken),
        Figure("bundle: inputs that wrote outside, or left anything when refused", escapes, 0, "", count),
        Figure("bundle: growth of peak memory over all inputs", grown, 64.0, "MB", count),
        Figure("bundle: slowest input", slowest, _DEADLINE, "s", count),
    ]
