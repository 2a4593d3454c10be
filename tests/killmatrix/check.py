"""What has to be true whenever a deployment has come to its end, and what even in its middle."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edged.adapters.artifacts import slots
from edged.bundles import BundleRefused

from .lane import Lane, Wrong
from .wares import MAIN, Ware

MOST = 5
"""Slots: the three newest, and two more when both that edged goes by are older."""


def whole_now(lane: Lane, *allowed: Ware | None) -> None:
    """At this instant, edged being dead: what an app that starts now would read is one of them, all of it."""
    wanted = {ware.main if ware is not None else _sha(lane.before) for ware in allowed}
    if lane.setting.delivery == "mount":
        found = _slot(lane)
        got = _sha((found / MAIN[lane.setting.kind]).read_bytes()) if found is not None else _sha(b"")
    else:
        path = lane.inside() / lane.setting.file.lstrip("/")
        got = _sha(path.read_bytes()) if path.exists() else "nothing"
    if got not in wanted:
        raise Wrong(f"in the middle of it an app would read {got[:12]}, not one of {sorted(w[:12] for w in wanted)}")


def at_the_end(lane: Lane, now: Ware | None) -> None:
    """``now`` is what has to be in place; ``None``: what was there at first."""
    found = _slot(lane)
    if now is not None:
        if found is None or found.name != now.digest:
            raise Wrong(f"current leads to {found}, not to {now.digest[:12]}")
        told = lane.edged.app("app")["placed"][lane.setting.kind]
        if told["digest"] != f"sha256:{now.digest}":
            raise Wrong(f"edged believes that {told['digest']} is in place")
    elif lane.setting.delivery == "mount" and found is not None:
        raise Wrong(f"current leads to {found}, and nothing was there before")
    if lane.setting.delivery == "copy":
        _check_inside(lane, now)
    wanted = now.main if now is not None else _sha(lane.before)
    if now is not None or lane.before:
        lane.wait_well()
        if (got := lane.page("digest")) != wanted:
            raise Wrong(f"the app uses {got and got[:12]}, and {wanted[:12]} is in place")
    _check_clean(lane)


def _slot(lane: Lane) -> Path | None:
    """What ``current`` leads to, whole."""
    link = lane.home / "current"
    if not link.is_symlink():
        return None
    slot = link.resolve()
    try:
        slots.check(slot, slot.name)
    except (BundleRefused, OSError) as error:
        raise Wrong(f"current leads to what is not whole: {error}") from error
    return slot


def _check_inside(lane: Lane, now: Ware | None) -> None:
    root = lane.inside()
    folder = root / lane.setting.file.lstrip("/").rpartition("/")[0]
    main = MAIN[lane.setting.kind]
    wanted = now.files if now is not None else {main: _sha(lane.before)}
    got = {str(path.relative_to(folder)): _sha(path.read_bytes()) for path in folder.rglob("*") if path.is_file()}
    if got != wanted:
        raise Wrong(f"in the container is {sorted(got)} and not {sorted(wanted)}, or another content of them")


def _check_clean(lane: Lane) -> None:
    left = [path for path in (lane.edged.state / "staging").rglob("*") if len(path.parts) > _depth(lane)]
    # No home: edged was ended before it wrote down that there is anything to deploy.
    left += [path for path in lane.home.glob("*") if path.name not in ("slots", "current", "previous")]
    left += [path for path in lane.edged.state.iterdir() if path.name.startswith(".")]
    if left:
        raise Wrong(f"left behind: {', '.join(str(path.relative_to(lane.edged.state)) for path in left)}")
    found = sorted((lane.home / "slots").glob("*"))
    for slot in found:
        try:
            slots.check(slot, slot.name)
        except (BundleRefused, OSError) as error:
            raise Wrong(f"a slot that is not whole: {error}") from error
    if len(found) > MOST:
        raise Wrong(f"{len(found)} slots are kept")
    if count := lane.open_actions():
        raise Wrong(f"{count} actions have no end in the journal")


def _depth(lane: Lane) -> int:
    """Of ``staging/<kind>/<app>``."""
    return len(lane.edged.state.parts) + 3


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
