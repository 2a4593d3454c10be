"""From a file to a ``Config``, or to everything that is wrong with it at once."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from . import defaults, rules, token
from .model import App, Config, Restart
from .problem import ConfigError, Problem, cap
from .reader import Reader
from .schema import keys, matches


class NamedFile(Struct, frozen=True, kw_only=True):
    """Another file that the configuration names, as a full path, and where it does."""

    key: str
    path: str
    line: int
    column: int


class Loaded(Struct, frozen=True, kw_only=True):
    """A configuration that is in order, and where it came from."""

    config: Config
    path: str
    """The file, empty when there is none."""
    digest: str
    """``sha256:`` and the hex digest of the file's bytes."""
    warnings: tuple[Problem, ...] = ()
    """What works but is probably not meant."""
    files: tuple[NamedFile, ...] = ()
    """What ``check_files`` looks at."""
    instead_of: str = ""
    """The file that would be in force if a command had not applied this one."""
    data: bytes = b""
    """The file as it was read."""

    def __repr__(self) -> str:
        """Without the file's text, which may hold a password."""
        return f"Loaded(path={self.path!r}, digest={self.digest!r})"


def load(
    path: Path,
    env: Mapping[str, str],
    hostname: str | None = None,
    *,
    folder: Path | None = None,
    data: bytes | None = None,
) -> Loaded:
    """Reads and checks ``path``. Raises ``ConfigError`` with every error there is.

    ``env`` fills in ``${NAME}`` and gives the state folder; ``hostname`` is for tests. Files that it names
    are relative to ``folder``, which is the file's own unless it is a copy. ``data``: its text, when
    that is known already.
    """
    # Imported here, like what it needs: whoever only wants the types should not wait for it.
    from . import document

    data = document.read_bytes(path) if data is None else data
    file = str(path)
    tree = document.parse(data, file)
    reader = Reader(file, env, folder or path.absolute().parent)
    config: Config = reader.struct(Config, tree)
    if problems := reader.problems + _at(reader, rules.faults(config)):
        raise ConfigError(cap(sorted(set(problems), key=_place)))
    return Loaded(
        config=defaults.fill(_with_given(config, reader), env, hostname),
        path=file,
        digest=digest_of(data),
        warnings=tuple(sorted(_at(reader, rules.warnings(config)), key=_place)),
        files=tuple(_files(reader, config)),
        data=data,
    )


def load_default(env: Mapping[str, str], hostname: str | None = None) -> Loaded:
    """The configuration when there is no file at all: every container is discovered, and only observed."""
    config = defaults.fill(Config(discover="all"), env, hostname)
    return Loaded(config=config, path="", digest=digest_of(b""))


def observed_app(name: str) -> App:
    """An app for the container ``name`` that nobody configured: watched and reported, never touched."""
    return App(container=name, restart=Restart(enabled=False))


def check_files(loaded: Loaded) -> tuple[Problem, ...]:
    """The files the configuration names that cannot be read by whoever runs this. For ``edged check``."""
    found = ((named, _unreadable(named.path) or _useless(named)) for named in loaded.files)
    return tuple(
        Problem(
            file=loaded.path, line=named.line, column=named.column, key=named.key, value=repr(named.path), reason=reason
        )
        for named, reason in found
        if reason
    )


def _useless(named: NamedFile) -> str:
    return token.fault(named.path) if named.key == "http.token_file" else ""


def _unreadable(path: str) -> str:
    """Why the file cannot be used, or nothing."""
    try:
        # Non-blocking, so that a pipe in its place does not stop us.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    try:
        os.read(descriptor, 1)
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    finally:
        os.close(descriptor)
    # It is read at each connection: one on a pipe would never come about.
    return "" if regular else "is not a regular file"


def _at(reader: Reader, faults: Iterable[rules.Fault]) -> list[Problem]:
    """Faults as problems, each at the first of its keys that stands in the file."""
    problems = []
    for fault in faults:
        if any(key in reader.bad for key in fault.keys):
            continue
        key = next((key for key in fault.keys if key in reader.spots), fault.keys[0])
        near = key
        while near and near not in reader.spots:
            near = near[:-1]
        spot = reader.spots.get(near)
        problems.append(
            Problem(
                file=reader.file,
                line=spot.line if spot else 0,
                column=spot.column if spot else 0,
                key=".".join(key),
                value=spot.value if spot and near == key else "",
                reason=fault.reason,
                hint=fault.hint,
            )
        )
    return problems


def _with_given(config: Config, reader: Reader) -> Config:
    """``config`` with what the file itself sets noted in each app."""
    given: dict[str, list[str]] = {}
    for path in reader.leaves:
        if path[0] == "apps" and len(path) > 2:
            given.setdefault(path[1], []).append(".".join(path[2:]))
    apps = {name: structs.replace(app, given=tuple(sorted(given.get(name, ())))) for name, app in config.apps.items()}
    return structs.replace(config, apps=apps)


def _files(reader: Reader, config: Config) -> Iterable[NamedFile]:
    # The state folder is made when it is missing, and an app may have recorded nothing yet.
    made_later = (("state_dir",), ("apps", "*", "model", "recorded"), ("apps", "*", "drift", "source", "file"))
    patterns = [key.path for key in keys() if key.title == "file path" and key.path not in made_later]
    for path in reader.leaves:
        if any(matches(path, pattern) for pattern in patterns):
            spot = reader.spots[path]
            value: Any = config
            for part in path:
                value = value[part] if isinstance(value, dict) else getattr(value, part)
            yield NamedFile(key=".".join(path), path=value, line=spot.line, column=spot.column)


def digest_of(data: bytes) -> str:
    """``sha256:`` and the hex digest."""
    import hashlib

    return "sha256:" + hashlib.sha256(data).hexdigest()


def _place(problem: Problem) -> tuple[int, int, str]:
    return problem.line, problem.column, problem.key
