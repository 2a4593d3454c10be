"""``ports.Artifacts``: slots in the state folder, delivered by mount or by copy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from functools import partial
from pathlib import Path
from typing import Any

from ...bundles import BundleRefused, Limits, Rules, Trust, onnx_file, smoke
from ...bundles.dsse import CheckSignature
from ...bundles.smoke import SmokeTest
from ...config import Bundles
from ...config.problem import ConfigError
from ...ports import ArtifactError, Containers, ModelRuntime, StorageError
from ...vocabulary.actions import Where
from ..incoming import Incoming
from . import backup, copy, links, mount, recording, slots, spoiling, staging, tidying, trying
from .container import Inside
from .content import Content, as_file
from .layout import PREFIX, Home, hexed, home, prepare
from .steps import step

Smoke = Callable[[SmokeTest, str, float], int]
"""(test, URL of the app, timeout) -> how many requests were answered as expected, or ``PortError``."""


class ArtifactStore:
    """Thread-safe over different apps and kinds; for one of them one call at a time."""

    def __init__(
        self,
        state: Path,
        containers: Containers,
        runtime: ModelRuntime,
        obtain: staging.Obtain,
        trust: Callable[[], Trust | None] = lambda: None,
        check_signature: CheckSignature | None = None,
        device: str = "",
        wall: Callable[[], float] = time.time,
        try_app: Smoke | None = None,
        over: Callable[[str, str], bool] = lambda app, deployment: False,
        limits: Callable[[], Bundles] = Bundles,
    ) -> None:
        """``trust`` is asked anew each time; ``None``: signatures are not looked at. ``wall`` gives Unix time.

        ``over``: whether this deployment of this app has come to its end, so that nothing is fetched for it any more.
        """
        self._state = state
        self._containers = containers
        self._runtime = runtime
        self._obtain = obtain
        self._trust = trust
        self._check_signature = check_signature
        self._device = device
        self._wall = wall
        self._try_app = try_app
        self._over = over
        self._limits = limits
        self._incoming = Incoming(state)

    def fetch(self, app: str, where: Where, source: str, deployment: str, timeout: float) -> dict[str, Any]:
        with self._home(app, where) as place:
            about = (where.delivery == "copy", self._obtain, timeout, partial(self._over, app, deployment))
            try:
                got = staging.fetch(place, source, deployment, self._rules(where), *about, self._limits().rate)
            except (BundleRefused, ArtifactError):
                self._incoming.drop(source)
                raise
            # Again after this it is found staged.
            self._incoming.drop(source)
            return {"bytes": got}

    def verify(
        self, app: str, where: Where, deployment: str, digest: str, highest: int, quarantined: Sequence[str]
    ) -> dict[str, Any]:
        with self._home(app, where) as place:
            if digest:
                # It came in by the rules of then, and the digest in edged's own records says that it is the same still:
                # a key that has expired since must not stand in the way of going back.
                content = slots.check(place.slot(hexed(digest)), hexed(digest))
            else:
                bad = frozenset(hexed(one) for one in quarantined)
                checked = staging.enter(place, deployment, self._rules(where, highest, bad))
                content = slots.read(place, checked.digest)
            _check_delivery(place, where, content)
            bundle = content.bundle
            return {
                "digest": PREFIX + content.digest,
                "name": bundle.name if bundle is not None else "before-edged",
                "version": bundle.version if bundle is not None else content.digest[:12],
                "sequence": bundle.sequence if bundle is not None else 0,
                "smoke": self._try_app is not None and bool(_smoke_file(content)),
            }

    def validate(
        self, app: str, where: Where, digest: str, schema: str, current: str, recorded: str, timeout: float
    ) -> dict[str, Any]:
        with self._home(app, where) as place:
            slot = place.slot(hexed(digest))
            content = slots.check(slot, hexed(digest))
            now = self._model(place, current)
            with recording.recorded(recorded, place.staging) as samples:
                return trying.check(self._runtime, slot, content, schema, now, timeout, samples)

    def back_up(self, app: str, where: Where, container_id: str, current: str, timeout: float) -> dict[str, Any]:
        """An empty digest: nothing is in place now."""
        with self._home(app, where) as place:
            if where.delivery == "mount":
                mount.check_seen(place, where, app, self._containers, container_id)
            else:
                backup.check_writable(where, Inside(self._containers, container_id, timeout))
            linked = links.read(place, "current") if where.delivery == "mount" else ""
            known = hexed(current) if current else linked
            if known:
                slots.check(place.slot(known), known)
            elif where.delivery == "copy":
                known = backup.take(place, where, Inside(self._containers, container_id, timeout))
            return {"digest": PREFIX + known if known else ""}

    def place(
        self, app: str, where: Where, container_id: str, digest: str, previous: str, timeout: float, back: str = ""
    ) -> dict[str, Any]:
        """Without a ``digest`` what ``previous`` brought is taken away again: nothing was there before."""
        with self._home(app, where) as place:
            wanted = hexed(digest) if digest else ""
            before = hexed(previous) if previous else ""
            content = slots.check(place.slot(wanted), wanted) if wanted else None
            changed = 0
            if where.delivery == "copy":
                inside = Inside(self._containers, container_id, timeout)
                changed = self._copy(place, where, inside, content, before)
            behind = hexed(back) if back else ""
            links.point(place, "previous", behind if behind and place.slot(behind).is_dir() else "")
            changed += links.point(place, "current", wanted)
            with step("place.check"):
                _read_back(place, wanted)
            return {"changed": changed}

    def smoke(self, app: str, where: Where, digest: str, url: str, timeout: float) -> dict[str, Any]:
        with self._home(app, where) as place:
            content = slots.read(place, hexed(digest))
            if self._try_app is None or not (file := _smoke_file(content)):
                raise ArtifactError("no_smoke", f"there is nothing to try {app} itself with")
            # The slot was read to its last byte a moment ago, when it was put in place: only this file counts now.
            test = smoke.parse(slots.read_item(place, content, file, smoke.MOST_BYTES))
            begun = time.monotonic()
            samples = self._try_app(test, url, timeout)
            return {"samples": samples, "seconds": (time.monotonic() - begun) / samples}

    def spoil(self, app: str, where: Where, digest: str) -> dict[str, Any]:
        with self._home(app, where) as place:
            return {"digest": PREFIX + spoiling.spoil(place, hexed(digest))}

    def forget(self, app: str, where: Where, digest: str, current: str) -> dict[str, Any]:
        with self._home(app, where) as place:
            made = hexed(digest) if digest else ""
            return spoiling.forget(place, made, hexed(current), linked=where.delivery == "mount")

    def tidy(self, app: str, where: Where, pinned: Sequence[str], deployment: str) -> dict[str, Any]:
        with self._home(app, where) as place:
            gone = tidying.tidy(place, where.keep, {hexed(digest) for digest in pinned}, deployment)
            return {"removed": [PREFIX + digest for digest in gone]}

    def _copy(self, place: Home, where: Where, inside: Inside, content: Content | None, before: str) -> int:
        try:
            old = slots.read(place, before) if before else None
        except FileNotFoundError:
            old = None  # tidied since; there is nothing to be taken away then
        if content is not None:
            return copy.place(inside, where, place.slot(content.digest), content, old)
        return copy.take_away(inside, where, old) if old is not None else 0

    def _model(self, place: Home, digest: str) -> Path | None:
        """The model file of a slot, if it is there and one."""
        try:
            content = slots.read(place, hexed(digest)) if digest else None
        except (BundleRefused, FileNotFoundError):
            return None
        if content is None or content.bundle is None or content.bundle.model is None:
            return None
        return place.slot(content.digest) / content.bundle.model.file

    def _rules(self, where: Where, committed: int = 0, quarantined: frozenset[str] = frozenset()) -> Rules:
        return Rules(
            trust=self._trust(),
            check=self._check_signature,
            device=self._device,
            now=self._wall(),
            kind=where.kind,
            committed=committed,
            quarantined=quarantined,
            limits=Limits(bytes=self._limits().max_size),
        )

    @contextmanager
    def _home(self, app: str, where: Where) -> Iterator[Home]:
        """The app's folders, and everything that goes wrong with them as a ``PortError``."""
        try:
            place = home(self._state, app, where)
            prepare(place)
            yield place
        except BundleRefused as refused:
            raise ArtifactError(refused.code, str(refused)) from refused
        except ConfigError as error:
            raise ArtifactError("trust", f"the trust file cannot be used: {error}") from error
        except FileNotFoundError as error:
            raise ArtifactError("lost", f"{error.filename} is gone, and edged has not removed it") from error
        except OSError as error:
            if error.errno in (ENOSPC, EDQUOT):
                raise ArtifactError("no_room", f"the disk of {self._state} is full; make room, then again") from error
            raise StorageError(f"{self._state} cannot be used: {error}") from error


def _read_back(place: Home, digest: str) -> None:
    """By the way an app takes."""
    if not digest:
        return
    got = slots.check(place.root / "current", digest).digest
    if got != digest:
        raise ArtifactError("swap_mismatch", f"{place.root / 'current'} leads to {got[:12]}…, not {digest[:12]}…")


def _check_delivery(place: Home, where: Where, content: Content) -> None:
    """Whether the whole artifact gets to where it belongs."""
    bundle = content.bundle
    if where.delivery != "copy" or bundle is None or bundle.model is None or not as_file(content, where):
        return
    with (place.slot(content.digest) / bundle.model.file).open("rb") as file:
        size = file.seek(0, 2)

        def read_at(offset: int, count: int) -> bytes:
            file.seek(offset)
            return file.read(count)

        if onnx_file.read(read_at, size).locations:
            raise ArtifactError(
                "external_data",
                f"the model has its weights in files of their own, and path {where.path} is a single file; make path"
                " the folder",
            )


def _smoke_file(content: Content) -> str:
    return content.bundle.model.smoke if content.bundle is not None and content.bundle.model is not None else ""
