"""``current`` and ``previous``: relative links, each replaced in one step."""

from __future__ import annotations

from pathlib import Path

from ...ports import ArtifactError
from .layout import Home, is_slot, sync
from .steps import step

NAMES = ("current", "previous")
TEMPORARY = ".link-"


def read(place: Home, name: str) -> str:
    """The hex digest a link leads to; empty: there is no link. Raises ``ArtifactError`` for what edged has not made."""
    path = place.root / name
    try:
        target = str(path.readlink())
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise _foreign(path, "is no link") from error
    folder, _, digest = target.partition("/")
    if folder != "slots" or not is_slot(digest):
        raise _foreign(path, f"leads to {target[:80]!r}")
    return digest


def point(place: Home, name: str, digest: str) -> bool:
    """Makes a link lead to a slot; with an empty ``digest`` there is none afterwards. Returns whether it changed.

    Raises ``ArtifactError`` and ``OSError``.
    """
    changed = read(place, name) != digest
    path = place.root / name
    if changed and digest:
        temporary = place.root / f"{TEMPORARY}{name}"
        temporary.unlink(missing_ok=True)
        with step(f"link.{name}.make"):
            temporary.symlink_to(Path("slots", digest))
        with step(f"link.{name}.rename"):
            temporary.replace(path)
    elif changed:
        with step(f"link.{name}.remove"):
            path.unlink()
    # Also when nothing changed: an attempt that was cut short may have renamed it and got no further.
    sync(place.root, f"link.{name}.fsync")
    return changed


def _foreign(path: Path, what: str) -> ArtifactError:
    return ArtifactError(
        "not_a_slot", f"{path} {what}, and edged has not made it, so it was left alone; move it away, then deploy again"
    )
