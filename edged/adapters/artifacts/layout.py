"""Where an app's artifacts lie, and what may be read by whom.

``<state>/models/<app>/`` (``configs`` for configurations) holds ``slots/<hex digest>/``, ``current`` and ``previous``;
a container sees it by a bind mount and may run as any user, so it is open to all. ``<state>/staging/`` is not.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path

from msgspec import Struct

from ...ports import ArtifactError
from ...vocabulary.actions import Where
from .steps import step

PREFIX = "sha256:"
_HEX = re.compile(r"[0-9a-f]{64}")
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")


class Home(Struct, frozen=True):
    """One app's artifacts of one kind."""

    root: Path
    """What a container has mounted."""
    staging: Path
    """Same file system, private: what is being made, and what is being removed."""
    mode: int
    """Of ``root``: 0755 when a container reads it; a copy of a container's own files may hold secrets, so 0700; 0:
    as it is."""

    @property
    def slots(self) -> Path:
        return self.root / "slots"

    def slot(self, digest: str) -> Path:
        """``digest`` is hex."""
        return self.slots / digest


def home(state: Path, app: str, where: Where) -> Home:
    """Raises ``ArtifactError`` for a name that is no folder's."""
    if not _PLAIN.fullmatch(app):
        raise ArtifactError("name", f"{app!r} cannot be the name of a folder, so edged deploys nothing to it")
    # Without a path the app is not deployed to any more, and may still read what it has.
    mode = 0 if not where.path else 0o755 if where.delivery == "mount" else 0o700
    return Home(state / f"{where.kind}s" / app, state / "staging" / where.kind / app, mode)


def prepare(place: Home) -> None:
    """Makes the folders. Raises ``ArtifactError`` when something else has been put in their place, and ``OSError``."""
    top = place.root.parent
    for folder, mode in (
        *((top, 0o755), (place.root, place.mode), (place.slots, 0o755)),
        *((place.staging.parents[1], 0o700), (place.staging.parent, 0o700), (place.staging, 0o700)),
    ):
        _folder(folder, mode)


def staging_of(place: Home, deployment: str) -> Path:
    """A deployment's own folder in staging."""
    plain = _PLAIN.fullmatch(deployment)
    return place.staging / (deployment if plain else hashlib.sha256(deployment.encode()).hexdigest()[:32])


def hexed(digest: str) -> str:
    """The hex part of a digest. Raises ``ArtifactError`` for what is none."""
    plain = digest.removeprefix(PREFIX)
    if not _HEX.fullmatch(plain):
        raise ArtifactError("digest", f"{digest[:80]!r} is no sha256 digest")
    return plain


def is_slot(name: str) -> bool:
    return _HEX.fullmatch(name) is not None


def sync(folder: Path, name: str) -> None:
    """Makes the names in a folder safe against a power cut, as the step ``name``. Raises ``OSError``."""
    with step(name):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _folder(path: Path, mode: int) -> None:
    made = False
    try:
        found = path.lstat()
    except FileNotFoundError:
        path.mkdir(mode=0o700)
        found, made = path.lstat(), True
    if not stat.S_ISDIR(found.st_mode):
        # A container that may write there could lead edged anywhere.
        raise ArtifactError(
            "not_a_folder", f"{path} is no folder, so edged does not touch it; look who made it, then remove it"
        )
    if mode and stat.S_IMODE(found.st_mode) != mode:
        path.chmod(mode)  # whatever the umask
    if made:
        sync(path.parent, "home.fsync")
