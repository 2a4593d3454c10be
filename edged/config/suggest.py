"""What an unknown key was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from .schema import ANY, keys, matches

# Comparing costs the product of the lengths; no key of ours is longer.
_LONGEST = 64


def closest(word: str, known: Iterable[str]) -> str:
    """The known word most like ``word``, or nothing."""
    by_lower = {name.lower(): name for name in known}
    if len(word) > _LONGEST:
        return ""
    found = get_close_matches(word.lower().replace("-", "_"), list(by_lower), n=1, cutoff=0.7)
    return by_lower[found[0]] if found else ""


def hint(key: str, section: tuple[str, ...], siblings: Sequence[str]) -> str:
    """For an unknown ``key`` inside ``section``, whose known keys are ``siblings``."""
    if len(key) > _LONGEST:
        return ""
    parts = tuple(key.split("."))
    if len(parts) > 1 and any(matches((*section, *parts), known.path) for known in keys()):
        return "write it nested: " + ": {".join(parts) + ": …" + "}" * (len(parts) - 1)
    if likely := closest(key, siblings):
        return f"did you mean {likely}?"
    homes = [known.path[:-1] for known in keys() if known.path[-1] == key.replace("-", "_")]
    if homes:
        near = max(homes, key=lambda home: _shared(home, section))
        where = ".".join("<name>" if part == ANY else part for part in near)
        return f"it belongs under {where}" if where else "it belongs at the top level"
    return f"known here: {', '.join(siblings)}" if len(siblings) <= 8 else ""


def _shared(home: tuple[str, ...], section: tuple[str, ...]) -> tuple[int, int]:
    """How much of the way to ``section`` the two have in common; the shorter way wins a tie."""
    count = 0
    for want, got in zip(home, section, strict=False):
        if want not in (ANY, got):
            break
        count += 1
    return count, -len(home)
