"""Bundles over HTTP: the URL of a ``.tar``, or of a folder with ``manifest.json`` in it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

from ..bundles.blob import Blob
from ..bundles.manifest import MOST_MANIFEST, MOST_SIGNATURE, File
from ..bundles.names import MANIFEST, SIGNATURE
from ..bundles.refusal import BundleRefused
from ..bundles.source import Source, open_source
from ..bundles.stage import RESERVE, Held, free
from ..bundles.verify import Rules, inspect
from .download import Downloader, Options
from .http_stream import check_url

T = TypeVar("T")
_TAR_EXTRA = 8 * 2**20
"""What a tar may be larger than what is in it: headers and padding."""
_DAMAGED = frozenset({"digest_mismatch", "size_mismatch", "malformed_archive", "missing_file", "unlisted_file"})


def obtain(
    url: str,
    downloads: Path,
    rules: Rules,
    use: Callable[[Source], T],
    options: Options | None = None,
    held: Held | None = None,
    room: Callable[[Path], int] = free,
    reserve: int = RESERVE,
) -> T:
    """Fetches a bundle into ``downloads``, calls ``use`` (``stage``, ``verify``) with it, and removes the download.

    What a broken-off download left is gone on with by the next call with the same URL. If that turns out to be
    damaged, it is fetched once more as a whole. Of a folder only those files are fetched that are not ``held``.
    Raises what ``use`` does, ``BundleRefused``, ``Unreachable`` (may pass), ``Refused`` (will not) and ``OSError``.
    """
    options = options or Options()
    check_url(url)
    folder = downloads / hashlib.sha256(url.encode()).hexdigest()[:32]

    def check_room(more: int) -> None:
        _check_room(more, room(folder) - reserve)

    for again in (False, True):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        downloader = Downloader(options)
        try:
            with _fetch(url, folder, rules, downloader, held, check_room) as source:
                result = use(source)
        except BundleRefused as refused:
            if refused.code != "no_room":
                shutil.rmtree(folder)
            if again or not downloader.resumed or refused.code not in _DAMAGED:
                raise
        else:
            shutil.rmtree(folder)
            return result
    raise AssertionError("not reached")


def is_tar(url: str) -> bool:
    return urlsplit(url).path.lower().endswith(".tar")


def _fetch(
    url: str, folder: Path, rules: Rules, downloader: Downloader, held: Held | None, room: Callable[[int], None]
) -> Source:
    if is_tar(url):
        path = folder / "bundle.tar"
        if not path.exists():
            # It is there twice for a moment: as a tar, and as what was staged from it.
            downloader.file(url, path, rules.limits.bytes + _TAR_EXTRA, room=lambda more: room(2 * more))
        else:
            downloader.resumed = True
        return open_source(path, rules.limits.files)
    manifest = downloader.small(_below(url, MANIFEST), MOST_MANIFEST)
    if manifest is None:
        raise BundleRefused("missing_file", "there is no manifest.json at the URL: this is no bundle")
    signature = downloader.small(_below(url, SIGNATURE), MOST_SIGNATURE)
    # Before the first large file is asked for.
    wanted = inspect(manifest, signature, rules).manifest.files
    wanted = tuple(file for file in wanted if held is None or held(file.sha256, file.size) is None)
    room(sum(2 * file.size for file in wanted))
    for file in wanted:
        path = folder / file.sha256
        if not path.exists():
            downloader.file(_below(url, file.path), path, file.size, exact=True)
        else:
            downloader.resumed = True
    return _Fetched(manifest, signature, folder, wanted)


class _Fetched:
    """A folder's files as they were downloaded: each under its digest."""

    def __init__(self, manifest: bytes, signature: bytes | None, folder: Path, files: tuple[File, ...]) -> None:
        self.manifest = manifest
        self.signature = signature
        self.sizes = {file.path: file.size for file in files}
        self._names = {file.path: folder / file.sha256 for file in files}

    def open(self, path: str) -> Blob:
        return Blob.of_file(self._names[path])

    def close(self) -> None:
        """Nothing is kept open."""

    def __enter__(self) -> Source:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None) -> None:
        self.close()


def _check_room(more: int, have: int) -> None:
    if more > have:
        raise BundleRefused(
            "no_room",
            f"fetching the bundle takes {more} bytes of disk, and {max(0, have)} may be used; make room first",
        )


def _below(url: str, path: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/" + quote(path), fragment=""))
