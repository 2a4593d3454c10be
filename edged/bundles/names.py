"""Which file names a bundle may hold. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from .refusal import BundleRefused

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
RESERVED = frozenset({MANIFEST, SIGNATURE})
LONGEST_PART, LONGEST_PATH, DEEPEST = 200, 1000, 16
"""Bytes of one part and of all, and parts. Below what file systems take: there is a prefix to come."""


def check_path(path: str) -> tuple[str, ...]:
    """The parts of a relative path that means the same everywhere, or ``BundleRefused("path")``."""
    if reason := _fault(path):
        raise BundleRefused("path", f"the file name {shown(path)} {reason}")
    return tuple(path.split("/"))


def check_distinct(paths: Iterable[str]) -> None:
    """Refuses names that are one file on some system: equal, equal but for case or accents, or file and folder."""
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        parts = path.split("/")
        key = _folded(path)
        if key in files:
            same = (
                "is there twice" if files[key] == path else f"differs from {shown(files[key])} in case or accents only"
            )
            raise BundleRefused("path", f"the file name {shown(path)} {same}")
        files[key] = path
        for length in range(1, len(parts)):
            folder = "/".join(parts[:length])
            other = folders.setdefault(_folded(folder), folder)
            if other != folder:
                raise BundleRefused("path", f"the folders {shown(folder)} and {shown(other)} differ in case only")
    for key in files.keys() & folders.keys():
        raise BundleRefused("path", f"{shown(files[key])} is a file and a folder at once")


def shown(path: str) -> str:
    """A name for a message: quoted, cut, nothing that would steer a terminal."""
    text = ascii(path) if not path.isprintable() else repr(path)
    return text if len(text) <= 80 else text[:79] + "…"


def _fault(path: str) -> str:
    if not path:
        return "is empty"
    try:
        raw = path.encode()
    except UnicodeEncodeError:
        return "is not UTF-8"
    if len(raw) > LONGEST_PATH:
        return f"is longer than {LONGEST_PATH} bytes"
    if path.startswith("/") or (path[1:2] == ":" and path[0].isalpha()):
        return "is absolute"
    if "\\" in path:
        return "holds a backslash"
    # Controls, but also what is invisible or turns the direction of writing: names are shown to people.
    if not path.isprintable():
        return "holds a control or invisible character"
    parts = path.split("/")
    if len(parts) > DEEPEST:
        return f"is deeper than {DEEPEST} folders"
    for part in parts:
        if part in ("", "."):
            return "has an empty part"
        if part == "..":
            return "climbs out with .."
        if len(part.encode()) > LONGEST_PART:
            return f"has a part longer than {LONGEST_PART} bytes"
        if part != part.strip() or part.endswith("."):
            return "has a part that begins or ends with a space, or ends with a dot"
    return "is reserved" if _folded(parts[0]) in RESERVED else ""


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", path).casefold())
