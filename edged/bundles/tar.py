"""The index of an uncompressed tar file: which plain file lies where. Pure but for the reads it is given.

Not ``tarfile``: that takes links, devices and sparse files, and reads headers of any length into memory. Taken here
are plain files and folders in ustar, GNU and PAX archives; long names are bounded. What two tar programs might read
in two ways is refused.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from .names import shown
from .refusal import BundleRefused

ReadAt = Callable[[int, int], bytes]

_BLOCK = 512
_MOST_HEADER = 64 * 1024
"""Bytes of a PAX or long-name header."""
_MOST_PADDING = 2**20
_LINKS, _SPECIAL = b"12", b"3467S"


class Member(Struct, frozen=True):
    offset: int
    """Of its content."""
    size: int


class _Extra(Struct):
    """What headers before an entry said about it."""

    path: str | None = None
    size: int | None = None


def index(read_at: ReadAt, size: int, most: int) -> dict[str, Member]:
    """path -> member of an archive of ``size`` bytes with at most ``most`` files. Raises ``BundleRefused``.

    Paths are as in the archive but for a leading ``./``; they are not judged here.
    """
    members: dict[str, Member] = {}
    extra = _Extra()
    at = headers = 0
    while True:
        header = read_at(at, _BLOCK)
        if len(header) < _BLOCK:
            raise _malformed("it ends early")
        if not any(header):
            _check_end(read_at, at, size)
            return members
        headers += 1
        # A file may have three headers, and a folder of its own.
        if headers > 8 * most + 64:
            raise BundleRefused("too_many_files", f"the archive has more than {most} files")
        _check_sum(header)
        at += _BLOCK
        kind = header[156:157]
        length = _number(header[124:136]) if extra.size is None or kind in b"xgLK" else extra.size
        if length > size - at:
            raise _malformed("a file reaches beyond the end of the archive")
        if kind in (b"x", b"g", b"L", b"K"):
            _take_extra(extra, kind, read_at, at, length)
        else:
            path = extra.path if extra.path is not None else _path(header)
            _take(members, path, kind, at, length)
            if len(members) > most:
                raise BundleRefused("too_many_files", f"the archive has more than {most} files")
            extra = _Extra()
        at += -(-length // _BLOCK) * _BLOCK


def _take(members: dict[str, Member], path: str, kind: bytes, at: int, length: int) -> None:
    if kind in _LINKS:
        raise BundleRefused("link", f"{shown(path)} is a link")
    if kind in _SPECIAL:
        raise BundleRefused("special_file", f"{shown(path)} is a device, pipe or sparse file")
    if kind not in (b"0", b"\0", b"5"):
        raise _malformed(f"{shown(path)} is of an unknown kind")
    path = path.removeprefix("./")
    if kind == b"5" or path.endswith("/"):
        if length:
            raise _malformed(f"the folder {shown(path)} has content")
        return
    if path in members:
        raise BundleRefused("path", f"the file name {shown(path)} is in the archive twice")
    members[path] = Member(at, length)


def _take_extra(extra: _Extra, kind: bytes, read_at: ReadAt, at: int, length: int) -> None:
    if length > _MOST_HEADER:
        raise _malformed("a header is too long")
    data = read_at(at, length)
    if kind == b"L":
        extra.path = _text(data.partition(b"\0")[0])
    if kind not in (b"x", b"g"):
        return  # K, the target of a link: the link itself comes next and is refused
    for key, value in _records(data):
        if key.startswith(b"GNU.sparse"):
            raise BundleRefused("special_file", "the archive holds a sparse file; pack it without --sparse")
        if key not in (b"path", b"size"):
            continue  # times, owners, comments
        if kind == b"g":
            raise _malformed("one name or size is given for all files")
        if key == b"path":
            extra.path = _text(value)
        elif value.isdigit() and len(value) < 19:
            extra.size = int(value)
        else:
            raise _malformed("a size is no number")


def _records(data: bytes) -> list[tuple[bytes, bytes]]:
    """``13 path=abc\\n`` … : each begins with its own length."""
    records = []
    while data.rstrip(b"\0"):
        digits, _, _ = data.partition(b" ")
        if not digits.isdigit() or len(digits) > 6:
            raise _malformed("a PAX header cannot be read")
        length = int(digits)
        record = data[len(digits) + 1 : length]
        key, equals, value = record.partition(b"=")
        if length > len(data) or not record.endswith(b"\n") or not equals or b"\0" in key:
            raise _malformed("a PAX header cannot be read")
        records.append((key, value[:-1]))
        data = data[length:]
    return records


def _path(header: bytes) -> str:
    name = header[:100].partition(b"\0")[0]
    # Old GNU archives keep times where ustar has the beginning of the name.
    if header[257:263] == b"ustar\0" and (prefix := header[345:500].partition(b"\0")[0]):
        name = prefix + b"/" + name
    return _text(name)


def _text(raw: bytes) -> str:
    # What is not UTF-8 becomes a name that is refused, with a message that can be printed.
    return raw.decode("utf-8", "surrogateescape")


def _number(field: bytes) -> int:
    if field[0] == 0x80:
        value = int.from_bytes(field[1:], "big")
    elif field[0] > 0x80:
        raise _malformed("a size is negative")
    else:
        text = field.strip(b" \0")
        if not all(0x30 <= c <= 0x37 for c in text):
            raise _malformed("a size is no number")
        value = int(text, 8) if text else 0
    return value


def _check_sum(header: bytes) -> None:
    text = header[148:156].strip(b" \0")
    if not text or not all(0x30 <= c <= 0x37 for c in text):
        raise _malformed("a header is damaged, or it is compressed; a bundle is a plain .tar")
    if int(text, 8) != sum(header) - sum(header[148:156]) + 8 * 0x20:
        raise _malformed("a header is damaged")


def _check_end(read_at: ReadAt, at: int, size: int) -> None:
    if size - at > _MOST_PADDING or any(read_at(at, size - at)):
        raise _malformed("something follows its end")


def _malformed(why: str) -> BundleRefused:
    return BundleRefused("malformed_archive", f"the archive cannot be read: {why}")
