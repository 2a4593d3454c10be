"""The order in which things reach the disk, as the kernel was told: nothing gets its name before it is synced."""

from __future__ import annotations

import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundles.maker import MODEL, write
from tests.fixtures.demand import demand

SCRIPT = """
import sys
from pathlib import Path
from tests.adapters.test_artifacts_cuts import Bench, CASES
bench = Bench(Path(sys.argv[1]), CASES[sys.argv[2]])
Path("/edged-begins").exists()
bench.forward()
bench.back()
"""
CALLS = "open,openat,creat,write,pwrite64,fallocate,ftruncate,fsync,fdatasync,sync,rename,renameat,renameat2,symlink," \
    "symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,link,linkat,newfstatat,stat,access"  # fmt: skip
PLACES = re.compile(r'"((?:[^"\\]|\\.)*)"')
FD = re.compile(r"^(?:AT_FDCWD|\d+)<([^>]*)>")


class Disk:
    """What would be lost or torn if the power went now."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        """Content not synced."""
        self.folders: set[str] = set()
        """Names in it not synced."""

    def below(self, folder: str) -> set[str]:
        return {p for p in self.files | self.folders if p == folder or p.startswith(f"{folder}/")}

    def moved(self, old: str, new: str) -> None:
        for kind in (self.files, self.folders):
            for path in self.below(old) & kind:
                kind.remove(path)
                kind.add(new + path[len(old) :])
        self.folders |= {posixpath.dirname(old), posixpath.dirname(new)}


def calls(log: str) -> Iterator[tuple[str, str]]:
    begun = False
    for line in log.splitlines():
        if "/edged-begins" in line:
            begun = True
        found = re.match(r"(?:\d+ +)?(\w+)\((.*)\) += (-?\d+)", line)
        if begun and found is not None and not found[3].startswith("-"):
            yield found[1], found[2]


def places(arguments: str, cwd: str) -> list[str]:
    """Each path of a call, whole: relative ones are below the descriptor before them."""
    found = []
    for match in PLACES.finditer(arguments):
        before = arguments[: match.start()].rstrip(", ").rpartition(", ")[2]
        at = FD.match(before)
        found.append(posixpath.normpath(posixpath.join(at[1] if at else cwd, match[1])))
    return found


@pytest.mark.parametrize("name", ["model by mount", "configuration by mount", "configuration by copy"])
def test_nothing_gets_its_name_before_it_is_on_disk(tmp_path: Path, name: str) -> None:
    strace = shutil.which("strace")
    demand("" if strace else "not installed here: apt-get install -y strace")
    assert strace is not None
    assert write(tmp_path / "x", {"model.onnx": MODEL})
    repo = str(Path(__file__).resolve().parents[2])
    log = tmp_path / "log"
    subprocess.run(
        [
            *(strace, "-f", "-y", "-s", "300", "-o", log, "-e", f"trace={CALLS}"),
            *(sys.executable, "-c", SCRIPT, tmp_path / "b", name),
        ],
        check=True, cwd=repo, timeout=100,
    )  # fmt: skip
    disk, state = Disk(), str(tmp_path / "b" / "state")
    renamed = {"slots": 0, "links": 0}
    for call, arguments in calls(log.read_text()):
        paths = [path for path in places(arguments, repo) if path.startswith(state)]
        on = FD.match(arguments)
        target = on[1] if on is not None else ""
        if call in ("fsync", "fdatasync"):
            disk.files.discard(target)
            disk.folders.discard(target)
        elif call == "sync":
            disk.files.clear()
            disk.folders.clear()
        elif call in ("write", "pwrite64", "fallocate", "ftruncate") and target.startswith(state):
            disk.files.add(target)
        elif call.startswith("rename") and len(paths) == 2:
            old, new = paths
            parent = posixpath.basename(posixpath.dirname(new))
            if parent == "slots":
                assert not disk.below(old), (old, disk.below(old))
                renamed["slots"] += 1
            if posixpath.basename(new) in ("current", "previous"):
                assert not disk.below(posixpath.join(posixpath.dirname(new), "slots")), new
                renamed["links"] += 1
            disk.moved(old, new)
        elif call in ("open", "openat", "creat") and "O_CREAT" in arguments and paths:
            disk.folders.add(posixpath.dirname(paths[0]))
        elif call in ("mkdir", "mkdirat", "symlink", "symlinkat", "link", "linkat") and paths:
            disk.folders.add(posixpath.dirname(paths[-1]))
        elif call in ("unlink", "unlinkat", "rmdir") and paths:
            disk.files.discard(paths[0])
            disk.folders.discard(paths[0])
            disk.folders.add(posixpath.dirname(paths[0]))
    assert renamed["slots"] >= 1
    assert renamed["links"] >= 2
    assert not {path for path in disk.files | disk.folders if "/staging" not in path}
