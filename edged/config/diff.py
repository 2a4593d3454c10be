"""What differs between two configurations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from .model import App, Config


def changed(old: Config, new: Config) -> tuple[str, ...]:
    """The dotted paths of the keys that differ, in the order of the types and by name within a mapping.

    Something added or removed as a whole is one path: ``apps.detector``, ``mqtt``.
    """
    return tuple(dict.fromkeys(".".join(path) for path in differences(old, new)))


def differences(old: Any, new: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths at which two values of the same type differ."""
    if old == new and type(old) is type(new):
        return
    if isinstance(old, Struct) and type(old) is type(new):
        names = zip(old.__struct_fields__, old.__struct_encode_fields__, strict=True)
        for name, key in names:
            if name == "given" and isinstance(old, App) and isinstance(new, App):
                # Written down or left to the default: that changes what a label may say about this key.
                yield from ((*path, key) for key in sorted(set(old.given) ^ set(new.given)))
            else:
                yield from differences(getattr(old, name), getattr(new, name), (*path, key))
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if key in old and key in new:
                yield from differences(old[key], new[key], (*path, key))
            else:
                yield (*path, key)
    else:
        yield path
