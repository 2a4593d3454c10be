"""A configuration that a command applied: ``<state>/applied.yaml``, in force instead of the file it was meant for.

The daemon may not write below /etc, so what it was given lies in its own folder. The rules: it counts as long as the
file is, byte for byte, what it was when the command came. A person who changes the file means the file: from the next
start or reload with it, what was applied is gone for good.

The last line, a comment, says which file and what it held. It is not part of the configuration, nor of its digest.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from ..adapters.atomic import write_atomic
from ..config.defaults import state_dir
from ..config.document import read_bytes
from ..config.load import Loaded, digest_of, load, load_default
from ..config.problem import ConfigError

log = logging.getLogger(__name__)

NAME = "applied.yaml"
USUAL = Path("/etc/edged/edged.yaml")
_MARK = b"\n# edged: in force until this file changes: "


class Instead(Struct, frozen=True):
    """Of which file, and what that held."""

    file: str
    digest: str
    """Empty: there was none."""


def current(path: Path | None, env: Mapping[str, str]) -> Loaded:
    """What is to be in force: the file at ``path``, or what was applied instead. Raises ``ConfigError``."""
    try:
        loaded = load(path, env) if path is not None else load_default(env)
    except ConfigError:
        # Not in order, and perhaps never was: what was applied on top of it may be.
        before = _recall(Path(state_dir(env)), path, env)
        if before is None:
            raise
        return before
    return _recall(Path(loaded.config.state_dir), path, env) or loaded


def read_new(text: str, path: Path | None, env: Mapping[str, str], folder: Path) -> Loaded:
    """A new text for ``path`` as it would be in force. Raises ``ConfigError``."""
    loaded = load(Path("the new configuration"), env, folder=_home(path), data=text.encode())
    return structs.replace(loaded, path=str(folder / NAME), instead_of=str(path or "no file"))


def instead(path: Path | None) -> Instead:
    """What ``path`` holds now. Raises ``ConfigError``."""
    if path is None:
        return Instead("", "")
    return Instead(str(path.absolute()), digest_of(read_bytes(path)))


def keep(folder: Path, loaded: Loaded, which: Instead) -> None:
    """From now on a start uses it. Raises ``OSError``."""
    write_atomic(folder / NAME, loaded.data + _MARK + msgspec.json.encode(which) + b"\n", 0o600)


def settle(folder: Path, path: Path | None, loaded: Loaded) -> None:
    """The file itself is in force: what was applied instead of an older one does not come back."""
    if loaded.path != str(path or ""):
        return
    try:
        (folder / NAME).unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        log.warning("%s is of no use any more and cannot be removed: %s", folder / NAME, error.strerror)
        return
    log.info("%s was changed and is in force: what a command had applied instead is gone", path)


def _recall(folder: Path, path: Path | None, env: Mapping[str, str]) -> Loaded | None:
    """What was applied instead of ``path`` as it is now; ``None``: nothing, or nothing that can be used."""
    copy = folder / NAME
    try:
        text, mark, note = copy.read_bytes().rpartition(_MARK)
    except OSError as error:
        if not isinstance(error, FileNotFoundError | NotADirectoryError | PermissionError):
            log.error("%s cannot be read, the file is used: %s", copy, error.strerror)
        return None
    try:
        if not mark or msgspec.json.decode(note, type=Instead) != instead(path):
            return None
        loaded = load(copy, env, folder=_home(path), data=text)
    except (msgspec.MsgspecError, ConfigError) as error:
        log.error("%s cannot be used, the file is: %s", copy, error)
        return None
    return structs.replace(loaded, instead_of=str(path or "no file"))


def _home(path: Path | None) -> Path:
    """Where files that it names are looked for."""
    return (path or USUAL).absolute().parent
