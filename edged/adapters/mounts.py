"""What a path is mounted from, found without touching the path: a look at a dead network mount never returns."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from .files import read_all

_REMOTE = frozenset({
    "9p", "afs", "autofs", "beegfs", "ceph", "cifs", "coda", "fuse", "fuseblk", "gfs2", "glusterfs", "lustre", "ncpfs",
    "nfs", "nfs4", "ocfs2", "orangefs", "smb3", "smbfs", "vboxsf", "virtiofs",
})  # fmt: skip
_MOST_LINKS = 40


class Mount(NamedTuple):
    point: str
    kind: str
    """``ext4``, ``tmpfs``, ``nfs4`` …"""
    read_only: bool
    """The file system itself is, not only this mount of it."""

    @property
    def remote(self) -> bool:
        """Its answers come from another machine, or from a program (FUSE): they may never come."""
        return self.kind in _REMOTE or self.kind.startswith("fuse.")


def mount_of(path: str, proc: str) -> Mount | None:
    """The mount that ``path`` lies on, or the first remote one on the way there; ``None``: the kernel does not tell.

    Walks name by name and stops before it would enter a remote mount.
    """
    try:
        mounts = _mounts(proc)
    except OSError:
        return None
    found, real, links = mounts.get("/"), "", 0
    names = path.split("/")[::-1]
    while names and not (found is not None and found.remote):
        name = names.pop()
        if name in ("", "."):
            continue
        if name == "..":
            real = real.rpartition("/")[0]
            found = _around(real, mounts)
            continue
        here = f"{real}/{name}"
        if here in mounts:
            real, found = here, mounts[here]
            continue
        target = _link(here)
        if target is None or links >= _MOST_LINKS:
            real = here
            continue
        links += 1
        if target.startswith("/"):
            real, found = "", mounts.get("/")
        names += target.split("/")[::-1]
    return found


def _mounts(proc: str) -> dict[str, Mount]:
    """By mount point. Of several mounts on one point the last is the visible one."""
    mounts = {}
    for line in read_all(f"{proc}/self/mountinfo").decode("utf-8", "surrogateescape").splitlines():
        # 36 35 98:0 /root /mount/point rw,noatime … - ext4 /dev/sda1 rw,errors=remount-ro
        before, _, after = line.partition(" - ")
        fields, about = before.split(" "), after.split(" ")
        if len(fields) > 4 and len(about) > 2:
            point = _unescaped(fields[4])
            mounts[point] = Mount(point, about[0], "ro" in about[-1].split(","))
    return mounts


def _around(real: str, mounts: dict[str, Mount]) -> Mount | None:
    while real and real not in mounts:
        real = real.rpartition("/")[0]
    return mounts.get(real or "/")


def _link(path: str) -> str | None:
    try:
        return str(Path(path).readlink())
    except OSError:
        return None


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
