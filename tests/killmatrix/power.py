"""A state folder on a disk that forgets: what the file system had not yet given to it when the power went is lost.

The disk is a file behind a loop device. A copy of that file, taken while all of edged is stopped, holds what was
written to the disk until then, and nothing of what the kernel still keeps in memory.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .lane import Lane

SIZE = 192 * 2**20  # sparse


def missing() -> str:
    """Why there can be no such disk here; empty when all is well."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        return "needs root and mkfs.ext4: apt-get install -y e2fsprogs"
    return ""


class Disk:
    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.at = folder, folder / "state"
        self.file = folder / "disk"
        self.at.mkdir()
        with self.file.open("wb") as file:
            file.truncate(SIZE)
        _run("mkfs.ext4", "-q", "-J", "size=8", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.file)

    def mount(self) -> Path:
        # No commit by time: only what is asked for is written.
        _run("mount", "-o", "loop,commit=300", self.file, self.at)
        return self.at

    def lose(self, lane: Lane) -> None:
        """The power goes. edged has been stopped, and so is the app; the container keeps its own files.

        Afterwards the engine has started the app, as it does when a host comes up; edged is down, and its next run
        is the first one of another boot.
        """
        from .check import whole_now
        from .lane import end_process

        after = self.folder / "after"
        _run("cp", "--sparse=always", self.file, after)
        assert lane.edged.process is not None
        end_process(lane.edged.process)
        lane.engine.client.kill(lane.name)
        lane.engine.client.wait(lane.name, timeout=20)
        _run("umount", self.at)
        after.rename(self.file)
        self.mount()
        lane.boot += 1
        lane.engine.client.start(lane.name)
        whole_now(lane, lane.placed, lane.asked)

    def end(self) -> None:
        subprocess.run(["umount", self.at], check=False, capture_output=True, timeout=60)
        shutil.rmtree(self.folder, ignore_errors=True)


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, timeout=60, capture_output=True)
