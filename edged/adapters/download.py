"""Downloads of one file that go on where they broke off, also after a restart of edged.

Beside ``NAME`` lie ``NAME.part``, what has arrived, and ``NAME.from``, what it is a part of: without a strong validator
of the server, or with another one than then, it begins anew.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from ..bundles.refusal import BundleRefused
from ..ports import Refused, Unreachable
from .atomic import write_atomic
from .http_stream import Fetcher, Stream, host_of, remaining

_PASSING = frozenset({408, 425, 429})
_STEP = 256 * 1024
_AHEAD = 16 * 2**20
"""Bytes for which room is asked at once when the server does not say how much will come."""


class Options(Struct, frozen=True, kw_only=True):
    """Times in seconds."""

    ca_file: str = ""
    rate: int | None = None
    """Bytes per second at most."""
    idle: float = 30.0
    """So long nothing may arrive."""
    within: float = 3600.0
    """For everything."""
    attempts: int = 6
    """One after the other without a byte of progress."""
    backoff: float = 1.0
    max_backoff: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    over: Callable[[], bool] = lambda: False
    """Nobody wants it any more: it ends as when its time is up."""


class _Origin(Struct):
    """What a ``.part`` is a part of."""

    url: str
    validator: str
    total: int | None


class Downloader:
    """Downloads for one bundle: all of them share the time that ``options.within`` gives."""

    def __init__(self, options: Options, fetcher: Fetcher | None = None) -> None:
        self._options = options
        self._fetcher = fetcher or Fetcher(options.ca_file)
        left = remaining(options.within)
        self._left: Callable[[], float] = lambda: 0.0 if options.over() else left()
        self.resumed = False
        """Whether anything was joined from two answers."""

    def small(self, url: str, most: int) -> bytes | None:
        """A small file's content; ``None`` when the server says there is none."""
        target: list[bytes] = []

        def once() -> bool:
            target.clear()
            with self._fetcher.get(url, (), self._options.idle, self._left) as stream:
                if stream.status in (404, 410):
                    return True
                self._check_status(stream, 200)
                data = bytearray()
                while len(data) <= most and (part := stream.read(most + 1 - len(data))):
                    data += part
                if len(data) > most:
                    raise BundleRefused("too_large", f"{_file(url)} has more than {most} bytes")
                if stream.length is not None and len(data) < stream.length:
                    raise Unreachable(f"the transfer from {host_of(url)} broke off")
                target.append(bytes(data))
            return True

        self._insist(once, lambda: 0)
        return target[0] if target else None

    def file(
        self, url: str, path: Path, most: int, exact: bool = False, room: Callable[[int], None] | None = None
    ) -> None:
        """Downloads into ``path``, at most (or ``exact``-ly) ``most`` bytes. ``room`` may refuse so many more.

        Raises ``BundleRefused``, ``Unreachable``, ``Refused`` or ``OSError``.
        """
        part = path.with_name(path.name + ".part")
        note = path.with_name(path.name + ".from")
        self._insist(lambda: self._attempt(url, part, note, most, exact, room), lambda: _size(part))
        part.replace(path)
        note.unlink(missing_ok=True)

    def _attempt(
        self, url: str, part: Path, note: Path, most: int, exact: bool, room: Callable[[int], None] | None
    ) -> bool:
        origin = _read_origin(note, url)
        have = _size(part) if origin is not None else 0
        if origin is not None and origin.total == have:
            return True
        headers: tuple[str, ...] = ()
        if origin is not None and have:
            headers = (f"Range: bytes={have}-", f"If-Range: {origin.validator}")
        with self._fetcher.get(url, headers, self._options.idle, self._left) as stream:
            if headers and stream.status in (206, 416) and not _continues(stream, have, origin):
                part.unlink(missing_ok=True)
                raise Unreachable(f"{host_of(url)} has another file than before")
            if not headers or stream.status != 206:
                self._check_status(stream, 200)
                have = 0
            self.resumed |= have > 0
            total = have + stream.length if stream.length is not None else None
            _check_total(url, total, most, exact)
            if room is not None and total is not None:
                room(total - have)
            if not have:
                part.unlink(missing_ok=True)
                _write_origin(note, _Origin(url, _validator(stream), total))
            got = self._receive(stream, part, have, most, exact, room if total is None else None)
            if total is not None and have + got < total:
                raise Unreachable(f"the transfer from {host_of(url)} broke off after {have + got} of {total} bytes")
        if exact and have + got != most:
            raise BundleRefused("size_mismatch", f"{_file(url)} has {have + got} bytes, manifest.json says {most}")
        return True

    def _receive(
        self, stream: Stream, part: Path, have: int, most: int, exact: bool, room: Callable[[int], None] | None
    ) -> int:
        rate = self._options.rate
        step = min(_STEP, max(1024, rate // 4)) if rate else _STEP
        got = asked = 0
        begun = time.monotonic()
        with part.open("ab", buffering=0) as file:
            file.truncate(have)
            while data := stream.read(max(1, min(step, most - have - got + 1))):
                got += len(data)
                if have + got > most:
                    file.truncate(0)
                    code = "size_mismatch" if exact else "too_large"
                    raise BundleRefused(code, f"{_file(stream.url)} has more than {most} bytes")
                if room is not None and got > asked:
                    asked += _AHEAD
                    room(_AHEAD)
                file.write(data)
                if rate and (ahead := got / rate - (time.monotonic() - begun)) > 0:
                    self._options.sleep(min(ahead, max(0.0, self._left())))
        return got

    def _check_status(self, stream: Stream, wanted: int) -> None:
        if stream.status == wanted and stream.header("content-encoding") in ("", "identity"):
            return
        what = f"{host_of(stream.url)} answered {stream.status} for {_file(stream.url)}"
        if stream.status == wanted:
            raise Refused(f"{host_of(stream.url)} compresses {_file(stream.url)}, which was not asked for")
        if stream.status >= 500 or stream.status in _PASSING:
            raise Unreachable(what)
        raise Refused(what)

    def _insist(self, once: Callable[[], bool], progress: Callable[[], int]) -> None:
        """Tries again with growing pauses, until nothing arrived so many times or time is up."""
        failed = 0
        before = progress()
        while True:
            try:
                once()
                return
            except Unreachable as trouble:
                now = progress()
                failed = failed + 1 if now <= before else 1
                before = now
                pause = min(self._options.max_backoff, self._options.backoff * 2 ** (failed - 1))
                pause *= random.uniform(0.5, 1.0)
                if failed >= self._options.attempts or self._left() <= pause:
                    raise Unreachable(f"{trouble} (gave up after {failed} attempts without progress)") from None
                self._options.sleep(pause)


def _continues(stream: Stream, have: int, origin: _Origin | None) -> bool:
    """Whether a 206 is the rest of what is there."""
    match = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", stream.header("content-range"), re.ASCII)
    if stream.status != 206 or match is None or origin is None or int(match[1]) != have:
        return False
    if stream.header("content-encoding") not in ("", "identity"):
        return False
    total = None if match[3] == "*" else int(match[3])
    if total is not None and (int(match[2]) != total - 1 or origin.total not in (None, total)):
        return False
    if origin.validator.startswith('"'):
        # A 206 must repeat the tag; a server that does not at least did not name another one.
        return stream.header("etag") in ("", origin.validator)
    return stream.header("last-modified") in ("", origin.validator)


def _validator(stream: Stream) -> str:
    """The strong validator of an answer, or nothing (RFC 9110, 8.8)."""
    tag = stream.header("etag")
    if tag.startswith('"') and tag.isascii():
        return tag
    changed, sent = stream.header("last-modified"), stream.header("date")
    with suppress(ValueError, TypeError, OverflowError):
        # Within the second it was changed in, it may have changed once more.
        if (parsedate_to_datetime(sent) - parsedate_to_datetime(changed)).total_seconds() >= 1:
            return changed
    return ""


def _check_total(url: str, total: int | None, most: int, exact: bool) -> None:
    if total is None:
        return
    if exact and total != most:
        raise BundleRefused("size_mismatch", f"{_file(url)} has {total} bytes, manifest.json says {most}")
    if total > most:
        raise BundleRefused("too_large", f"{_file(url)} has {total} bytes; at most {most} are taken")


def _read_origin(note: Path, url: str) -> _Origin | None:
    """Nothing when the part cannot be gone on with."""
    try:
        origin = msgspec.json.decode(note.read_bytes(), type=_Origin)
    except (OSError, msgspec.MsgspecError):
        return None
    return origin if origin.url == url and origin.validator else None


def _write_origin(note: Path, origin: _Origin) -> None:
    # It may carry a token in its URL.
    write_atomic(note, msgspec.json.encode(origin), 0o600, sync=False)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _file(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2][:80] or "the file"
