"""How a bundle comes into a deployment's staging folder, and from there among the slots."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from ...bundles import Checked, Held, Rules, Source, Staged, inspect, open_source, stage, verify
from ...bundles.blob import Blob
from ...bundles.refusal import BundleRefused
from ...bundles.stage import RESERVE, needed
from ...ports import ArtifactError, Refused
from ..atomic import write_atomic
from . import slots
from .layout import Home, is_slot, staging_of
from .steps import step

_DONE = "digest"


class Obtain(Protocol):
    """``adapters.bundle_http.obtain``, with its options."""

    def __call__(
        self,
        url: str,
        downloads: Path,
        rules: Rules,
        use: Callable[[Source], Staged],
        held: Held,
        timeout: float,
        over: Callable[[], bool],
        rate: int,
    ) -> Staged: ...


def fetch(
    place: Home,
    source: str,
    deployment: str,
    rules: Rules,
    twice: bool,
    obtain: Obtain,
    timeout: float,
    over: Callable[[], bool],
    rate: int,
) -> int:
    """Returns the bytes the bundle has. ``twice``: as much room again is left free, for what it takes the place of.
    ``over``: it was cancelled meanwhile. ``rate``: bytes a second by URL; 0: as fast as they come.

    Raises ``BundleRefused``, ``PortError`` and ``OSError``.
    """
    folder = staging_of(place, deployment)
    folder.mkdir(mode=0o700, exist_ok=True)
    if digest := found(place, deployment):
        return sum(item.size for item in slots.check(folder / digest, digest).items)

    def use(opened: Source) -> Staged:
        with step("fetch.stage"):
            return stage(_Watched(opened), folder, rules, held, reserve=_reserve(opened, rules, twice))

    held = _held(place)
    kind = urlsplit(source).scheme
    if kind in ("http", "https"):
        with step("fetch.download"):
            try:
                staged = obtain(source, folder / "downloads", rules, use, held, timeout, over, rate)
            except Refused as refused:
                raise ArtifactError("source", str(refused)) from refused
    else:
        path = Path(unquote(urlsplit(source).path) if kind == "file" else source)
        if not path.exists():
            raise ArtifactError("not_found", f"there is no bundle at {path}")
        with open_source(path) as opened:
            staged = use(opened)
    return staged.manifest.total


def found(place: Home, deployment: str) -> str:
    """The hex digest of what was staged whole; empty: nothing."""
    folder = staging_of(place, deployment)
    if not folder.is_dir():
        return ""
    return next((entry.name for entry in folder.iterdir() if is_slot(entry.name)), "")


def enter(place: Home, deployment: str, rules: Rules) -> Checked:
    """Makes a slot of what was staged. Raises ``BundleRefused``, ``ArtifactError`` and ``OSError``."""
    folder = staging_of(place, deployment)
    digest = found(place, deployment)
    if not digest:
        return _entered(place, folder, rules)
    with open_source(folder / digest) as source:
        checked = verify(source, rules)
    if checked.digest != digest:
        raise BundleRefused("digest_mismatch", f"what was staged as {digest[:12]}… is {checked.digest[:12]}…")
    with step("verify.note"):
        # An attempt after this one finds the folder gone, and has to know where to.
        write_atomic(folder / _DONE, digest.encode(), 0o600)
    if slots.is_whole(place, digest):
        slots.touch(place, digest)
        slots.discard(place, folder / digest, "staging.twin")
    else:
        slots.adopt(place, folder / digest, digest)
    return checked


def _entered(place: Home, folder: Path, rules: Rules) -> Checked:
    """Nothing is staged any more: an attempt before has made a slot of it."""
    try:
        digest = (folder / _DONE).read_text()
        with open_source(place.slot(digest)) as source:
            checked = verify(source, rules)
    except FileNotFoundError:
        raise ArtifactError("not_staged", "nothing of the bundle is in staging any more; deploy it again") from None
    if checked.digest != digest:
        raise BundleRefused("digest_mismatch", f"the slot {digest[:12]}… holds something else; deploy the bundle again")
    return checked


def _reserve(source: Source, rules: Rules, twice: bool) -> int:
    return RESERVE + (needed(inspect(source.manifest, source.signature, rules).manifest) if twice else 0)


def _held(place: Home) -> Held:
    """Files that are in a slot already need not be fetched."""
    known: dict[tuple[str, int], Path] = {}
    for slot in place.slots.iterdir():
        if not is_slot(slot.name):
            continue
        try:
            items = slots.read(place, slot.name).items
        except (BundleRefused, OSError):
            continue  # damaged: whatever needs it says so
        known |= {(item.sha256, item.size): slot / item.stored for item in items}
    return lambda sha256, size: known.get((sha256, size))


class _Watched:
    """A source that tells which file is being copied."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.manifest = source.manifest
        self.signature = source.signature

    @property
    def sizes(self) -> dict[str, int]:
        return self._source.sizes

    def open(self, path: str) -> Blob:
        with step("fetch.file"):
            return self._source.open(path)

    def close(self) -> None:
        self._source.close()

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        """Whoever opened it closes it."""
