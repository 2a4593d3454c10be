"""Delivery by bind mount: whether the container really sees what edged switches."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Any

from ...ports import ArtifactError, Containers, NotFound
from ...vocabulary.actions import Where
from .layout import Home


def check_seen(place: Home, where: Where, app: str, containers: Containers, container_id: str) -> None:
    """Raises ``ArtifactError("not_mounted")`` when ``where.path`` is not, or not in, the app's own folder."""
    try:
        found = _behind(where.path, containers.inspect(container_id)[1])
    except NotFound as error:  # it is being made anew
        raise ArtifactError("unreachable", f"the container is gone: {error}") from error
    root = place.root.resolve()
    if found is not None and found.resolve().is_relative_to(root):
        return
    saw = "nothing from this host" if found is None else str(found)
    raise ArtifactError(
        "not_mounted",
        f"{app} has {saw} at {where.path}, so it would never see a new {where.kind}; nothing was changed. Start its"
        f" container with -v {place.root}:{where.path}:ro, or set delivery: copy",
    )


def _behind(path: str, inspected: dict[str, Any]) -> Path | None:
    """What the host has where the container sees ``path``; ``None`` when that is no bind mount."""
    best = ""
    source: Path | None = None
    path = posixpath.normpath(path)
    for mount in inspected.get("Mounts") or ():
        inside = posixpath.normpath(str(mount.get("Destination", "")))
        within = path == inside or path.startswith(f"{inside.rstrip('/')}/")
        if within and len(inside) > len(best):  # the innermost one hides the others
            best = inside
            bound = mount.get("Type") == "bind"
            source = Path(str(mount.get("Source", "")), posixpath.relpath(path, inside)) if bound else None
    return source
