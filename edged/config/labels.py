"""Settings of an app given as labels of its container: ``edged.health.http=…``, ``edged.memory.critical=95%``.

Pure. Labels come with images, which others make: nothing is expanded from the environment, file paths must be
absolute, and the configuration file has the last word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from . import rules, suggest
from .diff import differences
from .model import App
from .problem import cut, show
from .reader import Reader
from .scalars import scalar
from .schema import ANY, Key, described, keys, matches
from .tree import Entry, Items, Node, Scalar, Table
from .types import Name
from .units import Unreadable, parse_bool

PREFIX = "edged."
ENABLE = "edged.enable"
APP = "edged.app"

KeyPath = tuple[str, ...]


def enabled(labels: Mapping[str, str], *, default: bool = False) -> bool:
    """What ``edged.enable`` says; ``default`` when it is not there or says nothing sensible."""
    try:
        return parse_bool(labels[ENABLE])
    except (KeyError, Unreadable):
        return default


def app_name(container_name: str, labels: Mapping[str, str]) -> str:
    """The name of the app in a container: ``edged.app``, else the container's own name, made to fit."""
    if _is_name(given := labels.get(APP, "")):
        return given
    return re.sub(r"^[^A-Za-z0-9]+|[^A-Za-z0-9_.-]", "", container_name)[:128] or "container"


def app_from_labels(name: str, labels: Mapping[str, str], base: App | None) -> tuple[App, tuple[str, ...]]:
    """The app ``name`` as its container's labels describe it, and what is wrong with them, one text each.

    ``base`` is the app from the file or ``observed_app``. What it sets is not touched: ``App.given``, and whatever
    differs from the defaults. A bad label is left out, the others still count.
    """
    taken = set() if base is None else {*base.given, *(".".join(path) for path in differences(App(), base))}
    errors: list[str] = []
    wanted: dict[KeyPath, str] = {}
    for label in sorted(label for label in labels if label.startswith(PREFIX)):
        key = label.removeprefix(PREFIX)
        if problem := _wrong(label, labels[label]):
            errors.append(_text(label, labels[label], *problem))
        elif label not in (ENABLE, APP) and not any(f"{key}.".startswith(f"{given}.") for given in taken):
            path = tuple(key.split("."))
            if any(path[:length] in wanted for length in range(1, len(path))):
                errors.append(_text(label, labels[label], "another label already sets what this is a part of"))
            else:
                wanted[path] = labels[label]
    # What one pass finds is dropped and the rest read again, because rules can hold between several labels.
    while True:
        app, problems = _read(wanted, base)
        dropped = False
        for path, reason, hint in problems:
            for blamed in _blamed(path, wanted):
                errors.append(_text(PREFIX + ".".join(blamed), wanted.pop(blamed), reason, hint))
                dropped = True
        if not dropped:
            return app, tuple(errors)


def _read(wanted: Mapping[KeyPath, str], base: App | None) -> tuple[App, list[tuple[KeyPath, str, str]]]:
    reader = Reader("labels", env=None, folder=None)
    app: App = reader.struct(App, _tree(wanted), App() if base is None else base)
    problems: list[tuple[KeyPath, str, str]] = []
    for problem in reader.problems:
        problems.append((tuple(problem.key.split(".")), problem.reason, problem.hint))
    if not problems:
        for fault in rules.app_faults((), app):
            # Where no label is involved it is the file's business, and was told when that was read.
            problems += [(key, fault.reason, fault.hint) for key in fault.keys if key in wanted][:1]
    return app, problems


def _tree(wanted: Mapping[KeyPath, str]) -> Table:
    """``health.http`` and ``health.every`` as one section with two keys; lists are split at commas."""
    nested: dict[str, Any] = {}
    for path, text in wanted.items():
        level = nested
        for part in path[:-1]:
            level = level.setdefault(part, {})
        key = _key(path)
        level[path[-1]] = _items(text) if key is not None and isinstance(key.default, tuple) else Scalar(text=text)

    def table(level: Mapping[str, Any]) -> Table:
        entries: Iterable[tuple[str, Node]] = (
            (key, table(value) if isinstance(value, dict) else value) for key, value in level.items()
        )
        return Table(entries=tuple(Entry(key=key, value=value) for key, value in entries))

    return table(nested)


def _items(text: str) -> Items:
    parts = [part.strip() for part in text.split(",")]
    return Items(items=tuple(Scalar(text=part) for part in parts if part))


def _blamed(path: KeyPath, wanted: Mapping[KeyPath, str]) -> list[KeyPath]:
    """The labels a problem at ``path`` is about: that one, those below it, or, when it is missing, its siblings."""
    exact = [given for given in wanted if given == path[: len(given)]]
    below = [given for given in wanted if given[: len(path)] == path]
    return exact or below or [given for given in wanted if path and given[: len(path) - 1] == path[:-1]]


def _wrong(label: str, value: str) -> tuple[str, str] | None:
    """Reason and hint for a label that cannot count whatever the others say."""
    if label == ENABLE:
        try:
            parse_bool(value)
        except Unreadable as error:
            return error.reason, error.hint
        return None
    if label == APP:
        return None if _is_name(value) else ("is not a valid name", "letters, digits, `_`, `.` and `-`")
    path = tuple(label.removeprefix(PREFIX).split("."))
    if path[0] == "container":
        return "unknown label", "a container cannot say which container it is"
    if path[:2] == ("data", "verify"):
        return "may run programs on this host", "that is for the configuration file to say"
    key = _key(path)
    if key is None:
        return "unknown label", _suggestion(label)
    return ("names a section", f"give one of its keys, as in {_example(key)}") if key.section else None


def _key(path: KeyPath) -> Key | None:
    """The key that is meant; for a name that is free, as in ``metrics.errors.failed.status``, the one that holds it."""
    exact = next((key for key in keys(App) if matches(path, key.path)), None)
    if exact is not None:
        return exact
    return next((key for key in keys(App) if isinstance(key.default, dict) and matches(path[:-1], key.path)), None)


def _settable() -> Iterator[Key]:
    return (key for key in keys(App) if not key.section and key.path[0] != "container" and "verify" not in key.path)


def _example(section: Key) -> str:
    below = (key for key in _settable() if key.path[: len(section.path)] == section.path)
    return PREFIX + next(below, section).dotted


def _suggestion(label: str) -> str:
    known = [PREFIX + key.dotted for key in _settable() if ANY not in key.path]
    likely = suggest.closest(label, [ENABLE, APP, *known])
    if not likely:
        # `edged.timeout` for `edged.health.timeout`
        last = label.rpartition(".")[2]
        likely = next((name for name in known if name.endswith("." + last)), "")
    return f"did you mean {likely}?" if likely else ""


def _is_name(text: str) -> bool:
    try:
        scalar(described(Name), text)
    except Unreadable:
        return False
    return True


def _text(label: str, value: str, reason: str, hint: str = "") -> str:
    return f"{cut(label)}={show(value)}: {reason}" + (f" ({hint})" if hint else "")
