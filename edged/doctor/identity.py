"""For whom a permission counts: the daemon's user, which is seldom the one who asks."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from pathlib import Path

from msgspec import Struct

_TEST_TIMEOUT = 3.0
_MODES = {"r": os.R_OK, "w": os.W_OK, "x": os.X_OK}


class Identity(Struct, frozen=True, kw_only=True):
    """A user with all groups its processes have."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    mine: bool = True
    """It is the one that runs this program."""

    @property
    def is_root(self) -> bool:
        return self.uid == 0


def current() -> Identity:
    uid = os.geteuid()
    return Identity(name=_name(uid), uid=uid, gid=os.getegid(), groups=tuple(os.getgroups()))


def of_user(name: str, extra: tuple[str, ...] = ()) -> Identity | None:
    """The user with its groups and those that the unit gives in addition; ``None`` when there is no such user."""
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        return None
    groups = set(os.getgrouplist(name, user.pw_gid))
    for group in extra:
        try:
            groups.add(grp.getgrnam(group).gr_gid)
        except KeyError:
            continue  # systemd will refuse to start such a unit, and say so
    return Identity(
        name=name, uid=user.pw_uid, gid=user.pw_gid, groups=tuple(sorted(groups)), mine=user.pw_uid == os.geteuid()
    )


def may(who: Identity, mode: str, path: str | Path) -> bool | None:
    """Whether ``who`` may ``r``, ``w`` or ``x`` this path; ``None`` when this user cannot find out.

    As root another user's rights are tried out, rather than worked out from mode bits, which know nothing of
    ACLs and of folders above.
    """
    if who.mine:
        return os.access(path, _MODES[mode], effective_ids=True)
    if os.geteuid() != 0:
        return None
    try:
        done = subprocess.run(
            ["test", f"-{mode}", str(path)],
            user=who.uid,
            group=who.gid,
            extra_groups=who.groups,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TEST_TIMEOUT,
            cwd="/",
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.returncode == 0


def there(path: str | Path) -> bool:
    """As far as this user can see."""
    try:
        Path(path).stat()
    except OSError:
        return False
    return True


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
